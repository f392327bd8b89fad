/*
 * Stages of a build by a project's own Containerfile.  The engine reads and checks that file (images/dockerfile.h) and
 * asks for one step after another; no daemon ever reads it, and none unpacks files of a user's.
 *
 *   op31-s0 op31-s1 ...   a container for each stage, kept until the build ends, its first process codinglab-copy
 *      /run/codinglab-src     the workspace, read-only
 *      /run/codinglab-share   a volume of this build, by which COPY --from goes from stage to stage
 *      /run/codinglab-copy    the program that copies
 *
 * A stage's programs run as the image's user or as USER says, which may be root: with the capabilities that package
 * tools need (CHOWN DAC_OVERRIDE FOWNER FSETID SETGID SETUID) and no other, no new privileges, the container engine's
 * seccomp filter, limits of memory and processes, and the network of any build (reach.h).
 */
#ifndef ENGINE_BROKER_STAGE_H
#define ENGINE_BROKER_STAGE_H

#include "base/ipc.h"
#include "engine/broker/broker.h"
#include "engine/broker/line.h"
#include "engine/broker/spec.h"

#define STAGE_MAX 16
#define STAGE_SOURCE "/run/codinglab-src"
#define STAGE_SHARE "/run/codinglab-share"
#define STAGE_COPY "/run/codinglab-copy"
#define STAGE_USER 128

struct stage {
	int64_t project, op;
	int n;               /* 0..STAGE_MAX-1; 0 removes what an earlier try left */
	char image[256];     /* id, digest or "scratch" */
	bool pull;           /* image is a name to be fetched from its registry */
	int64_t memory;
	struct spec_argv argv;
	struct spec_vars vars;
	char user[STAGE_USER], workdir[256];
	int timeout_s;
};

struct stage_commit {
	int64_t op;
	int n;
	char id[64], tag[64];
	char workdir[256];
	int port;
	struct spec_argv entrypoint, cmd;
	struct spec_vars vars, labels;
};

/* Requests, as broker_proto.h has them; the clear functions in any case. */
int stage_read_begin(struct stage *s, struct ipc_in *m, struct cl_err *err);
int stage_read_run(struct stage *s, struct ipc_in *m, struct cl_err *err);
void stage_clear(struct stage *s);
int stage_read_commit(struct stage_commit *c, struct ipc_in *m, struct cl_err *err);
void stage_clear_commit(struct stage_commit *c);

/* Make and start the stage's container.  The image's configuration (inspect's Config) in *config, the caller's. */
int stage_begin(const struct broker *b, const struct stage *s, struct line *out, json_t **config, struct cl_err *err);
/* A program in it, its lines to out; CL_TIMEOUT after timeout_s. */
int stage_run(const struct broker *b, const struct stage *s, struct line *out, int *status, struct cl_err *err);
int stage_commit(const struct broker *b, const struct stage_commit *c, char *digest, size_t size, struct cl_err *err);
/* Everything of the build goes: containers, volume, names of its stages' images (id:opN-sK). */
void stage_clean(const struct broker *b, int64_t project, int64_t op);

#endif
