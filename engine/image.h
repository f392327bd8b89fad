/*
 * The stacks' images: which are built, and building them (operation "image build", parents first).
 * What is known is in memory; the backend's store is the truth and is asked again now and then.
 * On the loop's thread.
 */
#ifndef ENGINE_IMAGE_H
#define ENGINE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "base/err.h"
#include "engine/engine.h"
#include "engine/image_build.h"
#include "engine/op.h"

void image_open(struct engine *e);
void image_close(struct engine *e);
void image_reload(struct engine *e);                  /* after stacks_swap() */
json_t *image_json_one(struct engine *e, const char *id); /* Image; NULL = no stack has it */
void image_refresh(struct engine *e);                 /* asks the backend, in the background */
bool image_asking(const struct engine *e);            /* a refresh is under way */
enum image_state image_get(struct engine *e, const char *id);
const char *image_text(enum image_state s);           /* "ready" */
json_t *image_json(struct engine *e);                 /* ImageList */
/* The ids of all images that stacks have. */
void image_each(struct engine *e, void (*cb)(void *arg, const char *id), void *arg);
/* For the handler: payload of the operation for these ids (array of strings or NULL = all). */
int image_begin(struct engine *e, struct request *r, struct reply *p, const json_t *ids, bool force,
    struct cl_err *err);
int image_run(struct op_live *o, struct cl_err *err);  /* op_kind.run */

#endif
