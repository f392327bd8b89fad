/*
 * Files beneath a directory descriptor, for trees that a hostile program changes at the same
 * time.  Every open is openat2(RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS), O_NONBLOCK | O_NOCTTY,
 * then fstat; no path is resolved twice.  Names are relative, '/'-separated, any bytes but NUL.
 * Failures say "outside the project" (CL_FORBIDDEN) for escapes, "not a regular file" for
 * devices, FIFOs and sockets.
 */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include "base/err.h"

/* O_PATH descriptor of a directory to work beneath; -1 on failure. */
int path_root(const char *dir, struct cl_err *err);

/* Read: a regular file, links followed only beneath root.  *st may be NULL. */
int path_open_read(int root, const char *name, struct stat *st, struct cl_err *err);
/* A directory to list; close with close(). name "" or "." is the root itself. */
int path_open_dir(int root, const char *name, struct cl_err *err);
/* lstat beneath root (a final link is not followed). */
int path_stat(int root, const char *name, struct stat *st, struct cl_err *err);

/*
 * Atomic save.  begin: resolves the directory once (no links in the whole path), remembers the
 * target's mode, refuses what is not a regular file with one link, opens a temp file in the same
 * directory.  Write to ->fd.  commit: fsync, rename, fsync of the directory.  Until commit has
 * renamed, the old file is whole; abort removes the temp.
 */
struct path_save {
	int dir;            /* the directory */
	int fd;             /* the temp file, write here */
	char temp[64];      /* its name in dir */
	char leaf[256];     /* the target's name in dir */
};
int path_save_begin(struct path_save *s, int root, const char *name, struct cl_err *err);
int path_save_commit(struct path_save *s, struct stat *st, struct cl_err *err);
void path_save_abort(struct path_save *s);
/* Remove temps that a killed save left in the directory of name. Returns how many. */
int path_save_sweep(int root, const char *name);

/* A new empty file; CL_CONFLICT if there is something of that name. */
int path_create(int root, const char *name, struct cl_err *err);
/* The same, open for writing: a descriptor, or -1. */
int path_open_new(int root, const char *name, mode_t mode, struct cl_err *err);
int path_mkdir(int root, const char *name, struct cl_err *err);
/* A symbolic link; what it says is not looked at. */
int path_symlink(int root, const char *name, const char *target, struct cl_err *err);
/* Never replaces. */
int path_rename(int root, const char *from, const char *to, struct cl_err *err);
int path_remove(int root, const char *name, struct cl_err *err);   /* a file, link, or tree */
/* Whole file of at most max bytes into heap memory (NUL-terminated); the caller frees. */
char *path_read(int root, const char *name, size_t max, size_t *len, struct cl_err *err);

#endif
