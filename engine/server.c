/*
 * HTTP on the engine's unix socket; see server.h.
 *
 *   listening socket --accept--> waiting (head is peeked at, gate.c) --adopt--> libwebsockets
 *        --request whole--> the handler --> answer or stream --> closed
 */
#include "engine/server.h"

#include <errno.h>
#include <fcntl.h>
#include <libwebsockets.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sock.h"
#include "engine/engine.h"
#include "engine/gate.h"

#define CONNECTIONS_MAX 1024
#define CONNECTIONS_PER_UID 128
#define HEAD_TIMEOUT_MS 10000
#define STALL_S 30     /* whoever takes nothing for so long is cut off */
#define PIECE 16384 /* bytes given to the library at a time */

enum conn_state {
	CONN_HEAD,     /* waiting for a whole head; not the library's yet */
	CONN_REQUEST,  /* the library reads the request */
	CONN_HANDLED,  /* the router has it */
	CONN_REPLY,    /* headers are to be written or were */
};

struct server_conn {
	struct server *server;
	struct server_conn *next, *prev;
	enum conn_state state;
	int fd;                /* until the library owns it */
	uid_t peer;
	uv_poll_t poll;        /* CONN_HEAD; later, of a stream: is the peer still there? */
	int watched;           /* a second descriptor for that, or -1 */
	bool polling;
	int64_t since;
	struct lws *wsi;
	struct gate gate;
	struct buf body, out;
	char type[48], allow[64];
	int status;
	bool headers_sent, stream, ending, writing;
	size_t length;         /* of the answer's body */
	void (*close_cb)(void *arg);
	void *close_arg;
	void (*drain_cb)(void *arg);
	void *drain_arg;
};

struct server {
	struct engine *engine;
	struct server_handlers on;
	struct lws_context *context;
	struct lws_vhost *vhost;
	uv_poll_t listen;
	uv_timer_t timer;      /* looks again at heads that are not whole */
	int fd;
	int nconns;
	bool stopping;
	struct server_conn *conns;
};

static int http_cb(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
    size_t len);
static void accept_cb(uv_poll_t *h, int status, int events);
static void timer_cb(uv_timer_t *h);
static void head_cb(uv_poll_t *h, int status, int events);
static void watch(struct server_conn *c);

static const struct lws_protocols protocols[] = {
    {.name = "http", .callback = http_cb, .rx_buffer_size = PIECE},
    {0},
};

/* -- opening and closing -- */

static int
open_library(struct server *s, struct cl_err *err)
{
	void *loops[1] = {s->engine->loop};
	struct lws_context_creation_info info = {
	    .port = CONTEXT_PORT_NO_LISTEN,
	    .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
	        LWS_SERVER_OPTION_DISABLE_IPV6,
	    .protocols = protocols,
	    .foreign_loops = loops,
	    .gid = (gid_t)-1,
	    .uid = (uid_t)-1,
	    .max_http_header_data = GATE_HEAD_MAX + 1024,
	    .max_http_header_pool = CONNECTIONS_MAX,
	    .pt_serv_buf_size = 2 * PIECE,
	    .timeout_secs = 10,
	    .server_string = "codinglab",
	    .vhost_name = "engine",
	};

	lws_set_log_level(0, NULL);
	if ((s->context = lws_create_context(&info)) == NULL) {
		err_set(err, CL_FAILED, "server: libwebsockets did not start");
		return err_hint(err, "its libuv plugin is needed: libwebsockets-evlib-uv");
	}
	info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
	if ((s->vhost = lws_create_vhost(s->context, &info)) == NULL)
		return err_set(err, CL_FAILED, "server: libwebsockets made no virtual host");
	return 0;
}

struct server *
server_open(struct engine *e, const char *path, const struct server_handlers *h,
    struct cl_err *err)
{
	struct server *s = mem_alloc(sizeof *s);

	s->engine = e;
	s->on = *h;
	if ((s->fd = sock_listen(path, SOCK_STREAM, 0666, err)) < 0 || open_library(s, err) < 0) {
		if (s->fd >= 0)
			close(s->fd);
		mem_free(s);
		return NULL;
	}
	uv_poll_init(e->loop, &s->listen, s->fd);
	s->listen.data = s;
	uv_poll_start(&s->listen, UV_READABLE, accept_cb);
	uv_timer_init(e->loop, &s->timer);
	s->timer.data = s;
	return s;
}

void
server_stop(struct server *s)
{
	if (s->stopping)
		return;
	s->stopping = true;
	uv_close((uv_handle_t *)&s->listen, NULL);
	uv_close((uv_handle_t *)&s->timer, NULL);
	close(s->fd);
	for (struct server_conn *c = s->conns; c != NULL; c = c->next)
		if (c->stream)
			server_end(c);
}

void
server_close(struct server *s)
{
	lws_context_destroy(s->context);
	mem_free(s);
}

int
server_connections(const struct server *s)
{
	return s->nconns;
}

/* -- accepting -- */

static void
free_conn(struct server_conn *c)
{
	if (c->body.data != NULL)
		mem_wipe(c->body.data, c->body.cap); /* passwords come this way */
	buf_clear(&c->body);
	buf_clear(&c->out);
	mem_free(c);
}

static void
poll_closed_cb(uv_handle_t *h)
{
	struct server_conn *c = h->data;

	c->polling = false;
	if (c->server == NULL)
		free_conn(c); /* refused, or it ended meanwhile */
	else if (c->stream)
		watch(c);
}

static void
unlink_conn(struct server_conn *c)
{
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		c->server->conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	c->server->nconns--;
	c->next = c->prev = NULL;
	c->server = NULL;
}

/* A connection that the library never saw is over. */
static void
refuse(struct server_conn *c)
{
	close(c->fd);
	unlink_conn(c);
	uv_close((uv_handle_t *)&c->poll, poll_closed_cb);
}

static int
count_uid(const struct server *s, uid_t uid)
{
	int n = 0;

	for (const struct server_conn *c = s->conns; c != NULL; c = c->next)
		n += c->peer == uid;
	return n;
}

static void
accept_one(struct server *s, int fd)
{
	struct server_conn *c;
	uid_t uid;
	gid_t gid;
	pid_t pid;

	if (sock_peer(fd, &uid, &gid, &pid) < 0 || s->nconns >= CONNECTIONS_MAX ||
	    (uid != 0 && count_uid(s, uid) >= CONNECTIONS_PER_UID)) {
		close(fd);
		return;
	}
	c = mem_alloc(sizeof *c);
	c->server = s;
	c->fd = fd;
	c->watched = -1;
	c->peer = uid;
	c->since = clock_ms();
	buf_init(&c->body, SERVER_BODY_MAX);
	buf_init(&c->out, 64 << 20);
	if ((c->next = s->conns) != NULL)
		s->conns->prev = c;
	s->conns = c;
	s->nconns++;
	uv_poll_init(s->engine->loop, &c->poll, fd);
	c->poll.data = c;
	c->polling = true;
	uv_poll_start(&c->poll, UV_READABLE | UV_DISCONNECT, head_cb);
}

static void
accept_cb(uv_poll_t *h, int status, int events)
{
	struct server *s = h->data;

	for (int i = 0; i < 64; i++) {
		int fd = sock_accept(s->fd);

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE)
				log_warn("server: no descriptors left");
			return;
		}
		accept_one(s, fd);
	}
}

/* -- the head -- */

/* The request is answered before the library is involved: its head is not worth reading. */
static void
refuse_head(struct server_conn *c)
{
	char text[512];
	int n = snprintf(text, sizeof text,
	    "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"
	    "{\"error\":{\"code\":\"usage\",\"message\":\"request: %s\",\"hint\":\"\"}}\n",
	    c->gate.reason);

	log_info("server: request of uid %u refused: %s", (unsigned)c->peer, c->gate.reason);
	if (send(c->fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("server: the peer did not wait for the answer");
	shutdown(c->fd, SHUT_WR);
	refuse(c);
}

static void
adopt(struct server_conn *c)
{
	lws_adopt_desc_t desc = {
	    .vh = c->server->vhost,
	    .type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP,
	    .fd.sockfd = c->fd,
	    .vh_prot_name = NULL,
	    .opaque = c,
	};

	/* The poll handle must let go of the descriptor first. */
	uv_poll_stop(&c->poll);
	c->state = CONN_REQUEST;
	uv_close((uv_handle_t *)&c->poll, poll_closed_cb);
	if ((c->wsi = lws_adopt_descriptor_vhost_via_info(&desc)) == NULL &&
	    c->server != NULL)
		unlink_conn(c);
}

/* No more bytes will come. */
static bool
peer_left(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static void
look(struct server_conn *c)
{
	char head[GATE_HEAD_MAX];
	ssize_t n = recv(c->fd, head, sizeof head, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		refuse(c);
		return;
	}
	switch (gate_check(head, (size_t)n, &c->gate)) {
	case GATE_OK:
		adopt(c);
		break;
	case GATE_BAD:
		refuse_head(c);
		break;
	case GATE_MORE:
		if (peer_left(c->fd)) {
			refuse(c);
			break;
		}
		/* Bytes that stay unread keep the descriptor readable: look again by the clock. */
		uv_poll_stop(&c->poll);
		if (!uv_is_active((uv_handle_t *)&c->server->timer))
			uv_timer_start(&c->server->timer, timer_cb, 10, 10);
		break;
	}
}

static void
head_cb(uv_poll_t *h, int status, int events)
{
	look(h->data);
}

static void
timer_cb(uv_timer_t *h)
{
	struct server *s = h->data;
	struct server_conn *c, *next;
	int waiting = 0;

	for (c = s->conns; c != NULL; c = next) {
		next = c->next;
		if (c->state != CONN_HEAD || uv_is_active((uv_handle_t *)&c->poll))
			continue;
		if (clock_ms() - c->since > HEAD_TIMEOUT_MS) {
			refuse(c);
			continue;
		}
		waiting++;
		look(c);
	}
	if (waiting == 0)
		uv_timer_stop(&s->timer);
}

/* -- the request, as the library reads it -- */

/*
 * One request for each connection: what follows is never read.  The library does not read it either,
 * but wakes up for it all the time unless reading is off; with reading off it does not write.  So
 * reading is on only while there is something to write, and that is limited in time.
 */
static void
rest(struct server_conn *c)
{
	lws_rx_flow_control(c->wsi, 0);
	lws_set_timeout(c->wsi, NO_PENDING_TIMEOUT, 0);
}

static void
want_write(struct server_conn *c)
{
	if (!c->writing) {
		c->writing = true;
		lws_rx_flow_control(c->wsi, 1);
		lws_set_timeout(c->wsi, PENDING_TIMEOUT_HTTP_CONTENT, STALL_S);
	}
	lws_callback_on_writable(c->wsi);
}

static void
hand_over(struct server_conn *c)
{
	if (c->state != CONN_REQUEST)
		return;
	c->state = CONN_HANDLED;
	rest(c);
	c->server->on.handle(c->server->engine, c);
}

static int
headers_done(struct server_conn *c, struct lws *wsi)
{
	lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
	if (c->gate.length > SERVER_BODY_MAX &&
	    (size_t)c->gate.length > c->server->on.body_max(c->server->engine, c)) {
		c->state = CONN_HANDLED;
		c->server->on.refuse(c, CL_TOO_LARGE, "body: more than is taken here");
		return 0;
	}
	if (c->gate.length > SERVER_BODY_MAX)
		buf_init(&c->body, (size_t)c->gate.length);
	if (c->gate.length > 0) {
		lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, 10);
		return 0;
	}
	hand_over(c);
	return 0;
}

static int
body_piece(struct server_conn *c, const void *data, size_t n)
{
	if (c->state != CONN_REQUEST)
		return 0; /* refused already, or more than was announced */
	buf_add(&c->body, data, n);
	if ((int64_t)c->body.len >= c->gate.length)
		hand_over(c);
	return 0;
}

static int
write_headers(struct server_conn *c)
{
	unsigned char space[LWS_PRE + 1024], *start = space + LWS_PRE, *p = start;
	unsigned char *end = space + sizeof space - 1;
	lws_filepos_t n = c->stream ? LWS_ILLEGAL_HTTP_CONTENT_LEN : c->length;

	if (lws_add_http_common_headers(c->wsi, (unsigned)c->status, c->type, n, &p, end) != 0)
		return -1;
	if (!c->stream && lws_add_http_header_by_token(c->wsi, WSI_TOKEN_CONNECTION,
	    (const unsigned char *)"close", 5, &p, end) != 0)
		return -1;
	if (lws_add_http_header_by_name(c->wsi, (const unsigned char *)"cache-control:",
	    (const unsigned char *)"no-store", 8, &p, end) != 0)
		return -1;
	if (c->allow[0] != '\0' && lws_add_http_header_by_name(c->wsi,
	    (const unsigned char *)"allow:", (const unsigned char *)c->allow, (int)strlen(c->allow),
	    &p, end) != 0)
		return -1;
	if (lws_finalize_write_http_header(c->wsi, start, &p, end) != 0)
		return -1;
	c->headers_sent = true;
	return 0;
}

/* One step of the answer: headers, a piece of the body, or the end. */
static int
writable(struct server_conn *c)
{
	unsigned char space[LWS_PRE + PIECE];
	size_t n = c->out.len < PIECE ? c->out.len : PIECE;

	if (c->state != CONN_REPLY)
		return 0;
	if (!c->headers_sent) {
		if (write_headers(c) < 0)
			return -1;
	} else if (n > 0) {
		memcpy(space + LWS_PRE, c->out.data, n);
		if (lws_write(c->wsi, space + LWS_PRE, n, LWS_WRITE_HTTP) < 0)
			return -1;
		buf_drop(&c->out, n);
		lws_set_timeout(c->wsi, PENDING_TIMEOUT_HTTP_CONTENT, STALL_S);
		if (c->out.len == 0 && c->drain_cb != NULL)
			c->drain_cb(c->drain_arg);
	} else if (c->ending) {
		return -1;
	}
	if (c->out.len > 0 || c->ending) {
		want_write(c);
	} else {
		c->writing = false;
		rest(c);
	}
	return 0;
}

static void
closed(struct server_conn *c)
{
	void (*cb)(void *arg) = c->close_cb;

	c->wsi = NULL;
	c->close_cb = NULL;
	unlink_conn(c);
	if (c->watched >= 0) {
		uv_poll_stop(&c->poll);
		close(c->watched);
		uv_close((uv_handle_t *)&c->poll, poll_closed_cb);
	}
	if (cb != NULL)
		cb(c->close_arg);
	if (!c->polling)
		free_conn(c);
}

static void
gone_cb(uv_poll_t *h, int status, int events)
{
	struct server_conn *c = h->data;

	uv_poll_stop(h);
	if (c->wsi == NULL)
		return;
	lws_set_timeout(c->wsi, PENDING_TIMEOUT_KILLED_BY_PARENT, LWS_TO_KILL_ASYNC);
	/* timeouts are looked at when something else happens: end it in the next turn */
	buf_drop(&c->out, c->out.len);
	c->ending = true;
	lws_callback_on_writable(c->wsi);
}

/* The library does not look at a connection that it only writes to, so a stream would outlive its
 * reader.  A copy of the descriptor is watched for the other end's going; one that sends
 * more, though its request was whole, goes too. */
static void
watch(struct server_conn *c)
{
	if (c->polling || (c->watched = fcntl(c->fd, F_DUPFD_CLOEXEC, 0)) < 0)
		return;
	uv_poll_init(c->server->engine->loop, &c->poll, c->watched);
	c->poll.data = c;
	c->polling = true;
	uv_poll_start(&c->poll, UV_READABLE | UV_DISCONNECT, gone_cb);
}

static int
http_cb(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct server_conn *c = lws_get_opaque_user_data(wsi);

	switch (reason) {
	case LWS_CALLBACK_HTTP:
		c->wsi = wsi;
		return headers_done(c, wsi);
	case LWS_CALLBACK_HTTP_BODY:
		return body_piece(c, in, len);
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
		return 0;
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return c == NULL ? -1 : writable(c);
	case LWS_CALLBACK_CLOSED_HTTP:
	case LWS_CALLBACK_WSI_DESTROY:
		if (c != NULL) {
			lws_set_opaque_user_data(wsi, NULL);
			closed(c);
		}
		return 0;
	default:
		return 0;
	}
}

/* -- for the router -- */

const struct gate *
server_gate(const struct server_conn *c)
{
	return &c->gate;
}

uid_t
server_peer(const struct server_conn *c)
{
	return c->peer;
}

const char *
server_body(const struct server_conn *c, size_t *n)
{
	*n = c->body.len;
	return c->body.data == NULL ? "" : c->body.data;
}

void
server_on_close(struct server_conn *c, void (*cb)(void *arg), void *arg)
{
	c->close_cb = cb;
	c->close_arg = arg;
}

static void
begin_reply(struct server_conn *c, int status, const char *type)
{
	if (c->state != CONN_HANDLED)
		log_fatal("server: a request was answered twice");
	c->state = CONN_REPLY;
	c->status = status;
	mem_copy_str(c->type, sizeof c->type, type);
	want_write(c);
}

void
server_answer(struct server_conn *c, int status, const char *type, const char *allow,
    const char *body, size_t n)
{
	begin_reply(c, status, type);
	if (allow != NULL)
		mem_copy_str(c->allow, sizeof c->allow, allow);
	buf_add(&c->out, body, n);
	c->length = c->out.len;
	c->ending = true;
}

void
server_stream(struct server_conn *c, const char *type)
{
	c->stream = true;
	begin_reply(c, 200, type);
	watch(c);
	if (c->server->stopping)
		server_end(c);
}

int
server_write(struct server_conn *c, const char *data, size_t n, bool force)
{
	if (!force && c->out.len + n > SERVER_STREAM_MAX)
		return -1;
	if (buf_add(&c->out, data, n) < 0)
		return -1;
	want_write(c);
	return 0;
}

size_t
server_queued(const struct server_conn *c)
{
	return c->out.len;
}

void
server_on_drain(struct server_conn *c, void (*cb)(void *arg), void *arg)
{
	c->drain_cb = cb;
	c->drain_arg = arg;
}

void
server_end(struct server_conn *c)
{
	c->ending = true;
	want_write(c);
}
