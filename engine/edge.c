/*
 * The edge's admin socket (HAProxy 2.6 management guide, section 9.3): one command a connection,
 * a text answer until the end of the stream.  What the answer says is matched, never executed.
 *
 * Removing a server:  ready --drain--> no new requests --in flight 0--> maint --> deleted
 * With `shutdown sessions` instead of the wait, requests were cut when this was measured.
 */
#include "engine/edge.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/mem.h"
#include "base/sock.h"

#define EDGE_REPLY_MAX (4 * 1024 * 1024)
#define EDGE_COMMAND_MAX 1024
#define EDGE_TIMEOUT_MS 5000
#define EDGE_POLL_MS 50
/* A server that stops answering leaves within two failed connections; requests try another. */
#define EDGE_CHECK "check inter 1s fastinter 200ms downinter 500ms fall 2 rise 1"
/* A server that is added at run time keeps no connection for the next request unless it is told to: a new
 * one for each costs twice the time of all the rest.  What the last moment did not need is closed soon: an
 * application that serves one connection at a time waits on it, and others close it at a time of theirs. */
#define EDGE_KEEP "pool-max-conn 1024 pool-purge-delay 200ms"

static int read_reply(int fd, struct buf *reply, struct cl_err *err)
{
	int64_t end = clock_ms() + EDGE_TIMEOUT_MS;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = end - clock_ms();
		void *space = buf_space(reply, 16384);
		ssize_t n;

		if (space == NULL)
			return err_set(err, CL_FAILED, "edge: its answer is too long");
		if (left <= 0 || poll(&p, 1, (int)left) == 0)
			return err_set(err, CL_TIMEOUT, "edge: no answer in %d ms", EDGE_TIMEOUT_MS);
		n = read(fd, space, 16384);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return err_errno(err, CL_UNAVAILABLE, "edge: reading its answer");
		if (n > 0)
			buf_used(reply, (size_t)n);
	}
}

/* One command; its answer is added to reply (initialised by the caller). */
static int command(struct buf *reply, struct cl_err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int command(struct buf *reply, struct cl_err *err, const char *fmt, ...)
{
	char line[EDGE_COMMAND_MAX];
	cl_autoclose int fd = -1;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line) - 1 || strpbrk(line, "\n;\\") != NULL)
		return err_set(err, CL_FAILED, "edge: a command that cannot be sent");
	line[n++] = '\n';
	fd = sock_connect(config_str("edge.socket"), SOCK_STREAM, err);
	if (fd < 0)
		return err_hint(err, "the edge (haproxy) is not running: see its log");
	if (send(fd, line, (size_t)n, MSG_NOSIGNAL) != n)
		return err_errno(err, CL_UNAVAILABLE, "edge: sending a command");
	return read_reply(fd, reply, err);
}

/* A command whose success is an empty answer or one with `good` in it. */
static int change(const char *good, struct cl_err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int change(const char *good, struct cl_err *err, const char *fmt, ...)
{
	char line[EDGE_COMMAND_MAX];
	struct buf reply;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	buf_init(&reply, EDGE_REPLY_MAX);
	rc = command(&reply, err, "%s", line);
	if (rc == 0) {
		const char *s = reply.data == NULL ? "" : reply.data;

		while (isspace((unsigned char)*s))
			s++;
		if (*s != '\0' && (good == NULL || strstr(s, good) == NULL))
			rc = err_set(err, CL_FAILED, "edge: %.40s: %.200s", line, s);
	}
	buf_clear(&reply);
	return rc;
}

static bool word_ok(const char *s, const char *more)
{
	if (*s == '\0' || strlen(s) > 253)
		return false;
	for (; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) && strchr(more, *s) == NULL)
			return false;
	return true;
}

static int check_server(int slot, const char *tier, const char *name, struct cl_err *err)
{
	if (slot < 0 || slot >= config_int("edge.slots"))
		return err_set(err, CL_FAILED, "edge: slot %d is none of 0..%d", slot,
		    (int)config_int("edge.slots") - 1);
	if (strcmp(tier, "web") != 0 && strcmp(tier, "was") != 0)
		return err_set(err, CL_FAILED, "edge: tier %.8s gets no traffic", tier);
	if (name != NULL && !word_ok(name, "-_."))
		return err_set(err, CL_FAILED, "edge: a name that is none of ours");
	return 0;
}

/* Is the entry of host in the map, and to which backend? */
static int host_find(const char *host, char *backend, size_t size, struct cl_err *err)
{
	struct buf reply;
	char *save = NULL;
	int found = 0;

	buf_init(&reply, EDGE_REPLY_MAX);
	if (command(&reply, err, "show map %s/hosts.map", config_str("edge.dir")) < 0) {
		buf_clear(&reply);
		return -1;
	}
	for (char *l = reply.data == NULL ? NULL : strtok_r(reply.data, "\n", &save); l != NULL;
	     l = strtok_r(NULL, "\n", &save)) {
		char key[254], value[64];

		if (sscanf(l, "%*s %253s %63s", key, value) == 2 && strcmp(key, host) == 0) {
			mem_copy_str(backend, size, value);
			found = 1;
		}
	}
	buf_clear(&reply);
	return found;
}

int edge_host_set(const char *host, int slot, struct cl_err *err)
{
	const char *dir = config_str("edge.dir");
	char now[64], want[64];
	int found;

	if (check_server(slot, "web", NULL, err) < 0)
		return -1;
	if (!word_ok(host, "-."))
		return err_set(err, CL_FAILED, "edge: host name %.64s: not one", host);
	snprintf(want, sizeof(want), "web_%d", slot);
	found = host_find(host, now, sizeof(now), err);
	if (found < 0 || (found && strcmp(now, want) == 0))
		return found < 0 ? -1 : 0;
	return change(NULL, err, "%s map %s/hosts.map %s %s", found ? "set" : "add", dir, host, want);
}

int edge_host_unset(const char *host, struct cl_err *err)
{
	char now[64];
	int found;

	if (!word_ok(host, "-."))
		return err_set(err, CL_FAILED, "edge: host name %.64s: not one", host);
	found = host_find(host, now, sizeof(now), err);
	if (found <= 0)
		return found;
	return change(NULL, err, "del map %s/hosts.map %s", config_str("edge.dir"), host);
}

static int server_add(int slot, const char *tier, const char *name, const char *address, int port,
    const char *pool, struct cl_err *err)
{
	struct cl_err first = {0};
	char id[128];

	if (check_server(slot, tier, name, err) < 0)
		return -1;
	if (!word_ok(address, ".:") || port < 1 || port > 65535)
		return err_set(err, CL_FAILED, "edge: address %.64s:%d: not one", address, port);
	snprintf(id, sizeof(id), "%s_%d/%s", tier, slot, name);
	if (change("New server registered", &first, "add server %s %s:%d " EDGE_CHECK " %s", id,
	        address, port, pool) < 0) {
		/* There already, perhaps of an instance that came back with another address. */
		if (strstr(first.message, "Already exists") == NULL) {
			*err = first;
			return -1;
		}
		if (change(" ", err, "set server %s addr %s port %d", id, address, port) < 0)
			return -1;
	}
	if (change(NULL, err, "enable health %s", id) < 0 ||
	    change(NULL, err, "enable server %s", id) < 0)
		return -1;
	return change(NULL, err, "set server %s state ready", id);
}

int edge_server_add(int slot, const char *tier, const char *name, const char *address, int port,
    struct cl_err *err)
{
	return server_add(slot, tier, name, address, port, EDGE_KEEP, err);
}

int edge_service_add(int slot, const char *tier, const char *name, const char *address, int port,
    struct cl_err *err)
{
	return server_add(slot, tier, name, address, port, "pool-max-conn 0", err);
}

int edge_server_up(int slot, const char *tier, const char *name, struct cl_err *err)
{
	if (check_server(slot, tier, name, err) < 0)
		return -1;
	return change(NULL, err, "set server %s_%d/%s health up", tier, slot, name);
}

/* Requests in flight on one server, -1 unknown (err set), -2 there is no such server. */
static int in_flight(const char *backend, const char *name, struct cl_err *err)
{
	struct buf reply;
	char id[160], *save = NULL;
	int n = -2;

	buf_init(&reply, EDGE_REPLY_MAX);
	snprintf(id, sizeof(id), "%s/%s", backend, name);
	if (command(&reply, err, "show servers conn %s", backend) < 0)
		n = -1;
	for (char *l = n == -1 || reply.data == NULL ? NULL : strtok_r(reply.data, "\n", &save);
	     l != NULL; l = strtok_r(NULL, "\n", &save)) {
		char who[160];
		int used;

		/* bkname/svname bkid/svid addr port - purge_delay used_cur ... */
		if (sscanf(l, "%159s %*s %*s %*s %*s %*s %d", who, &used) == 2 && strcmp(who, id) == 0)
			n = used;
	}
	buf_clear(&reply);
	return n;
}

/* Idle connections are given back a moment after maintenance begins, so deleting may need a try. */
static int server_delete(const char *id, struct cl_err *err)
{
	struct cl_err e = {0};

	for (int i = 0; i < 100; i++) {
		err_clear(&e);
		if (change("Server deleted", &e, "del server %s", id) == 0 ||
		    strstr(e.message, "No such server") != NULL)
			return 0;
		if (e.code != CL_FAILED)
			break;
		poll(NULL, 0, EDGE_POLL_MS);
	}
	if (err != NULL)
		*err = e;
	return -1;
}

int edge_server_drain(int slot, const char *tier, const char *name, int timeout_s,
    struct cl_err *err)
{
	int64_t end = clock_ms() + (int64_t)timeout_s * 1000;
	char backend[64], id[160];
	int n;

	if (check_server(slot, tier, name, err) < 0)
		return -1;
	snprintf(backend, sizeof(backend), "%s_%d", tier, slot);
	snprintf(id, sizeof(id), "%s/%s", backend, name);
	n = in_flight(backend, name, err);
	if (n < 0)
		return n == -2 ? 0 : -1;
	if (change(NULL, err, "set server %s state drain", id) < 0)
		return -1;
	do {
		poll(NULL, 0, EDGE_POLL_MS);
		n = in_flight(backend, name, err);
	} while (n > 0 && clock_ms() < end);
	if (n == -1 || change(NULL, err, "set server %s state maint", id) < 0)
		return -1;
	return server_delete(id, err);
}

int edge_server_list(int slot, const char *tier, struct buf *out, struct cl_err *err)
{
	struct buf reply;
	char *save = NULL;
	int rc;

	if (check_server(slot, tier, NULL, err) < 0)
		return -1;
	buf_init(&reply, EDGE_REPLY_MAX);
	rc = command(&reply, err, "show servers conn %s_%d", tier, slot);
	for (char *l = rc < 0 || reply.data == NULL ? NULL : strtok_r(reply.data, "\n", &save);
	     l != NULL; l = strtok_r(NULL, "\n", &save)) {
		char name[160];

		if (sscanf(l, "%*[^/ ]/%159s", name) == 1 && *l != '#')
			buf_printf(out, "%s\n", name);
	}
	buf_clear(&reply);
	return rc;
}

/* -- statistics -- */

struct last {
	int64_t requests, at_us;
};

static struct last *lasts; /* [slot * 2 + (tier is was)], made at the first look */
static pthread_mutex_t lasts_lock = PTHREAD_MUTEX_INITIALIZER;

static double rate(int slot, bool was, int64_t requests)
{
	double rps = -1;
	struct last *l;
	int64_t now = clock_us();

	pthread_mutex_lock(&lasts_lock);
	if (lasts == NULL)
		lasts = mem_array((size_t)config_int("edge.slots") * 2, sizeof(*lasts));
	l = &lasts[slot * 2 + was];
	if (l->at_us != 0 && requests >= l->requests && now > l->at_us)
		rps = (double)(requests - l->requests) * 1e6 / (double)(now - l->at_us);
	l->requests = requests;
	l->at_us = now;
	pthread_mutex_unlock(&lasts_lock);
	return rps;
}

/* The number in the column called `name` of a CSV line; 0 where it is empty. */
static int64_t column(const char *header, const char *line, const char *name)
{
	size_t len = strlen(name);

	for (header += strspn(header, "# "); *header != '\0' && *line != '\0';) {
		size_t h = strcspn(header, ",\n"), l = strcspn(line, ",\n");

		if (h == len && strncmp(header, name, len) == 0)
			return strtoll(line, NULL, 10);
		header += h + (header[h] == ',');
		line += l + (line[l] == ',');
		if (header[0] == '\n' || line[0] == '\n')
			break;
	}
	return 0;
}

int edge_traffic(int slot, const char *tier, struct edge_traffic *out, struct cl_err *err)
{
	const char *line;
	struct buf reply;

	if (check_server(slot, tier, NULL, err) < 0)
		return -1;
	buf_init(&reply, EDGE_REPLY_MAX);
	/* type 2: the backend as a whole */
	if (command(&reply, err, "show stat %s_%d 2 -1", tier, slot) < 0) {
		buf_clear(&reply);
		return -1;
	}
	line = reply.data == NULL ? NULL : strchr(reply.data, '\n');
	if (line == NULL || line[1] == '\0') {
		buf_clear(&reply);
		return err_set(err, CL_FAILED, "edge: it has no slot %d", slot);
	}
	line++;
	out->active = column(reply.data, line, "scur") + column(reply.data, line, "qcur");
	out->errors = column(reply.data, line, "econ") + column(reply.data, line, "eresp");
	out->rps = rate(slot, tier[2] == 's', column(reply.data, line, "req_tot"));
	buf_clear(&reply);
	return 0;
}
