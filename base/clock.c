/* Time: see clock.h. */
#include "base/clock.h"

#include <time.h>

int64_t clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_ms(void)
{
	return clock_us() / 1000;
}

int64_t clock_unix_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void clock_iso(int64_t unix_ms, char *out, size_t size)
{
	/* Floor, so that times before 1970 do not round up. */
	time_t s = (time_t)(unix_ms >= 0 ? unix_ms / 1000 : (unix_ms - 999) / 1000);
	struct tm tm;

	if (size == 0)
		return;
	out[0] = '\0';
	if (gmtime_r(&s, &tm))
		strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

int64_t clock_parse(const char *text)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	time_t t;

	if (!end || (*end != 'Z' && *end != '.'))
		return 0;
	t = timegm(&tm);
	return t < 0 ? 0 : (int64_t)t * 1000;
}
