/*
 * A save: a project's dev container and its workspace as two images of this lab.
 *
 *   save/pN-sM   the container's file system on its stack's image.  A container in which nothing
 *                was changed gives its image again, without a layer.
 *   work/pN-sM   the workspace and the kept parts of the home: "manifest" (tree.h) and
 *                "objects/HASH", the contents.  Made on the image of the save before, a layer
 *                holds only contents that were not there; equal trees give the same image.
 *
 * Names of users' files stand in the manifest alone: the container engine unpacks nothing but
 * hashes.  Files are read by a child that has become the project's owner (tree_scan.h).
 */
#ifndef ENGINE_BROKER_SAVE_H
#define ENGINE_BROKER_SAVE_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ipc.h"
#include "engine/broker/broker.h"
#include "engine/broker/line.h"
#include "engine/broker/spec.h"
#include "engine/broker/tree.h"

struct save {
	int64_t project, op;
	uint32_t uid, gid;
	char name[32];       /* "p12-s34" */
	char container[80];  /* the dev container, which may be absent */
	char image[256];     /* what it is made of then */
	char base[256];      /* what packages are compared with; "" = nothing */
	char parent[128];    /* digest of the work image before; "" = none */
	int64_t max_bytes, max_files;
};

struct save_made {
	char dev[128], work[128]; /* digests */
	json_t *report;           /* owned */
};

int save_read(struct save *s, struct ipc_in *m, struct cl_err *err);
int save_run(const struct broker *b, const struct save *s, struct line *out, struct save_made *made,
    struct cl_err *err);
/* What a call that was cut may have left. */
void save_clean(const struct broker *b, int64_t op);

/* -- parts, used by load.c too -- */

/* The parts of a home that belong to a save: programs installed there.  Ends with NULL.  All else
 * (history, keys, tokens, caches) stays where it is. */
extern const char *const save_home[];
/* An unnamed scratch file beneath state.dir. */
int save_spool(const struct broker *b, struct cl_err *err);
/* A container of image that is never started, to read from or write into: "op<op>-<step>". */
int save_scratch(const struct broker *b, const char *image, int64_t project, int64_t op,
    const char *step, char name[80], struct cl_err *err);
/* A file or folder of a container as tar into a new scratch file; its descriptor at the start. */
int save_fetch(const struct broker *b, const char *container, const char *path, int64_t max,
    struct cl_err *err);

/* JSON that a child left in a scratch file; NULL when it is none. */
json_t *save_take_json(int fd);
/* One image, another name. */
int save_tag(const struct broker *b, const char *digest, const char *id, struct cl_err *err);

/* -- the two halves -- */

int save_dev_run(const struct broker *b, const struct save *s, struct save_made *made,
    struct cl_err *err);
int save_work_run(const struct broker *b, const struct save *s, struct line *out,
    struct save_made *made, struct cl_err *err);

#endif
