/* Log lines on stderr: see log.h.  One write per line, so lines of several processes stay whole. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/screen.h"

static char log_program[32] = "codinglab";
static enum log_level log_least = LOG_INFO_L;

static void line(enum log_level level, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

void log_open(const char *program, enum log_level least)
{
	snprintf(log_program, sizeof(log_program), "%s", program);
	log_least = least;
}

#define LOG_BODY(level)                                                                            \
	va_list ap;                                                                                \
	va_start(ap, fmt);                                                                         \
	line(level, fmt, ap);                                                                      \
	va_end(ap)

void log_debug(const char *fmt, ...)
{
	LOG_BODY(LOG_DEBUG_L);
}

void log_info(const char *fmt, ...)
{
	LOG_BODY(LOG_INFO_L);
}

void log_warn(const char *fmt, ...)
{
	LOG_BODY(LOG_WARN_L);
}

void log_error(const char *fmt, ...)
{
	LOG_BODY(LOG_ERROR_L);
}

void log_fatal(const char *fmt, ...)
{
	LOG_BODY(LOG_ERROR_L);
	_exit(1);
}

static void line(enum log_level level, const char *fmt, va_list ap)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	char text[2048], safe[4096], out[4224];
	int saved = errno;
	struct timespec ts;
	struct tm tm;
	char when[32];
	int n;

	if (level < log_least)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	screen_safe(safe, sizeof(safe), text, strlen(text), 0);
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	n = snprintf(out, sizeof(out), "%s.%03ldZ %s %s: %s\n", when, ts.tv_nsec / 1000000,
	    names[level], log_program, safe);
	/* A log that cannot be written must not stop the program. */
	if (n > 0 && write(STDERR_FILENO, out, (size_t)n) < 0)
		errno = saved;
	errno = saved;
}
