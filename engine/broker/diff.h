/*
 * What changed, in words and numbers that people read: JSON parts of a save's report.  Names are
 * made safe to show here, because a file may be called anything.  Lists are cut, counts are not.
 */
#ifndef ENGINE_BROKER_DIFF_H
#define ENGINE_BROKER_DIFF_H

#include <jansson.h>
#include <stddef.h>

#include "engine/broker/tree.h"

#define DIFF_LIST 20    /* files named */
#define DIFF_PACKAGES 200

/* {"added": n, "changed": n, "removed": n, "top": [{"what", "path", "size"}...]}, the largest first;
 * both sorted. */
json_t *diff_tree(const struct tree *was, const struct tree *now);
/* dpkg's status files: {"added": [{"name", "to"}], "removed": [{"name", "from"}], "changed": [{"name",
 * "from", "to"}], "total": n} */
json_t *diff_packages(const char *was, const char *now);
/* The container engine's list of changes: {"added", "changed", "removed", "top"}, without what every
 * container gets by being started. */
json_t *diff_system(const json_t *changes);

#endif
