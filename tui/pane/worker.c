/*
 * The worker of the pane process.  Each turn gives every terminal one read, so a flood in one
 * delays another by one read's work at most.  What changed is published when nothing more is
 * waiting, or after PUBLISH_MS in a flood, and only when the session has looked at the last
 * snapshot: a flood costs the session one frame at a time.
 */
#include "tui/pane/worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/ipc.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pane.h"
#include "tui/pane/emu.h"
#include "tui/pane/jail.h"
#include "tui/pane/share.h"

#define ADDRESS_SPACE ((size_t)64 << 20)
#define CELLS_BUDGET 600000      /* of all terminals together: what ADDRESS_SPACE can hold */
#define READ_MAX 32768           /* bytes from one terminal in one turn */
#define SLICE 4096               /* bytes between two heartbeats */
#define PUBLISH_MS 8

struct seat {
	struct emu *emu;         /* NULL = free */
	struct share share;
	int fd;                  /* the program's terminal, -1 = ended */
	bool dirty;
	int pollslot;
};

struct worker {
	int sock, memfd;
	struct beat *beat;
	bool test;
	struct pane_head *head;
	struct seat seats[PANE_TERMS];
	int64_t published;       /* ms */
	bool stuck;              /* the socket was full */
	struct ipc_in in;
	struct ipc_out out;
	char data[READ_MAX];
};

static void beat(struct worker *w)
{
	atomic_fetch_add_explicit(&w->beat->count, 1, memory_order_relaxed);
}

static void bad_message(uint32_t type)
{
	log_error("malformed message %#x", type);
	_exit(1);
}

/* Rows that the budget leaves for a terminal of cols columns at this seat. */
static int fit_rows(const struct worker *w, const struct seat *seat, int rows, int cols)
{
	int left = CELLS_BUDGET;

	for (int i = 0; i < PANE_TERMS; i++)
		if (w->seats[i].emu && &w->seats[i] != seat)
			left -= w->seats[i].emu->grid->rows * w->seats[i].emu->grid->cols;
	if (rows * cols > left)
		rows = left / cols;
	return rows < PANE_ROWS_MIN ? PANE_ROWS_MIN : rows;
}

static void close_seat(struct seat *seat)
{
	if (!seat->emu)
		return;
	emu_free(seat->emu);
	share_close(&seat->share);
	if (seat->fd >= 0)
		close(seat->fd);
	memset(seat, 0, sizeof(*seat));
	seat->fd = -1;
}

static void get_size(struct worker *w, int *rows, int *cols)
{
	*rows = (int)ipc_get_range(&w->in, PANE_ROWS_MIN, PANE_ROWS_MAX);
	*cols = (int)ipc_get_range(&w->in, PANE_COLS_MIN, PANE_COLS_MAX);
}

static void on_open(struct worker *w, int id)
{
	struct seat *seat = &w->seats[id];
	uint32_t ring, flags;
	int rows, cols, fd;

	get_size(w, &rows, &cols);
	ring = ipc_get_u32(&w->in);
	flags = ipc_get_u32(&w->in);
	fd = ipc_get_fd(&w->in);
	if (ipc_end(&w->in) < 0)
		bad_message(PANE_OPEN);
	close_seat(seat);
	if (!w->head)
		w->head = share_head(w->memfd);
	seat->emu = emu_new(fit_rows(w, seat, rows, cols), cols);
	seat->emu->filter.clipboard = flags & PANE_OPEN_CLIPBOARD;
	seat->fd = fd;
	seat->dirty = true;
	if (!w->head ||
	    share_open(&seat->share, w->memfd, id, seat->emu, ring, flags & PANE_OPEN_KEEP) < 0)
		log_fatal("shared memory: %s", strerror(errno));
	/* Counters of the emulator start where the session last saw them. */
	seat->emu->bells = seat->share.term->bells;
	seat->emu->titles = seat->share.term->titles + 1;
}

static void on_resize(struct worker *w, int id)
{
	struct seat *seat = &w->seats[id];
	int rows, cols;

	get_size(w, &rows, &cols);
	if (ipc_end(&w->in) < 0)
		bad_message(PANE_RESIZE);
	if (!seat->emu)
		return;
	emu_resize(seat->emu, fit_rows(w, seat, rows, cols), cols);
	seat->dirty = true;
}

/* Write nothing that would block: an answer that does not fit is lost. */
static void send_reply(struct seat *seat)
{
	struct pollfd p = {.fd = seat->fd, .events = POLLOUT};
	ssize_t n;

	if (seat->emu->reply_n == 0)
		return;
	if (seat->fd >= 0 && poll(&p, 1, 0) == 1 && p.revents == POLLOUT) {
		n = write(seat->fd, seat->emu->reply, seat->emu->reply_n);
		if (n < 0 && errno != EAGAIN)
			log_debug("reply: %s", strerror(errno));
	}
	seat->emu->reply_n = 0;
}

static void feed(struct worker *w, struct seat *seat, const char *p, size_t n)
{
	while (n > 0) {
		size_t part = n < SLICE ? n : SLICE;

		emu_feed(seat->emu, p, part);
		beat(w);
		p += part;
		n -= part;
	}
	send_reply(seat);
	seat->dirty = true;
}

static void on_feed(struct worker *w, int id)
{
	size_t n;
	const void *p = ipc_get_bytes(&w->in, &n, IPC_DATA_MAX);

	if (ipc_end(&w->in) < 0)
		bad_message(PANE_FEED);
	if (w->seats[id].emu)
		feed(w, &w->seats[id], p, n);
}

static void on_test(struct worker *w)
{
	uint32_t what = ipc_get_u32(&w->in);

	if (ipc_end(&w->in) < 0 || !w->test)
		bad_message(PANE_TEST);
	if (what == PANE_TEST_SPIN)
		for (volatile unsigned i = 0;; i++)
			;
	raise(SIGSEGV);
	_exit(1);
}

static void on_message(struct worker *w)
{
	uint32_t type = w->in.type;
	int id = 0;

	if (type == PANE_OPEN || type == PANE_RESIZE || type == PANE_CLOSE || type == PANE_FEED)
		id = (int)ipc_get_range(&w->in, 0, PANE_TERMS - 1);
	switch (type) {
	case PANE_OPEN:
		on_open(w, id);
		break;
	case PANE_RESIZE:
		on_resize(w, id);
		break;
	case PANE_FEED:
		on_feed(w, id);
		break;
	case PANE_CLOSE:
		if (ipc_end(&w->in) < 0)
			bad_message(type);
		close_seat(&w->seats[id]);
		break;
	case PANE_LOOKED:
		if (ipc_end(&w->in) < 0)
			bad_message(type);
		break;
	case PANE_TEST:
		on_test(w);
		break;
	default:
		bad_message(type);
	}
}

static void read_socket(struct worker *w)
{
	for (;;) {
		int rc = ipc_recv(w->sock, &w->in);

		if (rc == 0 || (rc < 0 && errno == ECONNRESET))
			_exit(0);
		if (rc < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (rc < 0) {
			log_error("socket: %s", strerror(errno));
			_exit(1);
		}
		on_message(w);
		beat(w);
	}
}

static void ended(struct worker *w, struct seat *seat)
{
	close(seat->fd);
	seat->fd = -1;
	seat->dirty = true;
	ipc_begin(&w->out, PANE_ENDED);
	ipc_put_u32(&w->out, (uint32_t)(seat - w->seats));
	if (ipc_send(w->sock, &w->out) < 0)
		log_warn("ended: %s", strerror(errno));
}

static void read_seat(struct worker *w, struct seat *seat)
{
	ssize_t n = read(seat->fd, w->data, sizeof(w->data));

	if (n > 0)
		feed(w, seat, w->data, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		ended(w, seat);
}

static void send_clip(struct worker *w, struct seat *seat)
{
	struct emu *e = seat->emu;

	ipc_begin(&w->out, PANE_CLIPBOARD);
	ipc_put_u32(&w->out, (uint32_t)(seat - w->seats));
	ipc_put_bytes(&w->out, e->clip, e->clip_n);
	if (ipc_send(w->sock, &w->out) < 0)
		log_debug("clipboard: %s", strerror(errno));
	mem_free(e->clip);
	e->clip = NULL;
}

static void publish(struct worker *w)
{
	uint32_t mask = 0;

	for (int i = 0; i < PANE_TERMS; i++) {
		struct seat *seat = &w->seats[i];

		if (!seat->emu || !seat->dirty)
			continue;
		if (share_publish(&seat->share, seat->emu) < 0)
			log_fatal("shared memory: %s", strerror(errno));
		if (seat->emu->clip)
			send_clip(w, seat);
		seat->dirty = false;
		mask |= 1u << i;
	}
	atomic_store(&w->head->slot, 1);
	ipc_begin(&w->out, PANE_NOTE);
	ipc_put_u32(&w->out, mask);
	w->stuck = ipc_send(w->sock, &w->out) < 0;
	w->published = clock_ms();
	if (!w->stuck)
		return;
	atomic_store(&w->head->slot, 0);
	for (int i = 0; i < PANE_TERMS; i++)
		w->seats[i].dirty = w->seats[i].dirty || (mask >> i & 1);
}

/* Has the session looked?  If not, ask it to say so when it has. */
static bool slot_free(struct worker *w)
{
	if (!atomic_load(&w->head->slot)) {
		atomic_store(&w->head->want, 0);
		return true;
	}
	atomic_store(&w->head->want, 1);
	return !atomic_load(&w->head->slot);
}

static bool any_dirty(const struct worker *w)
{
	for (int i = 0; i < PANE_TERMS; i++)
		if (w->seats[i].emu && w->seats[i].dirty)
			return true;
	return false;
}

/* Milliseconds for poll: 0 while something waits to be published and may be. */
static int wait_time(struct worker *w)
{
	if (!any_dirty(w))
		return -1;
	if (w->stuck)
		return 50;
	return slot_free(w) ? 0 : -1;
}

static int fill_polls(struct worker *w, struct pollfd *p)
{
	int n = 1;

	p[0] = (struct pollfd){.fd = w->sock, .events = POLLIN};
	for (int i = 0; i < PANE_TERMS; i++) {
		struct seat *seat = &w->seats[i];

		seat->pollslot = 0;
		if (!seat->emu || seat->fd < 0)
			continue;
		seat->pollslot = n;
		p[n++] = (struct pollfd){.fd = seat->fd, .events = POLLIN};
	}
	return n;
}

static void turn(struct worker *w)
{
	struct pollfd p[PANE_TERMS + 1];
	int n = fill_polls(w, p), ready = poll(p, (nfds_t)n, wait_time(w));

	beat(w);
	if (ready < 0 && errno != EINTR)
		log_fatal("poll: %s", strerror(errno));
	if (ready > 0 && p[0].revents)
		read_socket(w);
	for (int i = 0; ready > 0 && i < PANE_TERMS; i++) {
		struct seat *seat = &w->seats[i];

		if (seat->pollslot && seat->emu && seat->fd >= 0 && p[seat->pollslot].revents &&
		    p[seat->pollslot].fd == seat->fd)
			read_seat(w, seat);
	}
	/* At once after a pause, so that a key's echo does not wait for another poll. */
	if (any_dirty(w) && (ready <= 0 || clock_ms() - w->published >= PUBLISH_MS) && slot_free(w))
		publish(w);
}

void worker_run(int sock, int memfd, struct beat *beat_page, bool test)
{
	static struct worker w;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	w.sock = sock;
	w.memfd = memfd;
	w.beat = beat_page;
	w.test = test;
	for (int i = 0; i < PANE_TERMS; i++)
		w.seats[i].fd = -1;
	/* The first allocation asks the kernel for random numbers: not any more in the jail. */
	mem_free(mem_alloc(1));
	jail_worker(ADDRESS_SPACE);
	for (;;)
		turn(&w);
}
