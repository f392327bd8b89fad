/* Quoting by single quotes. */
#include "tui/quote.h"

#include <string.h>
#include "base/mem.h"

char *quote_word(const char *s)
{
	char *out = mem_alloc(strlen(s) * 4 + 3), *o = out;

	*o++ = '\'';
	for (; *s; s++) {
		if (*s == '\'') {
			memcpy(o, "'\\''", 4);
			o += 4;
		} else
			*o++ = *s == '\n' ? ' ' : *s;
	}
	*o++ = '\'';
	*o = 0;
	return out;
}
