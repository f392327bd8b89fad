/*
 * What is in a built image, as labels of it: the versions that its stack.json asks for, Debian's
 * packages, what the image says of itself in /usr/share/codinglab/labels.  Found by running the image
 * once, without network or rights.
 *
 *   codinglab.version.NAME   first line of that program's answer
 *   codinglab.packages       "name=version ..." of dpkg
 *   codinglab.KEY            of the file's KEY=VALUE
 */
#ifndef ENGINE_BROKER_IMAGE_FACTS_H
#define ENGINE_BROKER_IMAGE_FACTS_H

#include <jansson.h>

#include "base/err.h"
#include "engine/broker/broker.h"

/* An object of strings, owned by the caller; NULL when the image cannot be run. */
json_t *image_facts_find(const struct broker *b, const char *folder, const char *id,
    struct cl_err *err);
/* From what the script printed; also for tests. */
json_t *image_facts_read(const char *text);
/* The program that the image runs: "sh" script for the versions of a stack.json; the caller frees. */
char *image_facts_script(const json_t *stack);
/* An image's labels as a JSON object for people: without "codinglab.", and of the packages how many
 * there are.  At most IMAGE_FACTS_SHORT bytes: what does not fit is left out.  The caller frees. */
#define IMAGE_FACTS_SHORT 16384
char *image_facts_short(const json_t *labels);
/* "FROM ref" and the labels, as a recipe; the caller frees. */
char *image_facts_recipe(const char *ref, const json_t *labels);

#endif
