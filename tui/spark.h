/* A short history of one number and its picture in block characters. Pure. */
#ifndef TUI_SPARK_H
#define TUI_SPARK_H

#include <stddef.h>

#define SPARK_MAX 24

struct spark {
	double v[SPARK_MAX]; /* oldest first */
	int n;
};

void spark_add(struct spark *s, double value);
/* The newest `cells` values as U+2581..U+2588, scaled so that `full` fills a cell (0: the largest
 * value shown).  Missing history is blank at the left.  out holds >= 3 * cells + 1 bytes. */
void spark_text(const struct spark *s, int cells, double full, char *out, size_t size);

#endif
