/* Packing a workspace, with files of ours beside it, into one archive (tar.gz, zip ...). */
#ifndef ENGINE_BROKER_UNPACK_BUNDLE_H
#define ENGINE_BROKER_UNPACK_BUNDLE_H

#include "base/err.h"
#include "engine/broker/unpack/unpack.h"

struct bundle {
	struct unpack_limits max;
	char format[16];  /* "tar", "tar.gz", "tar.xz", "tar.bz2", "tar.zst", "zip" */
	char prefix[64];  /* folder that everything stands in, "" = none */
	char skip[128];   /* a name at the workspace's top that is left out, or "" */
	int work;         /* the workspace; its files go into prefix/app when there are extra ones */
	int out;          /* where the archive goes, a pipe mostly */
	int extra;        /* file: JSON object, name -> text; "{}" = none */
};

/* r->note names what was left out: links that lead outside, devices, pipes. */
int bundle_run(const struct bundle *b, struct unpack_result *r, struct cl_err *err);

#endif
