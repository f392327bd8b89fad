/* Saves of projects: which images they are, what is in them, who made them. */
#ifndef ENGINE_STORE_SAVE_H
#define ENGINE_STORE_SAVE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "engine/store.h"

#define STORE_SAVE_NAME 64

struct store_save {
	int64_t id, project;
	char name[STORE_SAVE_NAME];
	char message[513];
	char by[32];
	int64_t at;
	char state[16];     /* saving, ready */
	bool undo;          /* made by load, of what was there before */
	char stack[32];
	char base[128];     /* digest of the stack's image that it began with; "" = not known */
	char dev[128], work[128]; /* digests of its two images */
	char dev_stored[72], work_stored[72]; /* their digests in the repository; "" = not there */
	char tree[65];      /* hash of its files */
	int64_t files, bytes, written; /* written: bytes that no save before had */
	int depth;          /* layers of its work image since the last that held everything */
	int64_t op;
};

/* project, name ("" = "save-ID"), message, by, undo, stack, op are stored, as state saving; id, at and
 * name are set.  CL_CONFLICT: the name is taken. */
int store_save_add(struct store *s, struct store_save *v, struct cl_err *err);
int store_save_get(struct store *s, int64_t id, struct store_save *out, struct cl_err *err);
int store_save_find(struct store *s, int64_t project, const char *name, struct store_save *out,
    struct cl_err *err);
/* What the workspace was last the same as (saved or loaded), else the newest that is ready. */
int store_save_nearest(struct store *s, int64_t project, struct store_save *out,
    struct cl_err *err);
/* base .. depth are stored, and what changed (JSON); it is ready, and the nearest. */
int store_save_ready(struct store *s, const struct store_save *v, const char *diff,
    struct cl_err *err);
/* dev_stored and work_stored of v. */
int store_save_stored(struct store *s, const struct store_save *v, struct cl_err *err);
/* Does another save of the project keep this image in the repository? */
bool store_save_shares(struct store *s, const struct store_save *v, const char *stored);
/* What changed, as it was stored; the caller frees. */
char *store_save_diff(struct store *s, int64_t id);
int store_save_remove(struct store *s, int64_t id, struct cl_err *err);
/* Newest first; project 0: all. */
int store_save_each(struct store *s, int64_t project,
    int (*cb)(void *arg, const struct store_save *v), void *arg, struct cl_err *err);
int store_save_count(struct store *s, int64_t project, bool undo);
/* The undo save beyond the newest `keep`; 0 = none. */
int64_t store_save_old_undo(struct store *s, int64_t project, int keep);
/* Does any save, ready or not, consist of this image?  For cleaning up images. */
bool store_save_image_used(struct store *s, const char *digest);

/* The save that a project's dev container is made of; 0 = its stack's image. */
int64_t store_save_loaded(struct store *s, int64_t project);
/* It is the nearest then, too. */
int store_save_set_loaded(struct store *s, int64_t project, int64_t save, struct cl_err *err);
int64_t store_save_loads(struct store *s, int64_t project); /* how often that was called */

#endif
