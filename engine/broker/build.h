/*
 * An application image (decision 7): the project's own build runs as its user in a container with
 * the sources read-only; the result is copied, again as the user, into a container of the run
 * image, and that is committed.
 *
 *   workspace --ro--> [ from: cp, build ] --> builds/<op> --ro--> [ onto: cp ] --commit--> image
 */
#ifndef ENGINE_BROKER_BUILD_H
#define ENGINE_BROKER_BUILD_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/broker/broker.h"
#include "engine/broker/line.h"
#include "engine/broker/spec.h"

struct build {
	char id[64];
	int64_t project, op;
	char from[256], onto[256];
	struct spec_argv build, cmd;
	uint32_t uid, gid;
	struct spec_vars labels;
	int64_t memory;
	int timeout_s;
};

int build_read(struct build *s, struct ipc_in *m, struct cl_err *err);
void build_clear(struct build *s);
/* digest: "sha256:..." of the image. */
int build_run(const struct broker *b, const struct build *s, struct line *out, char *digest,
    size_t size, struct cl_err *err);
/* Remove what a run leaves when it is cut: its containers and its folder. */
void build_clean(const struct broker *b, int64_t op);

#endif
