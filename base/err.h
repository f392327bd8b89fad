/*
 * How a function fails: it returns -1 (or NULL) and fills struct cl_err, first cause wins.
 * A failure has a code (err.def: exit status, HTTP status), a message "WHAT: WHY" and a hint
 * that says what to do.  Out of memory and broken invariants end the process (mem.h).
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stddef.h>

enum cl_code {
#define ERR(sym, text, exit_code, http) CL_##sym,
#include "base/err.def"
#undef ERR
	CL_CODES
};

struct cl_err {
	enum cl_code code; /* CL_OK: nothing has failed yet */
	char message[512]; /* "WHAT: WHY", UTF-8, may hold untrusted text: print by screen_safe() */
	char hint[256];    /* what to do about it, or "" */
};

/* Record a failure unless one is recorded already; err may be NULL.  Returns -1 always. */
int err_set(struct cl_err *err, enum cl_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* As err_set(), then ": " and strerror(errno). */
int err_errno(struct cl_err *err, enum cl_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Set the hint of a recorded failure if it has none.  Returns -1 always. */
int err_hint(struct cl_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void err_clear(struct cl_err *err);

const char *err_text(enum cl_code code);     /* "not_found" */
int err_exit(enum cl_code code);             /* process exit status */
int err_http(enum cl_code code);             /* HTTP status */
enum cl_code err_parse(const char *text);    /* back from err_text(); CL_FAILED if unknown */
/* "codinglab: MESSAGE. HINT\n" on stderr, made safe for a terminal. */
void err_print(const struct cl_err *err);

#endif
