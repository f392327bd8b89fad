/* Unpacking an archive (tar, plain or by gzip, bzip2, xz, zstd; zip) beneath a directory. */
#ifndef ENGINE_BROKER_UNPACK_EXTRACT_H
#define ENGINE_BROKER_UNPACK_EXTRACT_H

#include "base/err.h"
#include "engine/broker/unpack/unpack.h"

/* archive can be sought; root is an empty folder.  What was unpacked before a failure stays: the
 * caller removes the folder. */
int extract_run(int archive, int root, const struct unpack_limits *max, struct unpack_result *r,
    struct cl_err *err);

#endif
