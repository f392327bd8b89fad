/* Search over the piece chain by growing windows.  See search.h; the only user of PCRE2. */
#include "editor/search.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

#define WINDOW_MAX ((size_t)256 << 10)
#define WINDOW_FIRST ((size_t)4096)
#define WINDOW_BACK ((size_t)16384) /* searched at once when going backward */
#define CONTEXT ((size_t)256)       /* bytes before a match that look-behind may see */
#define MATCH_LIMIT 2000000
#define HEAP_LIMIT 16384 /* KiB */

struct search {
	pcre2_code *code;
	pcre2_match_data *match;
	pcre2_match_context *context;
	bool regex;
	size_t window;
	char *subject; /* the window's bytes */
	size_t cap;
};

struct window {
	size_t start, end; /* of the text */
	const char *data;
};

static enum search_result forward(struct search *s, struct text *t, struct search_scan *scan,
				  size_t limit, size_t *budget, struct cl_err *err);
static enum search_result backward(struct search *s, struct text *t, struct search_scan *scan,
				   size_t *budget, struct cl_err *err);
static void window_load(struct search *s, struct text *t, struct window *w, size_t pos, size_t n);
static int window_match(struct search *s, struct text *t, const struct window *w, size_t pos);
static bool has_capital(const char *p, size_t n);
static enum search_result failed(int code, struct cl_err *err);

struct search *search_new(const char *pattern, size_t n, unsigned flags, struct cl_err *err)
{
	uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_MULTILINE;
	PCRE2_SIZE at = 0;
	PCRE2_UCHAR why[128];
	struct search *s;
	pcre2_code *code;
	int bad = 0;

	if (n == 0 || n > SEARCH_PATTERN_MAX) {
		err_set(err, CL_USAGE, "search: the pattern must have 1 to %d bytes",
			SEARCH_PATTERN_MAX);
		return NULL;
	}
	if (!utf8_valid(pattern, n)) {
		err_set(err, CL_USAGE, "search: the pattern is not UTF-8");
		return NULL;
	}
	if ((flags & SEARCH_CASE) == 0 && !has_capital(pattern, n))
		options |= PCRE2_CASELESS;
	options |= (flags & SEARCH_REGEX) != 0 ? PCRE2_NEVER_BACKSLASH_C : 0;
	if ((flags & SEARCH_REGEX) == 0)
		options = (options & ~PCRE2_MULTILINE) | PCRE2_LITERAL;
	code = pcre2_compile((PCRE2_SPTR)pattern, n, options, &bad, &at, NULL);
	if (code == NULL) {
		pcre2_get_error_message(bad, why, sizeof why);
		err_set(err, CL_USAGE, "search: %s at character %zu", (const char *)why,
			(size_t)at);
		return NULL;
	}
	s = mem_alloc(sizeof *s);
	s->code = code;
	s->match = pcre2_match_data_create_from_pattern(code, NULL);
	s->context = pcre2_match_context_create(NULL);
	pcre2_set_match_limit(s->context, MATCH_LIMIT);
	pcre2_set_heap_limit(s->context, HEAP_LIMIT);
	s->regex = (flags & SEARCH_REGEX) != 0;
	s->window = WINDOW_MAX;
	return s;
}

void search_free(struct search *s)
{
	if (s == NULL)
		return;
	pcre2_match_data_free(s->match);
	pcre2_match_context_free(s->context);
	pcre2_code_free(s->code);
	mem_free(s->subject);
	mem_free(s);
}

void search_window(struct search *s, size_t window)
{
	s->window = window;
}

enum search_result search_step(struct search *s, struct text *t, struct search_scan *scan,
			       size_t budget, struct cl_err *err)
{
	size_t limit = scan->limit < text_len(t) ? scan->limit : text_len(t);

	return scan->back ? backward(s, t, scan, &budget, err)
			  : forward(s, t, scan, limit, &budget, err);
}

int search_expand(struct search *s, struct text *t, const struct search_scan *scan,
		  const char *with, size_t n, struct buf *out, struct cl_err *err)
{
	PCRE2_SIZE len = SEARCH_MATCH_MAX;
	cl_autofree char *text = NULL;
	PCRE2_UCHAR why[128];
	struct window w;
	int rc;

	if (!s->regex)
		return buf_add(out, with, n) == 0
			   ? 0
			   : err_set(err, CL_TOO_LARGE, "replace: the replacement is too long");
	text = mem_alloc(len);
	window_load(s, t, &w, scan->start, scan->end - scan->start + CONTEXT);
	rc = pcre2_substitute(s->code, (PCRE2_SPTR)w.data, w.end - w.start, scan->start - w.start,
			      PCRE2_SUBSTITUTE_REPLACEMENT_ONLY | PCRE2_SUBSTITUTE_EXTENDED |
				  (w.start > 0 ? PCRE2_NOTBOL : 0),
			      s->match, s->context, (PCRE2_SPTR)with, n, (PCRE2_UCHAR *)text, &len);
	if (rc < 0) {
		pcre2_get_error_message(rc, why, sizeof why);
		return err_set(err, CL_USAGE, "replace: %s", (const char *)why);
	}
	if (buf_add(out, text, len) != 0)
		return err_set(err, CL_TOO_LARGE, "replace: the replacement is too long");
	return 0;
}

/* The first match that starts in [scan->pos, limit). */
static enum search_result forward(struct search *s, struct text *t, struct search_scan *scan,
				  size_t limit, size_t *budget, struct cl_err *err)
{
	size_t first = WINDOW_FIRST < s->window ? WINDOW_FIRST : s->window;
	const PCRE2_SIZE *ov = pcre2_get_ovector_pointer(s->match);

	while (scan->pos < limit) {
		struct window w;
		size_t start;
		int rc;

		if (*budget == 0)
			return SEARCH_MORE;
		if (scan->size == 0)
			scan->size = first;
		window_load(s, t, &w, scan->pos, scan->size);
		*budget -= *budget < w.end - w.start ? *budget : w.end - w.start;
		rc = window_match(s, t, &w, scan->pos);
		if (rc == PCRE2_ERROR_NOMATCH) {
			scan->pos = w.end;
			scan->size = scan->size * 2 < s->window ? scan->size * 2 : s->window;
			continue;
		}
		if (rc < 0 && rc != PCRE2_ERROR_PARTIAL)
			return failed(rc, err);
		start = w.start + ov[0];
		if (start >= limit)
			break;
		if (rc != PCRE2_ERROR_PARTIAL) {
			scan->size = 0;
			scan->start = start;
			scan->end = w.start + ov[1];
			return SEARCH_FOUND;
		}
		if (start > scan->pos)
			scan->pos = start;
		else if (scan->size < SEARCH_MATCH_MAX)
			scan->size *= 2;
		else
			scan->pos++;
	}
	return SEARCH_NONE;
}

/* The last match that starts in [scan->limit, scan->pos). */
static enum search_result backward(struct search *s, struct text *t, struct search_scan *scan,
				   size_t *budget, struct cl_err *err)
{
	if (scan->pos > text_len(t))
		scan->pos = text_len(t);
	while (scan->pos > scan->limit) {
		size_t low = scan->pos > WINDOW_BACK ? scan->pos - WINDOW_BACK : 0, all = SIZE_MAX;
		struct search_scan in = {.pos = low > scan->limit ? low : scan->limit};
		enum search_result r;
		bool found = false;

		if (*budget == 0)
			return SEARCH_MORE;
		low = in.pos;
		while ((r = forward(s, t, &in, scan->pos, &all, err)) == SEARCH_FOUND) {
			found = true;
			scan->start = in.start;
			scan->end = in.end;
			in.pos = in.end;
		}
		if (r == SEARCH_FAILED)
			return r;
		scan->pos = found ? scan->start : low;
		if (found)
			return SEARCH_FOUND;
		*budget -= *budget < WINDOW_BACK ? *budget : WINDOW_BACK;
	}
	return SEARCH_NONE;
}

/* Copy [pos - CONTEXT, pos + n) as far as it exists, cut where no UTF-8 sequence is split. */
static void window_load(struct search *s, struct text *t, struct window *w, size_t pos, size_t n)
{
	size_t back = pos < CONTEXT ? pos : CONTEXT, skip = 0, len;

	if (s->cap < back + n) {
		s->cap = back + n;
		mem_free(s->subject);
		s->subject = mem_alloc(s->cap);
	}
	len = text_copy(t, pos - back, s->subject, back + n);
	while (skip < back && skip < 4 && ((unsigned char)s->subject[skip] & 0xc0) == 0x80)
		skip++;
	w->start = pos - back + skip;
	w->data = s->subject + skip;
	if (pos - back + len < text_len(t)) {
		size_t whole = utf8_whole(w->data, len - skip);

		if (w->start + whole > pos)
			len = whole + skip;
	}
	w->end = w->start + (len - skip);
}

static int window_match(struct search *s, struct text *t, const struct window *w, size_t pos)
{
	uint32_t options = PCRE2_NOTEMPTY;
	size_t at = pos - w->start, len = w->end - w->start;

	if (w->start > 0)
		options |= PCRE2_NOTBOL;
	if (w->end < text_len(t))
		options |= PCRE2_NOTEOL | PCRE2_PARTIAL_HARD;
	while (at < len && ((unsigned char)w->data[at] & 0xc0) == 0x80)
		at++; /* inside a sequence, or a stray byte: no match starts here */
	return pcre2_match(s->code, (PCRE2_SPTR)w->data, len, at, options, s->match, s->context);
}

static bool has_capital(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\\' && i + 1 < n)
			i++; /* \S and \W are classes, not letters */
		else if (p[i] >= 'A' && p[i] <= 'Z')
			return true;
	}
	return false;
}

static enum search_result failed(int code, struct cl_err *err)
{
	PCRE2_UCHAR why[128];

	pcre2_get_error_message(code, why, sizeof why);
	if (code == PCRE2_ERROR_MATCHLIMIT || code == PCRE2_ERROR_HEAPLIMIT)
		err_set(err, CL_TOO_LARGE, "search: the pattern takes too long on this text");
	else
		err_set(err, CL_FAILED, "search: %s", (const char *)why);
	return SEARCH_FAILED;
}
