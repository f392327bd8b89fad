/* link: cl_editor cl_base */
/*
 * Z10: random edits of a text against a plain string.  Each byte of the input chooses an
 * operation or an argument.  After every operation: equal text, equal line counts, whole rows;
 * at the end undo to the start equals the original, redo to the end equals the last text.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "editor/lines.h"
#include "editor/motion.h"
#include "editor/row.h"
#include "editor/text.h"

#define MODEL_MAX 8192
#define STEPS_MAX 100

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct model {
	char s[MODEL_MAX];
	size_t len;
};

struct input {
	const uint8_t *p;
	size_t n;
};

static void
must(int ok)
{
	if (!ok)
		abort();
}

static unsigned
next(struct input *in)
{
	if (in->n == 0)
		return 0;
	in->n--;
	return *in->p++;
}

static size_t
place(struct input *in, size_t len)
{
	return len == 0 ? 0 : (next(in) | next(in) << 8) % (len + 1);
}

static void
check(struct text *t, const struct model *m)
{
	size_t len, line, count = 0, at = 0, turns = 0;
	char *all = text_take(t, 0, text_len(t), &len);

	must(len == m->len && text_len(t) == m->len && memcmp(all, m->s, len) == 0);
	mem_free(all);
	for (size_t i = 0; i < m->len; i++)
		count += m->s[i] == '\n';
	must(lines_count(t, SIZE_MAX, &line) == LINES_OK && line == count + 1);
	if (text_version(t) % 8 != 0)
		return; /* the walk below is slow */
	while (!row_is_last(t, at)) {
		size_t after = row_next(t, at);

		must(after > at && row_start(t, after) == after && row_prev(t, after) == at);
		must(row_start(t, after - 1) == at && row_end(t, at) <= after);
		at = after;
		must(++turns <= m->len + 1);
	}
}

static void
model_replace(struct model *m, size_t pos, size_t del, const char *ins, size_t n)
{
	memmove(m->s + pos + n, m->s + pos + del, m->len - pos - del);
	memcpy(m->s + pos, ins, n);
	m->len += n - del;
}

/* One operation; false: it changed nothing that undo would know. */
static void
step(struct text *t, struct model *m, struct input *in, int64_t *now)
{
	unsigned op = next(in);
	size_t pos = place(in, m->len), n;
	char bytes[64];

	*now += op & 0x80 ? 2000 : 10;
	text_step(t, (enum text_kind)(op >> 4 & 3) % 3, *now);
	if ((op & 7) < 4) { /* insert, 0: where the last one ended, as typing does */
		n = next(in) % sizeof bytes;
		for (size_t i = 0; i < n; i++)
			bytes[i] = (char)next(in);
		if (m->len + n > MODEL_MAX)
			return;
		must(text_insert(t, pos, bytes, n, NULL) == 0);
		model_replace(m, pos, 0, bytes, n);
		for (size_t more = 0; (op & 7) == 0 && more < 3 && m->len < MODEL_MAX; more++) {
			bytes[0] = (char)next(in);
			pos += n;
			text_copy(t, place(in, m->len), bytes + 1, 8); /* as a redraw does */
			n = 1;
			must(text_insert(t, pos, bytes, 1, NULL) == 0);
			model_replace(m, pos, 0, bytes, 1);
		}
	} else {
		n = place(in, m->len - pos);
		must(text_delete(t, pos, n, NULL) == 0);
		model_replace(m, pos, n, "", 0);
	}
}

/* Undo or redo everything and put the outcome in the model. */
static void
all_the_way(struct text *t, bool (*how)(struct text *, size_t *), struct model *m)
{
	size_t pos = 0;

	while (how(t, &pos))
		must(pos <= text_len(t));
	must(text_len(t) <= MODEL_MAX);
	m->len = text_copy(t, 0, m->s, MODEL_MAX);
}

static struct source *
make_source(const struct model *m, bool on_disk)
{
	int fd;

	if (!on_disk || (fd = memfd_create("text", MFD_CLOEXEC)) == -1)
		return source_new_mem(mem_dup(m->s, m->len + 1), m->len);
	must(write(fd, m->s, m->len) == (ssize_t)m->len);
	return source_new_fd(fd, 0, m->len, 7, 3); /* tiny blocks: every edge is met */
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct model start, m, last;
	struct input in = { data, size };
	unsigned flags = next(&in);
	int64_t now = 0;
	struct text *t;
	size_t pos;

	start.len = next(&in) * (flags & 2 ? 16 : 1);
	for (size_t i = 0; i < start.len; i++)
		start.s[i] = in.n > 0 ? (char)next(&in) : "a\n\xea\xb0\x80z"[i % 6];
	m = start;
	t = text_new(make_source(&start, flags & 1));
	check(t, &m);
	for (int i = 0; in.n > 0 && i < STEPS_MAX; i++) {
		step(t, &m, &in, &now);
		check(t, &m);
		if (next(&in) % 8 == 0 && text_undo(t, &pos)) {
			m.len = text_copy(t, 0, m.s, MODEL_MAX);
			check(t, &m);
		}
	}
	last = m;
	all_the_way(t, text_undo, &m);
	check(t, &start);
	must(!text_modified(t));
	all_the_way(t, text_redo, &m);
	if (last.len == m.len && memcmp(last.s, m.s, m.len) == 0)
		check(t, &last);
	all_the_way(t, text_undo, &m);
	check(t, &start);
	for (pos = 0; pos < text_len(t) && pos < 200;) { /* graphemes forward and back meet the same places */
		size_t after = motion_next(t, pos);

		must(after > pos && motion_prev(t, after) == pos);
		pos = after;
	}
	text_free(t);
	return 0;
}
