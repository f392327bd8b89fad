/*
 * The store: one SQLite database (WAL, foreign keys, synchronous FULL), opened by one process and
 * used from the loop's thread only; workers hand results over by engine_post().  Only store*.c
 * includes sqlite3.h.  Statements are string literals with ? parameters.
 *
 * Changes happen between store_begin() and store_commit().  Calls nest: only the outermost commit
 * writes, and a rollback inside makes the outer commit fail.  Events published meanwhile are sent
 * after the commit, and forgotten by a rollback.
 */
#ifndef ENGINE_STORE_H
#define ENGINE_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

struct store;

/* Opens or creates, and migrates.  CL_PRECONDITION when the file is of a newer CodingLab or of
 * another program.  path ":memory:" serves unit tests. */
struct store *store_open(const char *path, struct cl_err *err);
/* As store_open(), but stops at schema version `version` (tests). */
struct store *store_open_at(const char *path, int version, struct cl_err *err);
void store_close(struct store *s);
int store_version(struct store *s);
/* The lab's own name among others, random and kept in the database: 16 hex digits. */
void store_identity(struct store *s, char *out, size_t size);
/* PRAGMA quick_check; 0 or -1 with what is wrong. */
int store_check(struct store *s, struct cl_err *err);

/*
 * The mark, a small file beside the database: the number of the last row of the audit trail that was committed.
 * SQLite takes a log whose end is damaged for one that ends there; by the mark that is seen.  -1 with
 * CL_PRECONDITION when the database has less than was written; else it is kept from now on.
 */
int store_mark_open(struct store *s, const char *path, struct cl_err *err);
/* This row of the audit trail is part of the transaction. */
void store_mark(struct store *s, int64_t row);

int store_begin(struct store *s, struct cl_err *err);
int store_commit(struct store *s, struct cl_err *err);
void store_rollback(struct store *s);
bool store_busy(const struct store *s);            /* inside a transaction */
/* Hand a failure on, with its hint, unless err holds one already.  Returns -1. */
int store_pass(struct cl_err *err, const struct cl_err *why);
/* Told after each outermost commit (true) or rollback (false). */
void store_notify(struct store *s, void (*cb)(void *arg, bool committed), void *arg);

/*
 * Statements.  sql is a string literal (the cache goes by its address).  types names what follows:
 * i int64_t, s const char * (NULL = NULL), b const void * + size_t, n nothing (NULL).
 */
struct store_row;
/* Run to the end; returns the number of rows changed, or -1.  A unique constraint is CL_CONFLICT,
 * a full disk CL_UNAVAILABLE, else CL_FAILED. */
int store_run(struct store *s, struct cl_err *err, const char *sql, const char *types, ...);
int64_t store_last_id(struct store *s);
/* Rows: r = store_query(...); while (store_next(r)) ...; store_end(r, err) gives 0 or -1.
 * Failures surface in store_end(), so the loop needs no check.  r is never NULL. */
struct store_row *store_query(struct store *s, const char *sql, const char *types, ...);
bool store_next(struct store_row *r);
int store_end(struct store_row *r, struct cl_err *err);
int64_t store_int(struct store_row *r, int column);           /* NULL = 0 */
const char *store_str(struct store_row *r, int column);       /* NULL = ""; until the next call */
bool store_null(struct store_row *r, int column);
const void *store_blob(struct store_row *r, int column, size_t *n);
void store_copy(struct store_row *r, int column, char *dst, size_t size);
/* One number, or `fallback` when there is no row. */
int64_t store_number(struct store *s, int64_t fallback, const char *sql, const char *types, ...);

#endif
