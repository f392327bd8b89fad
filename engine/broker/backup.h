/*
 * A backup: everything that is kept beneath state.dir, in one stream: tar in zstd.
 *
 *   codinglab-backup    {"format": 1, "created": TIME, "accounts": {NAME: [uid, gid]}}
 *   codinglab.db        the engine's own copy of its database, made while it serves
 *   ...                 projects, users, ssh, registry ... as they are
 *   codinglab-end       {"entries": N, "sha256": HASH}   over all entries before it
 *
 * Not in it: what is made anew (runtime, logs, programs, containers) and what is under way.  Files
 * that change meanwhile are as long as they were when they were opened.  Restoring believes
 * nothing: names stay beneath the folder, links are made and never followed, set-id bits and devices
 * do not come back, and without a right end nothing of it is used.
 */
#ifndef ENGINE_BROKER_BACKUP_H
#define ENGINE_BROKER_BACKUP_H

#include <stdint.h>

#include "base/err.h"
#include "engine/broker/broker.h"

/* Where the engine puts the copy of its database, beneath state.dir. */
#define BACKUP_DB "engine/backup.db"

/* Write to fd; what is left out is told on notes. */
int backup_write(const struct broker *b, int fd, int notes, struct cl_err *err);
/* Read from fd into dir, which is empty.  Only after 0 is what lies there whole. */
int backup_read_all(int fd, const char *dir, struct cl_err *err);

#endif
