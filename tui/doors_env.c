/* Terminal and locale of a client: see doors_env.h. */
#include "tui/doors_env.h"

#include <string.h>
#include "base/door.h"
#include "base/mem.h"

enum term_paint_colors doors_env_colors(const char *term)
{
	static const char *const none[] = { "vt52", "vt100", "vt102", "vt220", "vt320", "ansi-m" };
	static const char *const few[] = { "linux", "ansi", "cons25", "cygwin", "rxvt", "vt340",
					   "xterm-16color" };

	for (size_t i = 0; i < CL_COUNT(none); i++)
		if (strcmp(term, none[i]) == 0)
			return PAINT_COLORS_NONE;
	for (size_t i = 0; i < CL_COUNT(few); i++)
		if (strcmp(term, few[i]) == 0)
			return PAINT_COLORS_16;
	return PAINT_COLORS_256;
}

void doors_env_line(struct doors_env *e, const char *line)
{
	if (strncmp(line, "LC_ALL=", 7) == 0)
		mem_copy_str(e->all, sizeof(e->all), line + 7);
	else if (strncmp(line, "LC_CTYPE=", 9) == 0)
		mem_copy_str(e->ctype, sizeof(e->ctype), line + 9);
	else if (strncmp(line, "LANG=", 5) == 0)
		mem_copy_str(e->lang, sizeof(e->lang), line + 5);
	else if (strncmp(line, "NO_COLOR=", 9) == 0 && line[9])
		e->colors = PAINT_COLORS_NONE;
	else if (strcmp(line, DOOR_OFFERS_AGENT) == 0)
		e->agent = true;
}

/* LC_ALL, then LC_CTYPE, then LANG decide, as in every other program. */
bool doors_env_ascii(const struct doors_env *e)
{
	const char *name = e->all[0] ? e->all : e->ctype[0] ? e->ctype : e->lang;

	return name[0] && !strcasestr(name, "utf-8") && !strcasestr(name, "utf8");
}

const char *doors_env_lang(const struct doors_env *e)
{
	const char *lang = e->all[0] ? e->all : e->lang;

	return strncmp(lang, "ko", 2) == 0 ? "ko" : "en";
}
