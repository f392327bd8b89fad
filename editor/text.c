/* The piece chain, undo, marks.  See text.h for the picture, text_internal.h for the parts. */
#include "editor/text.h"

#include <string.h>

#include "base/mem.h"
#include "editor/text_internal.h"

#define ADDED_BLOCK 65536
#define STEP_MAX_MS 8000 /* typing without a pause becomes a new undo step after this long */

static struct piece *new_piece(struct text *t, const struct piece *like, size_t skip, size_t len);
static struct piece *find(struct text *t, size_t pos, size_t *start);
static const char *add_bytes(struct text *t, const void *data, size_t n);
static bool extend(struct text *t, size_t pos, const void *data, size_t n);
static struct change *new_change(struct text *t, size_t pos, size_t del, size_t ins);
static void link_span(struct span *s, struct piece *p);
static void swap(const struct span *out, const struct span *in);
static void announce(struct text *t, size_t pos, size_t del, size_t ins);

struct text *text_new(struct source *original)
{
	struct text *t = mem_alloc(sizeof *t);

	t->source = original;
	t->added_max = TEXT_ADD_MAX;
	t->len = source_len(original);
	t->begin.next = &t->end;
	t->end.prev = &t->begin;
	t->hint = &t->begin;
	if (t->len > 0) {
		struct piece *p = new_piece(t, NULL, 0, t->len);

		p->prev = &t->begin;
		p->next = &t->end;
		t->begin.next = t->end.prev = p;
	}
	return t;
}

void text_free(struct text *t)
{
	if (t == NULL)
		return;
	while (t->made != NULL) {
		struct piece *p = t->made;

		t->made = p->made;
		mem_free(p);
	}
	while (t->added != NULL) {
		struct added *a = t->added;

		t->added = a->next;
		mem_free(a);
	}
	source_free(t->source);
	mem_free(t->changes);
	mem_free(t->marks);
	mem_free(t);
}

struct source *text_source(struct text *t)
{
	return t->source;
}

size_t text_len(const struct text *t)
{
	return t->len;
}

uint64_t text_version(const struct text *t)
{
	return t->version;
}

bool text_lost(const struct text *t)
{
	return source_lost(t->source);
}

void text_limit(struct text *t, size_t add_max)
{
	t->added_max = add_max;
}

void text_listen(struct text *t, text_change_cb *cb, void *arg)
{
	for (size_t i = 0; i < CL_COUNT(t->listeners); i++) {
		if (t->listeners[i].cb == NULL) {
			t->listeners[i] = (struct listener){cb, arg};
			return;
		}
	}
}

void text_unlisten(struct text *t, text_change_cb *cb, void *arg)
{
	for (size_t i = 0; i < CL_COUNT(t->listeners); i++)
		if (t->listeners[i].cb == cb && t->listeners[i].arg == arg)
			t->listeners[i].cb = NULL;
}

void text_step(struct text *t, enum text_kind kind, int64_t now_ms)
{
	bool join = t->open && kind != TEXT_OTHER && kind == t->kind &&
		    now_ms - t->last_ms <= TEXT_STEP_MS && now_ms - t->step_ms <= STEP_MAX_MS;

	if (!join) {
		t->open = false;
		t->typing = NULL;
		t->step_ms = now_ms;
	}
	t->kind = kind;
	t->last_ms = now_ms;
}

/*
 * Between two pieces:   [a] | [b]      ->  [a] [new] [b]            old: empty
 * Inside a piece:       [aaaa|bbbb]    ->  [aaaa] [new] [bbbb]      old: [aaaabbbb]
 */
int text_insert(struct text *t, size_t pos, const void *data, size_t n, struct cl_err *err)
{
	struct piece *at, *mid;
	struct change *c;
	size_t start;

	if (pos > t->len)
		return err_set(err, CL_USAGE, "insert: past the end of the text");
	if (n == 0)
		return 0;
	if (n > t->added_max - t->added_len)
		return err_set(err, CL_TOO_LARGE,
			       "insert: more than %zu MiB were added to this text",
			       t->added_max >> 20);
	if (extend(t, pos, data, n))
		return 0;
	at = find(t, pos, &start);
	c = new_change(t, pos, 0, n);
	mid = new_piece(t, NULL, 0, n);
	mid->data = add_bytes(t, data, n);
	if (pos == start) { /* before `at`, which may be the end of the chain */
		mid->prev = at->prev;
		mid->next = at;
		link_span(&c->new, mid);
	} else {
		struct piece *before = new_piece(t, at, 0, pos - start);
		struct piece *after = new_piece(t, at, pos - start, at->len - (pos - start));

		before->prev = at->prev;
		after->next = at->next;
		link_span(&c->old, at);
		link_span(&c->new, before);
		link_span(&c->new, mid);
		link_span(&c->new, after);
	}
	swap(&c->old, &c->new);
	t->typing = t->hint = mid;
	t->typing_pos = pos + n;
	t->hint_pos = pos;
	t->len += n;
	announce(t, pos, 0, n);
	return 0;
}

/*
 *      [aa|xx] [xxxx] [xx|bb]   ->   [aa] [bb]      old: the three, new: what is left of the ends
 */
int text_delete(struct text *t, size_t pos, size_t n, struct cl_err *err)
{
	struct piece *first, *last, *after = NULL;
	size_t start, last_start;
	struct change *c;

	if (pos > t->len || n > t->len - pos)
		return err_set(err, CL_USAGE, "delete: past the end of the text");
	if (n == 0)
		return 0;
	t->typing = NULL;
	first = find(t, pos, &start);
	for (last = first, last_start = start; last_start + last->len < pos + n; last = last->next)
		last_start += last->len;
	c = new_change(t, pos, n, 0);
	if (last_start + last->len > pos + n)
		after = new_piece(t, last, pos + n - last_start, last_start + last->len - pos - n);
	if (start < pos) {
		struct piece *before = new_piece(t, first, 0, pos - start);

		before->prev = first->prev;
		before->next = last->next;
		link_span(&c->new, before);
	}
	if (after != NULL) {
		after->prev = first->prev;
		after->next = last->next;
		link_span(&c->new, after);
	}
	c->old = (struct span){first, last};
	swap(&c->old, &c->new);
	t->hint = first->prev; /* still in the chain */
	t->hint_pos = start - first->prev->len;
	t->len -= n;
	announce(t, pos, n, 0);
	return 0;
}

bool text_undo(struct text *t, size_t *pos)
{
	struct change *c;

	t->open = false;
	t->typing = NULL;
	if (t->done == 0)
		return false;
	do {
		c = &t->changes[--t->done];
		swap(&c->new, &c->old);
		t->hint = &t->begin;
		t->hint_pos = 0;
		t->len = t->len - c->ins + c->del;
		*pos = c->pos + c->del;
		announce(t, c->pos, c->ins, c->del);
	} while (!c->first);
	return true;
}

bool text_redo(struct text *t, size_t *pos)
{
	t->open = false;
	t->typing = NULL;
	if (t->done == t->nchanges)
		return false;
	do {
		struct change *c = &t->changes[t->done++];

		swap(&c->old, &c->new);
		t->hint = &t->begin;
		t->hint_pos = 0;
		t->len = t->len - c->del + c->ins;
		*pos = c->pos + c->ins;
		announce(t, c->pos, c->del, c->ins);
	} while (t->done < t->nchanges && !t->changes[t->done].first);
	return true;
}

bool text_modified(const struct text *t)
{
	return t->done != t->saved;
}

void text_set_saved(struct text *t)
{
	t->saved = t->done;
	t->open = false;
	t->typing = NULL;
}

void text_set_unsaved(struct text *t)
{
	t->saved = SIZE_MAX;
}

size_t text_span(struct text *t, size_t pos, const char **data)
{
	struct piece *p;
	size_t start, n;

	if (pos >= t->len)
		return 0;
	p = find(t, pos, &start);
	if (p->data != NULL) {
		*data = p->data + (pos - start);
		return p->len - (pos - start);
	}
	n = source_get(t->source, p->off + (pos - start), data);
	return n < p->len - (pos - start) ? n : p->len - (pos - start);
}

size_t text_span_back(struct text *t, size_t pos, const char **data)
{
	struct piece *p;
	size_t start, n, in;

	if (pos == 0 || pos > t->len)
		return 0;
	p = find(t, pos - 1, &start);
	in = pos - start;
	if (p->data != NULL) {
		*data = p->data;
		return in;
	}
	n = source_get_back(t->source, p->off + in, data);
	if (n > in) {
		*data += n - in;
		n = in;
	}
	return n;
}

size_t text_copy(struct text *t, size_t pos, char *out, size_t n)
{
	size_t done = 0, have;
	const char *p;

	while (done < n && (have = text_span(t, pos + done, &p)) > 0) {
		if (have > n - done)
			have = n - done;
		memcpy(out + done, p, have);
		done += have;
	}
	return done;
}

char *text_take(struct text *t, size_t pos, size_t n, size_t *len)
{
	char *out;

	if (pos > t->len)
		pos = t->len;
	if (n > t->len - pos)
		n = t->len - pos;
	out = mem_alloc(n + 1);
	*len = text_copy(t, pos, out, n);
	return out;
}

int text_mark_add(struct text *t, size_t pos, bool after)
{
	int i = 0;

	while (i < t->nmarks && t->marks[i].used)
		i++;
	if (i == t->nmarks) {
		t->marks = mem_resize(t->marks, (size_t)t->nmarks + 1, sizeof *t->marks);
		t->nmarks++;
	}
	t->marks[i] =
	    (struct mark){.pos = pos < t->len ? pos : t->len, .used = true, .after = after};
	return i;
}

size_t text_mark(const struct text *t, int mark)
{
	return t->marks[mark].pos;
}

void text_mark_set(struct text *t, int mark, size_t pos)
{
	t->marks[mark].pos = pos < t->len ? pos : t->len;
}

void text_mark_remove(struct text *t, int mark)
{
	t->marks[mark].used = false;
}

/* A part of another piece, or with like NULL an empty-handed one that the caller fills. */
static struct piece *new_piece(struct text *t, const struct piece *like, size_t skip, size_t len)
{
	struct piece *p = mem_alloc(sizeof *p);

	if (like != NULL) {
		p->data = like->data != NULL ? like->data + skip : NULL;
		p->off = like->off + skip;
	}
	p->len = len;
	p->newlines = -1;
	p->made = t->made;
	t->made = p;
	return p;
}

/* The piece that holds the byte at pos, or the end of the chain for pos == len. */
static struct piece *find(struct text *t, size_t pos, size_t *start)
{
	struct piece *p = t->hint;
	size_t at = t->hint_pos;

	if (pos == t->len) {
		*start = t->len;
		return &t->end;
	}
	if (pos < at / 2) {
		p = &t->begin;
		at = 0;
	}
	while (pos < at) {
		p = p->prev;
		at -= p->len;
	}
	while (pos >= at + p->len) {
		at += p->len;
		p = p->next;
	}
	t->hint = p;
	t->hint_pos = *start = at;
	return p;
}

static const char *add_bytes(struct text *t, const void *data, size_t n)
{
	struct added *a = t->added;
	char *at;

	if (a == NULL || a->cap - a->len < n) {
		size_t cap = n > ADDED_BLOCK ? n : ADDED_BLOCK;

		a = mem_alloc(sizeof *a + cap);
		a->cap = cap;
		a->next = t->added;
		t->added = a;
	}
	at = a->data + a->len;
	memcpy(at, data, n);
	a->len += n;
	t->added_len += n;
	return at;
}

/* Typing on where the last insertion ended: its piece and its change grow in place. */
static bool extend(struct text *t, size_t pos, const void *data, size_t n)
{
	struct piece *p = t->typing;
	struct added *a = t->added;
	struct change *c;

	if (p == NULL || pos != t->typing_pos || !t->open || t->done == 0 || t->saved == t->done ||
	    a == NULL || p->data + p->len != a->data + a->len || a->cap - a->len < n)
		return false;
	c = &t->changes[t->done - 1];
	add_bytes(t, data, n);
	p->len += n;
	p->newlines = -1;
	c->ins += n;
	t->len += n;
	t->typing_pos += n;
	t->hint = p; /* a later piece would start elsewhere now */
	t->hint_pos = t->typing_pos - p->len;
	announce(t, pos, 0, n);
	return true;
}

/* A row in the history; what could be redone is forgotten. */
static struct change *new_change(struct text *t, size_t pos, size_t del, size_t ins)
{
	struct change *c;

	/* Moving elsewhere ends a step of typing or erasing, but not one of replacing. */
	if (t->kind != TEXT_OTHER && pos != t->last_pos && pos + del != t->last_pos)
		t->open = false;
	if (t->saved > t->done && t->saved != SIZE_MAX)
		t->saved = SIZE_MAX;
	t->nchanges = t->done;
	if (t->nchanges == t->cap) {
		t->cap = t->cap > 0 ? t->cap * 2 : 64;
		t->changes = mem_resize(t->changes, t->cap, sizeof *t->changes);
	}
	c = &t->changes[t->nchanges++];
	*c = (struct change){.pos = pos, .del = del, .ins = ins, .first = !t->open};
	t->done = t->nchanges;
	t->open = true;
	return c;
}

/* Add a piece at the end of a span that is not in the chain yet; prev and next outside stay. */
static void link_span(struct span *s, struct piece *p)
{
	if (s->start == NULL) {
		s->start = s->end = p;
		return;
	}
	p->prev = s->end;
	s->end->next = p;
	s->end = p;
}

/* Take one span out of the chain and put another in its place; strictly last in, first out. */
static void swap(const struct span *out, const struct span *in)
{
	if (out->start == NULL && in->start == NULL)
		return;
	if (in->start == NULL) {
		out->start->prev->next = out->end->next;
		out->end->next->prev = out->start->prev;
	} else if (out->start == NULL) {
		in->start->prev->next = in->start;
		in->end->next->prev = in->end;
	} else {
		out->start->prev->next = in->start;
		out->end->next->prev = in->end;
	}
}

static void announce(struct text *t, size_t pos, size_t del, size_t ins)
{
	t->version++;
	t->last_pos = pos + ins;
	for (int i = 0; i < t->nmarks; i++) {
		struct mark *m = &t->marks[i];

		if (m->pos > pos && m->pos < pos + del)
			m->pos = pos;
		else if (m->pos >= pos + del && (del > 0 || m->pos > pos || m->after))
			m->pos = m->pos - del + ins;
	}
	for (size_t i = 0; i < CL_COUNT(t->listeners); i++)
		if (t->listeners[i].cb != NULL)
			t->listeners[i].cb(t->listeners[i].arg, pos, del, ins);
}
