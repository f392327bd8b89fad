/*
 * Filling a project's workspace from elsewhere: an upload (transfer.h) or a URL.  The helper works
 * in a staging folder beside the workspace; when all is well its content moves over.  Whatever
 * happens, the staging folder is gone at the end.
 *
 *   ${state}/projects/ID/import/new   what came         .../import/old   what was there before
 *   ${state}/projects/ID/work         the workspace
 */
#ifndef ENGINE_BROKER_IMPORT_H
#define ENGINE_BROKER_IMPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ipc.h"
#include "engine/broker/broker.h"
#include "engine/broker/line.h"
#include "engine/broker/unpack/unpack.h"

struct import {
	int64_t project;
	uint32_t uid, gid;        /* owner and group of the workspace */
	uint32_t upload_uid;      /* who uploaded */
	char upload[65];          /* "" = from url */
	char url[UNPACK_URL];     /* with its credentials */
	char branch[UNPACK_WORD];
	int depth;
	bool replace;             /* what is in the workspace may go */
};

int import_read(struct import *s, struct ipc_in *m, struct cl_err *err);
int import_run(const struct broker *b, const struct import *s, struct line *out,
    struct unpack_result *r, struct cl_err *err);
/* After a cancelled one. */
void import_clean(const struct broker *b, const struct import *s);

#endif
