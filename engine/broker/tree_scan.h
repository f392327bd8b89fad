/*
 * Reading the files of a project for a save, as its owner: one walk, each folder opened once by a
 * single name beneath its parent, no link followed, nothing but regular files opened.  The walk
 * goes on while people work: a file that changes under it is read again, three times at most, and
 * what is written down is what was read.
 */
#ifndef ENGINE_BROKER_TREE_SCAN_H
#define ENGINE_BROKER_TREE_SCAN_H

#include <stdint.h>

#include "base/err.h"
#include "engine/broker/tarball.h"
#include "engine/broker/tree.h"

struct tree_scan {
	struct tree tree;            /* what was found; tree_scan_clear() */
	struct tree_set known;       /* contents that need not be written again */
	struct tarball *out;         /* new contents go here as objects/HASH; may be NULL */
	int64_t written;             /* bytes of them */
	int spool;                   /* a scratch file */
	int64_t max_bytes, max_files;
	/* Things that are left out (sockets, FIFOs, devices), told by name; may be NULL. */
	void (*left_out)(void *arg, const char *path, const char *what);
	void *arg;
};

/* Add what is beneath dir (an open directory) under `prefix`: "work", or "home/.local/bin", which then
 * is an entry itself. */
int tree_scan_add(struct tree_scan *s, int dir, const char *prefix, struct cl_err *err);
void tree_scan_clear(struct tree_scan *s);

#endif
