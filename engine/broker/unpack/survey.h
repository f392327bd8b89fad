/* Looking at what came: is all of it allowed, and where in it is the project? */
#ifndef ENGINE_BROKER_UNPACK_SURVEY_H
#define ENGINE_BROKER_UNPACK_SURVEY_H

#include "engine/broker/unpack/tree.h"

/* Goes through all there is beneath t->root (a clone): counts it and checks its links. */
int survey_walk(struct tree *t, struct cl_err *err);
/* Finds the project in what was unpacked and what stands at its top; whole: an archive whose only
 * folder is the project itself. */
int survey_find(int root, bool whole, struct unpack_result *r, struct cl_err *err);

#endif
