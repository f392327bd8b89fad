/* Snapshots of a terminal in shared memory: see share.h. */
#include "tui/pane/share.h"

#include <string.h>
#include <sys/mman.h>

static void *map(int memfd, uint64_t offset, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, (off_t)offset);

	return p == MAP_FAILED ? NULL : p;
}

static uint64_t offset_of(const struct share *s)
{
	return PANE_PAGE + (uint64_t)s->id * PANE_TERM_SIZE;
}

static size_t whole_pages(size_t n)
{
	return (n + PANE_PAGE - 1) & ~(size_t)(PANE_PAGE - 1);
}

struct pane_head *share_head(int memfd)
{
	struct pane_head *h = map(memfd, 0, PANE_PAGE);

	if (h)
		h->magic = PANE_MAGIC;
	return h;
}

static int map_ring(struct share *s, struct emu *emu, uint32_t bytes, bool keep)
{
	if (bytes > PANE_RING_MAX)
		bytes = PANE_RING_MAX;
	if (bytes < PANE_RING_MIN)
		bytes = PANE_RING_MIN;
	s->ring_size = whole_pages(bytes);
	s->ring = map(s->memfd, offset_of(s) + PANE_OFF_RING, s->ring_size);
	if (!s->ring)
		return -1;
	ring_open(&emu->ring, s->term, s->ring, (uint32_t)s->ring_size, keep);
	return 0;
}

int share_open(struct share *s, int memfd, int id, struct emu *emu, uint32_t ring_bytes, bool keep)
{
	uint32_t seq;

	memset(s, 0, sizeof(*s));
	s->memfd = memfd;
	s->id = id;
	s->base = map(memfd, offset_of(s), PANE_OFF_CELLS);
	if (!s->base)
		return -1;
	s->term = (struct pane_term *)s->base;
	/* A worker that died while writing left it odd. */
	seq = atomic_load(&s->term->seq);
	atomic_store(&s->term->seq, (seq + 1) & ~1u);
	s->stamp = s->term->stamp;
	if (map_ring(s, emu, ring_bytes, keep) < 0) {
		share_close(s);
		return -1;
	}
	return 0;
}

void share_close(struct share *s)
{
	if (s->base)
		munmap(s->base, PANE_OFF_CELLS);
	if (s->cells)
		munmap(s->cells, s->cells_size);
	if (s->ring)
		munmap(s->ring, s->ring_size);
	memset(s, 0, sizeof(*s));
}

static int fit_cells(struct share *s, const struct grid *g)
{
	size_t size = whole_pages((size_t)g->rows * (size_t)g->cols * sizeof(struct pane_cell));

	if (s->cells && size == s->cells_size)
		return 0;
	if (s->cells)
		munmap(s->cells, s->cells_size);
	s->cells_size = size;
	s->cells = map(s->memfd, offset_of(s) + PANE_OFF_CELLS, size);
	return s->cells ? 0 : -1;
}

static void write_rows(struct share *s, struct grid *g, bool all)
{
	struct pane_term *t = s->term;
	size_t cols = (size_t)g->cols;

	for (int r = 0; r < g->rows; r++) {
		if (!all && !g->dirty[r])
			continue;
		memcpy(s->cells + (size_t)r * cols, g->row[r], cols * sizeof(struct pane_cell));
		t->row_stamp[r] = s->stamp;
		t->row_flags[r] = g->flags[r];
		g->dirty[r] = false;
	}
}

static void write_head(struct share *s, struct emu *emu)
{
	struct pane_term *t = s->term;
	int row, col;

	emu_cursor(emu, &row, &col);
	t->rows = (uint32_t)emu->grid->rows;
	t->cols = (uint32_t)emu->grid->cols;
	t->cur_row = (uint32_t)row;
	t->cur_col = (uint32_t)col;
	t->modes = emu->modes;
	t->shape = emu->shape;
	t->bells = emu->bells;
	if (t->titles != emu->titles)
		memcpy(t->title, emu->title, sizeof(t->title));
	t->titles = emu->titles;
	t->stamp = s->stamp;
}

int share_publish(struct share *s, struct emu *emu)
{
	struct grid *g = emu->grid;
	bool all = s->term->rows != (uint32_t)g->rows || s->term->cols != (uint32_t)g->cols;
	uint32_t seq = atomic_load(&s->term->seq);

	all = all || !s->cells;
	atomic_store(&s->term->seq, seq + 1);
	atomic_thread_fence(memory_order_release);
	if (fit_cells(s, g) < 0)
		return -1;
	s->stamp++;
	write_rows(s, g, all);
	if (emu->marks_dirty) {
		memcpy(s->base + PANE_OFF_MARKS, emu->marks,
		    (size_t)emu->marks_top * sizeof(*emu->marks));
		emu->marks_dirty = false;
	}
	write_head(s, emu);
	atomic_store_explicit(&s->term->seq, seq + 2, memory_order_release);
	return 0;
}
