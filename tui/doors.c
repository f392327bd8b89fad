/* Doors: the protocol of base/door.h, seen from the session. */
#include "tui/doors.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/ipc.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sock.h"
#include "tui/term.h"
#include "tui/term_paint.h"

#define OUT_MAX (16u << 20) /* bytes of one frame, and of what goes before it */
#define ENV_MAX 64

enum state { DOORS_NEW, DOORS_ADMITTED, DOORS_READY, DOORS_ENDING, DOORS_CLOSED };

struct door {
	struct door *next;
	struct doors *all;
	int fd;
	uv_poll_t poll;
	enum state state;
	struct doors_info info;
	struct term_paint paint;
	bool plain;      /* can take ncurses' own bytes at the session's size */
	bool in_step;    /* has seen every frame so far */
	bool entered;    /* term_enter() was sent */
	bool stale;      /* shows less than the newest screen */
	bool in_flight;  /* a frame waits for its ACK */
	uint32_t frame;  /* number of the last frame */
	struct buf out;  /* rest of the frame that is being written */
	struct buf extra; /* goes before the next frame */
	char *farewell;  /* target or text, once ENDING */
	int code;        /* of EXIT; -1: SWITCH */
};

struct doors {
	uv_poll_t listen;
	int listen_fd;
	uid_t peer_uid;
	const struct doors_ops *ops;
	void *arg;
	struct door *first, *last;
	bool mouse;
	struct ipc_in in;
	struct ipc_out msg;
};

/* ---- life and death ---- */

static void closed_cb(uv_handle_t *h)
{
	struct door *d = h->data;

	close(d->fd);
	buf_clear(&d->out);
	buf_clear(&d->extra);
	mem_free(d->paint.seen);
	mem_free(d->farewell);
	mem_free(d);
}

static void drop(struct door *d)
{
	struct doors *ds = d->all;
	bool was_ready = d->state >= DOORS_READY;

	if (d->state == DOORS_CLOSED)
		return;
	d->state = DOORS_CLOSED;
	for (struct door **p = &ds->first; *p; p = &(*p)->next)
		if (*p == d) {
			*p = d->next;
			break;
		}
	if (ds->last == d)
		ds->last = NULL;
	uv_poll_stop(&d->poll);
	uv_close((uv_handle_t *)&d->poll, closed_cb);
	if (was_ready && ds->ops->gone)
		ds->ops->gone(ds->arg);
}

static void broken(struct door *d, const char *why)
{
	log_warn("door of %s: %s", d->info.user[0] ? d->info.user : "?", why);
	drop(d);
}

/* ---- writing ---- */

static void io_cb(uv_poll_t *h, int status, int events);

static void want(struct door *d)
{
	uv_poll_start(&d->poll, UV_READABLE | (d->out.len ? UV_WRITABLE : 0), io_cb);
}

/* Write what is left of the frame; false when the door died of it. */
static bool flush(struct door *d)
{
	struct ipc_out *m = &d->all->msg;

	while (d->out.len > 0) {
		size_t n = d->out.len < IPC_DATA_MAX ? d->out.len : IPC_DATA_MAX;
		ipc_begin(m, DOOR_FRAME);
		ipc_put_u32(m, d->frame);
		ipc_put_u32(m, n == d->out.len);
		ipc_put_bytes(m, d->out.data, n);
		if (ipc_send(d->fd, m) < 0) {
			if (errno == EAGAIN)
				break;
			drop(d);
			return false;
		}
		buf_drop(&d->out, n);
	}
	if (d->out.len == 0)
		buf_clear(&d->out); /* a large frame's memory does not stay */
	want(d);
	return true;
}

static void send_frame(struct door *d)
{
	d->frame++;
	d->in_flight = true;
	flush(d);
}

static void send_farewell(struct door *d)
{
	struct ipc_out *m = &d->all->msg;

	if (d->code >= 0 && d->entered) {
		d->frame++;
		buf_add_str(&d->out, term_leave());
		if (!flush(d))
			return;
	}
	ipc_begin(m, d->code < 0 ? DOOR_SWITCH : DOOR_EXIT);
	if (d->code >= 0)
		ipc_put_u32(m, (uint32_t)d->code);
	ipc_put_str(m, d->farewell);
	ipc_send(d->fd, m);
	drop(d);
}

static void end(struct door *d, int code, const char *text)
{
	if (d->state >= DOORS_ENDING)
		return;
	d->state = DOORS_ENDING;
	d->code = code;
	d->farewell = mem_strdup(text);
	if (!d->in_flight)
		send_farewell(d);
}

/* ---- frames ---- */

static bool fits(const struct door *d)
{
	return d->plain && !d->info.small && d->info.rows == term_rows() &&
	       d->info.cols == term_cols();
}

static void add_enter(struct door *d)
{
	if (d->extra.len)
		buf_add(&d->out, d->extra.data, d->extra.len);
	buf_clear(&d->extra);
	if (!d->entered)
		buf_add_str(&d->out, term_enter(d->all->mouse));
	d->entered = true;
}

static void paint_small(struct door *d)
{
	buf_add_str(&d->out, "\033[m\033[H\033[2J");
	buf_printf(&d->out, "CodingLab needs a window\r\nof %d x %d; this one is\r\n%d x %d.\r\n",
	    DOORS_COLS_SMALL, DOORS_ROWS_SMALL, d->info.cols, d->info.rows);
	if (d->info.rows > 4)
		buf_add_str(&d->out, "Ctrl-Q leaves.");
}

static void paint(struct door *d)
{
	struct term_paint how = d->paint;

	add_enter(d);
	if (d->info.small)
		paint_small(d);
	else {
		if (fits(d))
			how.seen = NULL; /* ncurses' own bytes follow: hashes would lie */
		term_paint_screen(&d->out, &how);
		d->in_step = fits(d);
	}
	d->stale = false;
	send_frame(d);
}

static bool idle(const struct door *d)
{
	return d->state == DOORS_READY && !d->in_flight && d->out.len == 0;
}

void doors_frame(struct doors *ds, const struct buf *bytes)
{
	for (struct door *d = ds->first, *next; d; d = next) {
		next = d->next;
		if (d->state != DOORS_READY)
			continue;
		if (!idle(d)) {
			d->in_step = false;
			d->stale = true;
		} else if (d->in_step && fits(d)) {
			if (bytes->len == 0 && d->extra.len == 0)
				continue;
			add_enter(d);
			buf_add(&d->out, bytes->data, bytes->len);
			send_frame(d);
		} else
			paint(d);
	}
}

void doors_paint_stale(struct doors *ds)
{
	for (struct door *d = ds->first, *next; d; d = next) {
		next = d->next;
		if (d->stale && idle(d))
			paint(d);
	}
}

void doors_out_of_step(struct doors *ds)
{
	for (struct door *d = ds->first; d; d = d->next) {
		d->in_step = false;
		d->stale = true;
	}
}

void doors_emit(struct doors *ds, const char *bytes, size_t n)
{
	for (struct door *d = ds->first; d; d = d->next)
		if (d->state == DOORS_READY && d->info.mode == DOOR_OWNER)
			buf_add(&d->extra, bytes, n);
}

void doors_set_mouse(struct doors *ds, bool on)
{
	const char *bytes = term_mouse(on);

	ds->mouse = on;
	for (struct door *d = ds->first; d; d = d->next)
		if (d->state == DOORS_READY && d->entered)
			buf_add(&d->extra, bytes, strlen(bytes));
}

bool doors_mouse(const struct doors *ds)
{
	return ds->mouse;
}

/* ---- reading ---- */

static void set_size(struct door *d, int rows, int cols)
{
	d->info.rows = rows;
	d->info.cols = cols;
	d->info.small = rows < DOORS_ROWS_SMALL || cols < DOORS_COLS_SMALL;
	d->paint.rows = rows;
	d->paint.cols = cols;
	mem_free(d->paint.seen);
	d->paint.seen = mem_array((size_t)rows, sizeof(*d->paint.seen));
	d->in_step = false;
	d->stale = true;
}

/* Names of terminals say little; colours are refused only to those known to lack them. */
static enum term_paint_colors colors_of(const char *term)
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

/* LC_ALL, then LC_CTYPE, then LANG decide, as in every other program. */
struct locale {
	char all[64], ctype[64], lang[64];
};

static void env_line(struct door *d, struct locale *l, const char *line)
{
	if (strncmp(line, "LC_ALL=", 7) == 0)
		mem_copy_str(l->all, sizeof(l->all), line + 7);
	else if (strncmp(line, "LC_CTYPE=", 9) == 0)
		mem_copy_str(l->ctype, sizeof(l->ctype), line + 9);
	else if (strncmp(line, "LANG=", 5) == 0)
		mem_copy_str(l->lang, sizeof(l->lang), line + 5);
	else if (strncmp(line, "NO_COLOR=", 9) == 0 && line[9])
		d->paint.colors = PAINT_COLORS_NONE;
}

static void use_locale(struct door *d, const struct locale *l)
{
	const char *name = l->all[0] ? l->all : l->ctype[0] ? l->ctype : l->lang;
	const char *lang = l->all[0] ? l->all : l->lang;

	d->paint.ascii = name[0] && !strcasestr(name, "utf-8") && !strcasestr(name, "utf8");
	d->info.ascii = d->paint.ascii;
	d->info.lang = strncmp(lang, "ko", 2) == 0 ? "ko" : "en";
}

static void on_admit(struct door *d, struct ipc_in *m)
{
	ipc_get_str(m, d->info.user, sizeof(d->info.user));
	d->info.mode = (enum door_mode)ipc_get_range(m, DOOR_OWNER, DOOR_VIEW);
	ipc_get_str(m, d->info.address, sizeof(d->info.address));
	if (ipc_end(m) < 0)
		broken(d, "bad ADMIT");
	else
		d->state = DOORS_ADMITTED;
}

static void on_hello(struct door *d, struct ipc_in *m)
{
	struct locale locale = { "", "", "" };
	char term[128], line[512];
	int rows, cols, n;
	bool version = ipc_get_u32(m) == DOOR_VERSION;

	rows = (int)ipc_get_range(m, DOOR_ROWS_MIN, DOOR_ROWS_MAX);
	cols = (int)ipc_get_range(m, DOOR_COLS_MIN, DOOR_COLS_MAX);
	ipc_get_str(m, term, sizeof(term));
	d->paint.colors = colors_of(term);
	n = (int)ipc_get_range(m, 0, ENV_MAX);
	for (int i = 0; i < n && !m->bad; i++) {
		ipc_get_str(m, line, sizeof(line));
		env_line(d, &locale, line);
	}
	if (ipc_end(m) < 0 || !version) {
		broken(d, "bad HELLO");
		return;
	}
	if (doors_count(d->all) >= DOORS_MAX) {
		snprintf(line, sizeof(line), "codinglab: session: it is shown in %d windows already. Close one of them",
		    DOORS_MAX);
		end(d, err_exit(CL_QUOTA), line);
		return;
	}
	use_locale(d, &locale);
	d->info.dumb = strcmp(term, "dumb") == 0 || term[0] == 0;
	d->plain = d->paint.colors == PAINT_COLORS_256 && !d->paint.ascii;
	set_size(d, rows, cols);
	d->state = DOORS_READY;
	d->all->ops->attach(d->all->arg, d);
}

static void on_resize(struct door *d, struct ipc_in *m)
{
	int rows = (int)ipc_get_range(m, DOOR_ROWS_MIN, DOOR_ROWS_MAX);
	int cols = (int)ipc_get_range(m, DOOR_COLS_MIN, DOOR_COLS_MAX);

	if (ipc_end(m) < 0) {
		broken(d, "bad RESIZE");
		return;
	}
	if (d->state != DOORS_READY || (rows == d->info.rows && cols == d->info.cols))
		return;
	set_size(d, rows, cols);
	d->all->ops->resize(d->all->arg, d);
}

static void on_ack(struct door *d, struct ipc_in *m)
{
	uint32_t frame = ipc_get_u32(m);

	if (ipc_end(m) < 0 || !d->in_flight || d->out.len || frame != d->frame) {
		broken(d, "ACK of no frame");
		return;
	}
	d->in_flight = false;
	if (d->state == DOORS_ENDING)
		send_farewell(d);
	else
		d->all->ops->ready(d->all->arg);
}

static void on_input(struct door *d, struct ipc_in *m)
{
	size_t n;
	const void *data = ipc_get_bytes(m, &n, IPC_DATA_MAX);

	if (ipc_end(m) < 0) {
		broken(d, "bad INPUT");
		return;
	}
	if (d->state != DOORS_READY || d->info.mode == DOOR_VIEW)
		return;
	d->all->last = d;
	d->all->ops->input(d->all->arg, d, data, n);
}

static void dispatch(struct door *d, struct ipc_in *m)
{
	if (d->state == DOORS_NEW && m->type == DOOR_ADMIT)
		on_admit(d, m);
	else if (d->state == DOORS_ADMITTED && m->type == DOOR_HELLO)
		on_hello(d, m);
	else if (d->state >= DOORS_READY && m->type == DOOR_INPUT)
		on_input(d, m);
	else if (d->state >= DOORS_READY && m->type == DOOR_RESIZE)
		on_resize(d, m);
	else if (d->state >= DOORS_READY && m->type == DOOR_ACK)
		on_ack(d, m);
	else {
		ipc_close_fds(m);
		broken(d, "message out of order");
	}
}

static void io_cb(uv_poll_t *h, int status, int events)
{
	struct door *d = h->data;
	struct doors *ds = d->all;

	if ((events & UV_WRITABLE) && !flush(d))
		return;
	/* a handler may end any door, so at most a few messages, each with a fresh look */
	for (int i = 0; i < 8 && d->state != DOORS_CLOSED; i++) {
		int got = ipc_recv(d->fd, &ds->in);
		if (got == 1) {
			dispatch(d, &ds->in);
			continue;
		}
		if (got < 0 && errno == EAGAIN)
			return;
		drop(d);
	}
}

/* Doors that have not said hello: the listener's word alone makes none that lasts. */
static int waiting(const struct doors *ds)
{
	int n = 0;

	for (const struct door *d = ds->first; d; d = d->next)
		n += d->state < DOORS_READY;
	return n;
}

static void accept_cb(uv_poll_t *h, int status, int events)
{
	struct doors *ds = h->data;
	struct door *d;
	uid_t uid;
	int fd = sock_accept(ds->listen_fd);

	if (fd < 0)
		return;
	if (sock_peer(fd, &uid, NULL, NULL) < 0 || uid != ds->peer_uid ||
	    waiting(ds) >= DOORS_MAX) {
		log_warn("door refused");
		close(fd);
		return;
	}
	d = mem_alloc(sizeof(*d));
	d->all = ds;
	d->fd = fd;
	d->poll.data = d;
	d->info.lang = "en";
	buf_init(&d->out, OUT_MAX);
	buf_init(&d->extra, 2u << 20);
	d->next = ds->first;
	ds->first = d;
	uv_poll_init(ds->listen.loop, &d->poll, fd);
	want(d);
}

/* ---- from outside ---- */

struct doors *doors_new(uv_loop_t *loop, int listen_fd, uid_t peer_uid,
    const struct doors_ops *ops, void *arg)
{
	struct doors *ds = mem_alloc(sizeof(*ds));

	ds->listen_fd = listen_fd;
	ds->mouse = true;
	ds->peer_uid = peer_uid;
	ds->ops = ops;
	ds->arg = arg;
	ds->listen.data = ds;
	sock_nonblock(listen_fd, 1);
	uv_poll_init(loop, &ds->listen, listen_fd);
	uv_poll_start(&ds->listen, UV_READABLE, accept_cb);
	return ds;
}

static void freed_cb(uv_handle_t *h)
{
	mem_free(h->data);
}

void doors_free(struct doors *ds)
{
	if (!ds)
		return;
	while (ds->first)
		drop(ds->first);
	uv_poll_stop(&ds->listen);
	uv_close((uv_handle_t *)&ds->listen, freed_cb);
}

int doors_count(const struct doors *ds)
{
	int n = 0;

	for (const struct door *d = ds->first; d; d = d->next)
		n += d->state == DOORS_READY;
	return n;
}

int doors_idle(const struct doors *ds)
{
	int n = 0;

	for (const struct door *d = ds->first; d; d = d->next)
		n += idle(d);
	return n;
}

const struct doors_info *doors_info_of(const struct door *d)
{
	return &d->info;
}

struct door *doors_last(const struct doors *ds)
{
	return ds->last;
}

void doors_end(struct door *d, int code, const char *text)
{
	end(d, code, text);
}

void doors_end_all(struct doors *ds, int code, const char *text)
{
	for (struct door *d = ds->first, *next; d; d = next) {
		next = d->next;
		end(d, code, text);
	}
}

void doors_switch(struct door *d, const char *target)
{
	end(d, -1, target);
}

bool doors_pending(const struct doors *ds)
{
	for (const struct door *d = ds->first; d; d = d->next)
		if (d->state == DOORS_ENDING)
			return true;
	return false;
}
