/*
 * HTTP on the engine's unix socket: libwebsockets; see server_internal.h.
 *
 *   accepted --> waiting (head is peeked at, gate.c) --adopt--> libwebsockets --request whole--> router
 */
#include "engine/server_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libwebsockets.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "engine/server.h"

#define PIECE 16384 /* bytes given to the library at a time */

static int http_cb(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
    size_t len);
static void timer_cb(uv_timer_t *h);
static void head_cb(uv_poll_t *h, int status, int events);
static void watch(struct server_conn *c);

static const struct lws_protocols protocols[] = {
    {.name = "http", .callback = http_cb, .rx_buffer_size = PIECE},
    {0},
};

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
	    .max_http_header_pool = SERVER_CONNECTIONS_MAX,
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

static void
poll_closed_cb(uv_handle_t *h)
{
	struct server_conn *c = h->data;

	c->polling = false;
	if (c->server == NULL)
		server_free_conn(c); /* refused, or it ended meanwhile */
	else if (c->stream)
		watch(c);
}

static void
open_conn(struct server_conn *c)
{
	uv_poll_init(c->server->engine->loop, &c->poll, c->fd);
	c->poll.data = c;
	c->polling = true;
	uv_poll_start(&c->poll, UV_READABLE | UV_DISCONNECT, head_cb);
}

/* A connection that the library never saw is over. */
static void
refuse(struct server_conn *c)
{
	close(c->fd);
	server_gone(c);
	uv_close((uv_handle_t *)&c->poll, poll_closed_cb);
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
		server_gone(c);
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
		if (!uv_is_active((uv_handle_t *)&c->server->heads))
			uv_timer_start(&c->server->heads, timer_cb, 10, 10);
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
		if (clock_ms() - c->since > SERVER_HEAD_MS) {
			refuse(c);
			continue;
		}
		waiting++;
		look(c);
	}
	if (waiting == 0)
		uv_timer_stop(&s->heads);
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
		lws_set_timeout(c->wsi, PENDING_TIMEOUT_HTTP_CONTENT, SERVER_STALL_S);
	}
	lws_callback_on_writable(c->wsi);
}

static void
hand_over(struct server_conn *c)
{
	rest(c);
	server_hand_over(c);
}

static int
headers_done(struct server_conn *c, struct lws *wsi)
{
	lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
	if (!server_head(c))
		return 0;
	if (c->gate.length > 0)
		lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, SERVER_PIECE_S);
	else
		hand_over(c);
	return 0;
}

static int
body_piece(struct server_conn *c, const void *data, size_t n)
{
	size_t left = (size_t)c->gate.length - c->body.len;
	bool whole;

	/* Else: it was refused already.  What is more than was announced is left out. */
	if (c->state == CONN_REQUEST && server_body_add(c, data, n < left ? n : left, &whole) && whole)
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
		lws_set_timeout(c->wsi, PENDING_TIMEOUT_HTTP_CONTENT, SERVER_STALL_S);
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
	server_gone(c);
	if (c->watched >= 0) {
		uv_poll_stop(&c->poll);
		close(c->watched);
		uv_close((uv_handle_t *)&c->poll, poll_closed_cb);
	}
	if (cb != NULL)
		cb(c->close_arg);
	if (!c->polling)
		server_free_conn(c);
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

int
server_http_start(struct server *s, struct cl_err *err)
{
	if (open_library(s, err) < 0)
		return -1;
	uv_timer_init(s->engine->loop, &s->heads);
	s->heads.data = s;
	return 0;
}

const struct server_transport server_http = {open_conn, want_write, watch, true, SERVER_STREAM_MAX};
