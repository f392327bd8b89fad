/* How much of the disk a project's files take. */
#ifndef ENGINE_BROKER_DISK_H
#define ENGINE_BROKER_DISK_H

#include <stdint.h>

#include "base/err.h"
#include "engine/broker/broker.h"

/*
 * Bytes on the disk of a project's folders (workspace, home) and of what its dev container (short name;
 * may be absent) wrote outside of them; and bytes that are free where they are.  Measured by du(1),
 * which a tree of any depth does not stop; a file that was deleted but is open is not seen.
 */
int disk_measure(const struct broker *b, int64_t project, const char *container, int64_t *used,
    int64_t *left, struct cl_err *err);
/* The number before "total" on du's last line, or -1. */
int64_t disk_total(const char *text);

#endif
