/*
 * A recipe: what an image of the platform is built from, images/<folder>/<file> with the folder's
 * other files and what the configuration adds.  Its hash tells whether a built image is still what
 * the recipe says.
 */
#ifndef ENGINE_BROKER_RECIPE_H
#define ENGINE_BROKER_RECIPE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "engine/broker/broker.h"

/* Labels of a built image by which recipe_is_current() knows it. */
#define RECIPE_LABEL "codinglab.recipe"
#define RECIPE_FOLDER "codinglab.folder"
#define RECIPE_FILE "codinglab.file"
#define RECIPE_PARENT "codinglab.parent"
#define RECIPE_PARENT_DIGEST "codinglab.parent.digest"

struct recipe {
	struct buf context;  /* the tar that the container engine gets */
	char parent[64];     /* image of ours that it starts from, or "" */
	char hash[65];       /* hex */
};

/* recipe_clear() in any case. */
int recipe_load(struct recipe *r, const struct broker *b, const char *folder, const char *file,
    struct cl_err *err);
void recipe_clear(struct recipe *r);
/* Do these labels belong to an image that its recipe would make again, on this parent?
 * parent_digest: of the parent as it is now, "" = none. */
bool recipe_is_current(const struct broker *b, const json_t *labels, const char *parent_digest);

#endif
