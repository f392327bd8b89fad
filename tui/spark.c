/* Sparklines. */
#include "tui/spark.h"

#include <math.h>
#include <string.h>

void spark_add(struct spark *s, double value)
{
	if (!isfinite(value) || value < 0)
		value = 0;
	if (s->n == SPARK_MAX)
		memmove(s->v, s->v + 1, sizeof(s->v[0]) * --s->n);
	s->v[s->n++] = value;
}

static double largest(const struct spark *s, int from)
{
	double top = 0;

	for (int i = from; i < s->n; i++)
		if (s->v[i] > top)
			top = s->v[i];
	return top;
}

void spark_text(const struct spark *s, int cells, double full, char *out, size_t size)
{
	int from = s->n > cells ? s->n - cells : 0, level;
	size_t at = 0;

	if (full <= 0)
		full = largest(s, from);
	for (int i = s->n - cells; i < s->n && at + 4 <= size; i++) {
		if (i < from || i < 0) {
			out[at++] = ' ';
			continue;
		}
		level = full > 0 ? (int)(s->v[i] / full * 8) : 0;
		level = level > 7 ? 7 : level;
		out[at++] = (char)0xe2;
		out[at++] = (char)0x96;
		out[at++] = (char)(0x81 + level);
	}
	out[at < size ? at : size - 1] = 0;
}
