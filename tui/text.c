/* Looking up texts.  A frame asks for some dozens: a walk through the table is quick enough. */
#include "tui/text.h"

#include <stddef.h>
#include <string.h>

static bool korean;

bool text_use(const char *lang)
{
	bool before = korean;

	korean = strncmp(lang, "ko", 2) == 0;
	return korean != before;
}

const char *text_lang(void)
{
	return korean ? "ko" : "en";
}

const char *text_of(const char *en)
{
	if (!korean || !en)
		return en;
	for (const struct text_row *r = text_table; r->en; r++)
		if (r->en[0] == en[0] && strcmp(r->en, en) == 0)
			return r->ko;
	return en;
}
