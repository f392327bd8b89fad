/*
 * Projects from elsewhere: the operation "project import", which fills a workspace from a git
 * repository or an archive and finds out the stack.  Of a new project nothing is left when it
 * fails.  On the loop's thread.
 *
 *   project row:  creating ──(import done)──► ready          engine killed: begun anew
 *                     └─────(refused)──► gone, the operation keeps the reason
 *
 * What a URL keeps secret (a token) stays in memory: the store has the URL without it, so an import
 * that needs it and was cut off by the engine's end has to be asked for again.
 */
#ifndef ENGINE_IMPORT_H
#define ENGINE_IMPORT_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "base/giturl.h"
#include "engine/op.h"
#include "engine/request.h"

/* Where from, out of a request's body (url or upload, branch, depth): the payload of the operation,
 * whose url is fit to be stored, or NULL.  *secret is the URL as it was given when that one leaves
 * something out (the caller frees and wipes), else NULL. */
json_t *import_source(struct request *r, char **secret, struct cl_err *err);
/* Remember it for the operation; taken and wiped when used. */
void import_keep_secret(int64_t op, char *secret);

/* op_kind.run and .cancel */
int import_run(struct op_live *o, struct cl_err *err);
void import_cancel(struct op_live *o);

#endif
