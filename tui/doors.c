/* Doors: the protocol of base/door.h, seen from the session. */
#include "tui/doors.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/ipc.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sock.h"
#include "tui/doors_env.h"
#include "tui/term.h"
#include "tui/term_paint.h"

#define OUT_MAX (16u << 20) /* bytes of one frame, and of what goes before it */
#define ENV_MAX 64
#define DOORS_LAST_MS 2000 /* for the last frame of a door that ends to be taken */

enum state { DOORS_NEW, DOORS_ADMITTED, DOORS_READY, DOORS_ENDING, DOORS_CLOSED };

struct door {
	struct door *next;
	struct doors *all;
	int fd;
	uv_poll_t poll;
	int events;      /* that it is polled for */
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
	uv_timer_t patience; /* runs while a door that ends has a frame in flight */
	int listen_fd;
	uid_t peer_uid;
	const struct doors_ops *ops;
	void *arg;
	struct door *first, *last;
	bool mouse;
	int64_t since, used; /* as a door's */
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
	int events = UV_READABLE | (d->out.len ? UV_WRITABLE : 0);

	if (events != d->events) /* each start costs two calls */
		uv_poll_start(&d->poll, events, io_cb);
	d->events = events;
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

	if (d->code >= 0 && d->entered && !d->in_flight) {
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

static void patience_cb(uv_timer_t *t);

static void end(struct door *d, int code, const char *text)
{
	if (d->state >= DOORS_ENDING)
		return;
	d->state = DOORS_ENDING;
	d->code = code;
	d->farewell = mem_strdup(text);
	if (!d->in_flight)
		send_farewell(d);
	else if (!uv_is_active((uv_handle_t *)&d->all->patience))
		uv_timer_start(&d->all->patience, patience_cb, DOORS_LAST_MS, 0);
}

/* A client that takes nothing more is told in its socket alone, or it would stay for ever. */
static void patience_cb(uv_timer_t *t)
{
	struct doors *ds = t->data;

	for (struct door *d = ds->first, *next; d; d = next) {
		next = d->next;
		if (d->state == DOORS_ENDING)
			send_farewell(d);
	}
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

static int free_number(const struct doors *ds)
{
	const struct door *d;
	int n = 0;

	do {
		n++;
		for (d = ds->first; d && (d->state != DOORS_READY || d->info.number != n); d = d->next)
			;
	} while (d);
	return n;
}

static void on_hello(struct door *d, struct ipc_in *m)
{
	struct doors_env env = { .colors = PAINT_COLORS_NONE };
	char term[128], line[512];
	int rows, cols, n;
	bool version = ipc_get_u32(m) == DOOR_VERSION;

	rows = (int)ipc_get_range(m, DOOR_ROWS_MIN, DOOR_ROWS_MAX);
	cols = (int)ipc_get_range(m, DOOR_COLS_MIN, DOOR_COLS_MAX);
	ipc_get_str(m, term, sizeof(term));
	env.colors = doors_env_colors(term);
	n = (int)ipc_get_range(m, 0, ENV_MAX);
	for (int i = 0; i < n && !m->bad; i++) {
		ipc_get_str(m, line, sizeof(line));
		doors_env_line(&env, line);
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
	d->info.number = free_number(d->all);
	d->info.since = d->info.used = clock_ms();
	d->paint.colors = env.colors;
	d->paint.ascii = d->info.ascii = doors_env_ascii(&env);
	d->info.lang = doors_env_lang(&env);
	d->info.agent = env.agent && d->info.mode == DOOR_OWNER;
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
	d->info.used = d->all->used = clock_ms();
	d->all->ops->input(d->all->arg, d, data, n);
}

static void answer(struct door *d)
{
	if (ipc_send(d->fd, &d->all->msg) < 0)
		log_warn("an answer to the listener: %s", strerror(errno));
	drop(d);
}

static void on_list(struct door *d, struct ipc_in *in)
{
	const struct doors *ds = d->all;
	struct ipc_out *m = &d->all->msg;
	int64_t now = clock_ms();

	if (ipc_end(in) < 0) {
		broken(d, "bad LIST");
		return;
	}
	ipc_begin(m, DOOR_LISTED);
	ipc_put_i64(m, now - ds->since);
	ipc_put_i64(m, now - ds->used);
	ipc_put_u32(m, (uint32_t)doors_count(ds));
	for (const struct door *o = ds->first; o; o = o->next) {
		if (o->state != DOORS_READY)
			continue;
		ipc_put_u32(m, (uint32_t)o->info.number);
		ipc_put_str(m, o->info.user);
		ipc_put_u32(m, o->info.mode);
		ipc_put_str(m, o->info.address);
		ipc_put_u32(m, (uint32_t)o->info.rows);
		ipc_put_u32(m, (uint32_t)o->info.cols);
		ipc_put_i64(m, now - o->info.since);
		ipc_put_i64(m, now - o->info.used);
	}
	answer(d);
}

static void on_kick(struct door *d, struct ipc_in *in)
{
	struct doors *ds = d->all;
	int number = (int)ipc_get_range(in, 0, DOORS_MAX);
	uint32_t kicked = 0;
	char text[256];

	ipc_get_str(in, text, sizeof(text));
	if (ipc_end(in) < 0) {
		broken(d, "bad KICK");
		return;
	}
	for (struct door *o = ds->first, *next; o; o = next) {
		next = o->next;
		if (o->state != DOORS_READY || (number && o->info.number != number))
			continue;
		kicked++;
		end(o, 0, text);
	}
	ipc_begin(&ds->msg, DOOR_KICKED);
	ipc_put_u32(&ds->msg, kicked);
	answer(d);
}

static void dispatch(struct door *d, struct ipc_in *m)
{
	if (d->state == DOORS_NEW && m->type == DOOR_ADMIT)
		on_admit(d, m);
	else if (d->state == DOORS_NEW && m->type == DOOR_LIST)
		on_list(d, m);
	else if (d->state == DOORS_NEW && m->type == DOOR_KICK)
		on_kick(d, m);
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
			/* mostly the last for a while; what follows wakes us anew */
			bool alone = ds->in.type == DOOR_ACK || ds->in.type == DOOR_INPUT;

			dispatch(d, &ds->in);
			if (alone)
				return;
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
	ds->since = ds->used = clock_ms();
	ds->peer_uid = peer_uid;
	ds->ops = ops;
	ds->arg = arg;
	ds->listen.data = ds->patience.data = ds;
	uv_timer_init(loop, &ds->patience);
	sock_nonblock(listen_fd, 1);
	uv_poll_init(loop, &ds->listen, listen_fd);
	uv_poll_start(&ds->listen, UV_READABLE, accept_cb);
	return ds;
}

static void freed_cb(uv_handle_t *h)
{
	mem_free(h->data);
}

static void stopped_cb(uv_handle_t *h)
{
	struct doors *ds = h->data;

	uv_close((uv_handle_t *)&ds->listen, freed_cb);
}

void doors_free(struct doors *ds)
{
	if (!ds)
		return;
	while (ds->first)
		drop(ds->first);
	uv_poll_stop(&ds->listen);
	uv_close((uv_handle_t *)&ds->patience, stopped_cb);
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

struct door *doors_next(const struct doors *ds, const struct door *d)
{
	struct door *n = d ? d->next : ds->first;

	while (n && n->state != DOORS_READY)
		n = n->next;
	return n;
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

int doors_end_others(struct doors *ds, const struct door *stays, int code, const char *text)
{
	int n = 0;

	for (struct door *d = ds->first, *next; d; d = next) {
		next = d->next;
		if (d == stays || d->state != DOORS_READY)
			continue;
		n++;
		end(d, code, text);
	}
	return n;
}

void doors_switch(struct door *d, const char *target)
{
	end(d, -1, target);
}

void doors_agent(struct door *d, const char *path, const char *project)
{
	struct ipc_out *m = &d->all->msg;

	ipc_begin(m, DOOR_AGENT);
	ipc_put_str(m, path);
	ipc_put_str(m, project);
	if (ipc_send(d->fd, m) < 0)
		log_warn("door of %s: it is not asked for its agent: %s", d->info.user, strerror(errno));
}

bool doors_pending(const struct doors *ds)
{
	for (const struct door *d = ds->first; d; d = d->next)
		if (d->state == DOORS_ENDING)
			return true;
	return false;
}
