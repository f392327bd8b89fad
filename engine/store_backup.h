/* A copy of the database while it is in use. */
#ifndef ENGINE_STORE_BACKUP_H
#define ENGINE_STORE_BACKUP_H

#include "base/err.h"

/* Copy the database at `from` to `to`, which is replaced: one consistent state, with everything that
 * was committed before.  By connections of its own, so also from workers. */
int store_backup_copy(const char *from, const char *to, struct cl_err *err);

#endif
