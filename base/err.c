/*
 * Failures: see err.h.  The table err.def is expanded here into texts, exit statuses and HTTP
 * statuses.  First cause wins: a later err_set() on a recorded failure changes nothing, so a
 * caller may report without asking whether its callee did.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/screen.h"

static const struct {
	const char *text;
	int exit_code;
	int http;
} table[] = {
#define ERR(sym, text, exit_code, http) {text, exit_code, http},
#include "base/err.def"
#undef ERR
};

static void record(struct cl_err *err, enum cl_code code, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

int err_set(struct cl_err *err, enum cl_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	record(err, code, fmt, ap);
	va_end(ap);
	return -1;
}

int err_errno(struct cl_err *err, enum cl_code code, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;
	size_t n;

	if (!err || err->code != CL_OK)
		return -1;
	va_start(ap, fmt);
	record(err, code, fmt, ap);
	va_end(ap);
	n = strlen(err->message);
	snprintf(err->message + n, sizeof(err->message) - n, ": %s", strerror(saved));
	errno = saved;
	return -1;
}

int err_hint(struct cl_err *err, const char *fmt, ...)
{
	va_list ap;

	if (!err || err->code == CL_OK || err->hint[0])
		return -1;
	va_start(ap, fmt);
	vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
	return -1;
}

void err_clear(struct cl_err *err)
{
	err->code = CL_OK;
	err->message[0] = '\0';
	err->hint[0] = '\0';
}

const char *err_text(enum cl_code code)
{
	return code < CL_CODES ? table[code].text : table[CL_FAILED].text;
}

int err_exit(enum cl_code code)
{
	return code < CL_CODES ? table[code].exit_code : 1;
}

int err_http(enum cl_code code)
{
	return code < CL_CODES ? table[code].http : 500;
}

enum cl_code err_parse(const char *text)
{
	for (int i = 0; text && i < CL_CODES; i++)
		if (strcmp(table[i].text, text) == 0)
			return (enum cl_code)i;
	return CL_FAILED;
}

void err_print(const struct cl_err *err)
{
	char message[sizeof(err->message) * 4], hint[sizeof(err->hint) * 4];
	size_t n;

	n = screen_safe(message, sizeof(message), err->message, strlen(err->message), 0);
	screen_safe(hint, sizeof(hint), err->hint, strlen(err->hint), 0);
	if (n && message[n - 1] == '.')
		message[n - 1] = '\0';
	fprintf(stderr, hint[0] ? "codinglab: %s. %s\n" : "codinglab: %s%s\n", message, hint);
}

static void record(struct cl_err *err, enum cl_code code, const char *fmt, va_list ap)
{
	if (!err || err->code != CL_OK)
		return;
	/* A failure without a code would look like success to whoever tests err->code. */
	err->code = code == CL_OK ? CL_FAILED : code;
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	err->hint[0] = '\0';
}
