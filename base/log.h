/*
 * One log line per fact, to stderr: "2026-11-22T10:00:00.123Z level program: text".  Text is
 * made single-line and control-free, so that nothing received can forge a line or drive a
 * terminal.  Secrets are never logged.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_DEBUG_L, LOG_INFO_L, LOG_WARN_L, LOG_ERROR_L };

void log_open(const char *program, enum log_level least);
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Log and end the process (exit status 1): for broken invariants and failed start-ups. */
void log_fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
