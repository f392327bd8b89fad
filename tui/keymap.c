/* Looking up bindings in layers: the view's context, "list" under it, then "global". */
#include "tui/keymap.h"

#include <stddef.h>
#include <string.h>
#include "base/mem.h"

#define BAR_KEPT 64

bool keymap_is_list(const char *context)
{
	static const char *const lists[] = { "home", "tree", "ops", "text" };

	for (size_t i = 0; i < CL_COUNT(lists); i++)
		if (strcmp(lists[i], context) == 0)
			return true;
	return false;
}

const struct keymap_row *keymap_row_of(const char *context, const struct term_key *key)
{
	struct term_key k;

	for (const struct keymap_row *r = keymap_table; r->context; r++)
		if (strcmp(r->context, context) == 0 && key_parse(r->key, &k) == 0 &&
		    key_same(&k, key))
			return r;
	return NULL;
}

const char *keymap_find(const char *context, const struct term_key *key)
{
	const struct keymap_row *r = keymap_row_of(context, key);

	if (!r && keymap_is_list(context))
		r = keymap_row_of("list", key);
	if (!r)
		r = keymap_row_of("global", key);
	return r ? r->text : NULL;
}

/* Rows of one context with a place in the bar, in order of place. */
static int bar_of(const char *context, const struct keymap_row **out, int n, int max)
{
	int first = n;

	for (const struct keymap_row *r = keymap_table; r->context && n < max; r++) {
		int at = n;
		if (r->bar == 0 || strcmp(r->context, context) != 0)
			continue;
		while (at > first && out[at - 1]->bar > r->bar) {
			out[at] = out[at - 1];
			at--;
		}
		out[at] = r;
		n++;
	}
	return n;
}

/* Does an own row hide this global one? */
static bool shadowed(const char *context, const struct keymap_row *row)
{
	struct term_key k;

	return key_parse(row->key, &k) == 0 &&
	       (keymap_row_of(context, &k) || (keymap_is_list(context) && keymap_row_of("list", &k)));
}

static int find_bar(const char *context, const struct keymap_row **out, int max)
{
	int n = bar_of(context, out, 0, max), end, kept = n;

	end = bar_of("global", out, n, max);
	for (int i = n; i < end; i++)
		if (!shadowed(context, out[i]))
			out[kept++] = out[i];
	return kept;
}

/* Asked for with each frame, mostly of one context: the last answer is kept, for the tables never change. */
int keymap_bar(const char *context, const struct keymap_row **out, int max)
{
	static const struct keymap_row *rows[BAR_KEPT];
	static char last[32];
	static int n;

	if (max > BAR_KEPT || strlen(context) >= sizeof(last))
		return find_bar(context, out, max);
	if (n == 0 || strcmp(context, last) != 0) {
		n = find_bar(context, rows, BAR_KEPT);
		mem_copy_str(last, sizeof(last), context);
	}
	memcpy(out, rows, (size_t)(n < max ? n : max) * sizeof(*out));
	return n < max ? n : max;
}
