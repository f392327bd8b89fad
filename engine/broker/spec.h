/*
 * The container that a request asks for: read from a message with every field checked
 * (spec_read), and turned into the container engine's JSON (spec_json.c).  The JSON has a fixed
 * shape: what a request cannot name - privileges, capabilities, devices, host namespaces, host
 * paths - it cannot ask for.
 */
#ifndef ENGINE_BROKER_SPEC_H
#define ENGINE_BROKER_SPEC_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ipc.h"
#include "engine/broker/broker_proto.h"
#include "engine/broker/place.h"

#define SPEC_MOUNTS 8

struct spec_var {
	char *name;
	char *value;
};

struct spec_vars {
	struct spec_var items[BROKER_ENVS];
	size_t n;
};

struct spec_argv {
	char *words[BROKER_ARGS + 1]; /* NULL-terminated */
	size_t n;
};

struct spec_mount {
	enum broker_mount kind;
	char source[128];
	char target[128];
	bool read_only;
};

struct spec {
	char name[80];
	int64_t project;
	char env[8], tier[8];
	int n, release;
	char image[256];
	struct spec_argv argv;
	struct spec_vars vars;
	struct spec_mount mounts[SPEC_MOUNTS];
	size_t nmounts;
	char network[64], alias[32], hostname[64], workdir[128];
	uint32_t uid, gid;
	char user_name[32];
	int64_t memory;
	int cpu_milli, pids;
	bool read_only_root;
	int port;
	char health[128];
	int stop_grace_s;
	int64_t generation;
};

/* Read one spec; 0, or -1 with CL_USAGE naming the field that is not allowed (the message is then
 * only partly read).  spec_clear() in any case. */
int spec_read(struct spec *s, struct ipc_in *m, const struct place *p, struct cl_err *err);
void spec_clear(struct spec *s);

/* Parts that other requests have too. */
int64_t spec_read_wide(struct ipc_in *m, int64_t lo, int64_t hi); /* an i64 in [lo, hi], or bad */
int spec_read_argv(struct spec_argv *a, struct ipc_in *m, struct cl_err *err);
int spec_read_vars(struct spec_vars *v, size_t max, struct ipc_in *m, struct cl_err *err);
void spec_clear_argv(struct spec_argv *a);
void spec_clear_vars(struct spec_vars *v);

/* Body of POST /containers/create; the caller owns it. */
json_t *spec_json_make(const struct spec *s, const struct place *p);
/* The part that no container of ours is without; used for builds too. */
json_t *spec_json_host(const struct place *p);
json_t *spec_json_argv(const struct spec_argv *a);
json_t *spec_json_vars(const struct spec_vars *v); /* ["NAME=value", ...] */

#endif
