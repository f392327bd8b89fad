/*
 * Making the files of a saved tree anew, as their owner, in an empty folder: folders first, then the
 * contents as they come out of the save's objects, then links, then the folders' modes.  Set-id
 * bits, owners and devices are never restored: the list cannot even say them.
 */
#ifndef ENGINE_BROKER_TREE_PUT_H
#define ENGINE_BROKER_TREE_PUT_H

#include "base/err.h"
#include "engine/broker/tarball.h"
#include "engine/broker/tree.h"

/* in holds objects/HASH entries; more than the tree names are passed over.  Contents that do not fit
 * their hash, or are not there, fail. */
int tree_put_all(const struct tree *t, int root, struct tarball *in, struct cl_err *err);
/* Every folder on the way to name, made when it is missing. */
int tree_put_parents(int root, const char *name, struct cl_err *err);

#endif
