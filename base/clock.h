/* Time: monotonic milliseconds for intervals, UTC for people. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_ms(void);       /* CLOCK_MONOTONIC, milliseconds */
int64_t clock_us(void);       /* CLOCK_MONOTONIC, microseconds */
int64_t clock_unix_ms(void);  /* CLOCK_REALTIME, milliseconds since 1970 */
/* "2026-11-22T10:00:00Z" of unix milliseconds; out holds >= 21 bytes. */
void clock_iso(int64_t unix_ms, char *out, size_t size);
/* Unix milliseconds of such a text (a fraction of a second is dropped); 0 when it is none. */
int64_t clock_parse(const char *text);

#endif
