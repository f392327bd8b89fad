/* One-line text field. */
#include "tui/field.h"

#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"

void field_init(struct field *f, const char *text)
{
	memset(f, 0, sizeof(*f));
	field_set(f, text ? text : "");
}

void field_clear(struct field *f)
{
	mem_free(f->text);
	memset(f, 0, sizeof(*f));
}

void field_set(struct field *f, const char *text)
{
	size_t n = strlen(text);

	if (n >= FIELD_MAX)
		n = utf8_whole(text, FIELD_MAX - 1);
	mem_free(f->text);
	f->text = mem_strndup(text, n);
	f->len = f->cursor = n;
}

static void insert(struct field *f, const char *s, size_t n)
{
	if (f->len + n >= FIELD_MAX)
		return;
	f->text = mem_resize(f->text, f->len + n + 1, 1);
	memmove(f->text + f->cursor + n, f->text + f->cursor, f->len - f->cursor + 1);
	memcpy(f->text + f->cursor, s, n);
	f->len += n;
	f->cursor += n;
}

static void erase(struct field *f, size_t from, size_t to)
{
	memmove(f->text + from, f->text + to, f->len - to + 1);
	f->len -= to - from;
	f->cursor = from;
}

static size_t next(const struct field *f, size_t at)
{
	return at < f->len ? at + utf8_grapheme(f->text + at, f->len - at, NULL) : at;
}

static size_t prev(const struct field *f, size_t at)
{
	size_t last = 0;

	for (size_t p = 0; p < at; p = next(f, p))
		last = p;
	return last;
}

static size_t word_start(const struct field *f, size_t at)
{
	while (at > 0 && f->text[at - 1] == ' ')
		at--;
	while (at > 0 && f->text[at - 1] != ' ')
		at--;
	return at;
}

static bool move_key(struct field *f, const struct term_key *k)
{
	if (k->code == KEYC_LEFT && !k->mods)
		f->cursor = prev(f, f->cursor);
	else if (k->code == KEYC_RIGHT && !k->mods)
		f->cursor = next(f, f->cursor);
	else if (k->code == KEYC_HOME || key_is(k, "C-a"))
		f->cursor = 0;
	else if (k->code == KEYC_END || key_is(k, "C-e"))
		f->cursor = f->len;
	else
		return false;
	return true;
}

bool field_key(struct field *f, const struct term_key *k)
{
	if (key_is_text(k)) {
		insert(f, k->utf8, strlen(k->utf8));
		return true;
	}
	if (move_key(f, k))
		return true;
	if (k->code == KEYC_BACKSPACE || key_is(k, "C-h"))
		erase(f, prev(f, f->cursor), f->cursor);
	else if (k->code == KEYC_DEL)
		erase(f, f->cursor, next(f, f->cursor));
	else if (key_is(k, "C-u"))
		erase(f, 0, f->cursor);
	else if (key_is(k, "C-w"))
		erase(f, word_start(f, f->cursor), f->cursor);
	else
		return false;
	return true;
}

void field_paste(struct field *f, const char *text, size_t n)
{
	uint32_t cp;

	for (size_t at = 0, len; at < n; at += len) {
		len = utf8_decode(text + at, n - at, &cp);
		if (cp == '\n' || cp == '\t')
			insert(f, " ", 1);
		else if (cp >= ' ' && cp != 0x7f && !(cp >= 0x80 && cp < 0xa0) && cp != UTF8_BAD)
			insert(f, text + at, len);
	}
}

void field_draw(const struct field *f, int y, int x, int w, const struct term_style *st,
    bool focused)
{
	size_t from = 0;
	int used;

	/* scroll until the cursor is inside, with one cell to spare for it */
	while (utf8_width(f->text + from, f->cursor - from) > w - 1)
		from = next(f, from);
	term_fill(y, x, w, st, ' ');
	term_text(y, x, w, st, f->text + from,
	    (int)utf8_fit(f->text + from, f->len - from, w, &used));
	if (focused)
		term_cursor(y, x + utf8_width(f->text + from, f->cursor - from));
}
