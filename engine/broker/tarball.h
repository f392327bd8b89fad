/*
 * Tar files as streams on descriptors, by libarchive: written entry by entry, read entry by entry.
 * Only tar is understood (pax, ustar, GNU), and zstd around it where it was asked for; what an
 * entry says is reported, never acted upon.
 */
#ifndef ENGINE_BROKER_TARBALL_H
#define ENGINE_BROKER_TARBALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct tarball_entry {
	const char *name;   /* borrowed until the next call */
	const char *target; /* of a link */
	char type;          /* 'f', 'd', 'l' (symbolic link), '?' anything else (never written) */
	unsigned mode;      /* permission bits */
	int64_t uid, gid;
	int64_t size;       /* of a file */
	int64_t mtime;      /* nanoseconds */
};

struct tarball;

/* Write to fd (borrowed).  zstd: compressed, with the frame's own checksum. */
struct tarball *tarball_create(int fd, bool zstd, struct cl_err *err);
/* An entry's head; a file's bytes follow by tarball_write(), exactly size of them. */
int tarball_put(struct tarball *t, const struct tarball_entry *e, struct cl_err *err);
int tarball_write(struct tarball *t, const void *p, size_t n, struct cl_err *err);
/* Head and size bytes of the descriptor from where it stands; fewer is CL_FAILED. */
int tarball_put_fd(struct tarball *t, const struct tarball_entry *e, int fd, struct cl_err *err);
int tarball_put_text(struct tarball *t, const char *name, const void *p, size_t n,
    struct cl_err *err);

/* Read from fd (borrowed). */
struct tarball *tarball_open(int fd, bool zstd, struct cl_err *err);
/* 1 an entry, 0 the end, -1 damaged. */
int tarball_next(struct tarball *t, struct tarball_entry *e, struct cl_err *err);
/* Bytes of the entry: > 0, 0 at its end, -1 damaged. */
int64_t tarball_read(struct tarball *t, void *p, size_t n, struct cl_err *err);
/* The entry's bytes, at most max, NUL after them; the caller frees. */
char *tarball_read_all(struct tarball *t, size_t max, size_t *len, struct cl_err *err);

/* Ends it: a written one is complete only after 0. */
int tarball_close(struct tarball *t, struct cl_err *err);

#endif
