/*
 * HTTP client (libcurl), the only file that includes it: over TCP or a unix socket, blocking.
 * Bodies have a ceiling.
 */
#ifndef BASE_FETCH_H
#define BASE_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"

struct fetch_request {
	const char *method;        /* "GET", "POST", ... */
	const char *url;           /* http://... ; the host part is free when unix_path is set */
	const char *unix_path;     /* connect here instead of TCP, or NULL */
	const char *const *headers;/* "Name: value" lines, NULL-terminated, or NULL */
	const char *resolve;       /* "host:port:address,address": go there and nowhere else, or NULL */
	const char *ca_file;       /* certificates to trust, or NULL: the library's own */
	const char *ca_pem;        /* the same as text, or NULL */
	const char *cert_pem, *key_pem; /* who we are in TLS, or NULL */
	bool any_server;           /* its certificate is not checked: somebody asked for that */
	const char *user, *password; /* for this host only (redirects are never followed), or NULL */
	const void *body;          /* copied */
	size_t body_len;
	size_t max_reply;          /* bytes; 0 = 16 MiB */
	long timeout_ms;           /* whole request; 0 = none */
	long connect_timeout_ms;   /* 0 = 5000 */
	/* Read the body from here instead (chunked); returns bytes, 0 = end, (size_t)-1 = abort. */
	size_t (*read_cb)(void *arg, char *data, size_t size);
	/* Given parts of a 2xx reply as they come, instead of collecting them; nonzero = abort.
	 * The body of any other status is collected as usual. */
	int (*data_cb)(void *arg, const char *data, size_t len);
	/* Asked now and then, at least once a second; true = end.  Or NULL. */
	bool (*stop_cb)(void *arg);
	void *arg;
	volatile int *cancelled;   /* blocking calls end within a second once it is set; or NULL */
	struct fetch_pool *pool;   /* connections come from there and stay there, or NULL: one for this request */
};

struct fetch_reply {
	int status;                /* HTTP status, 0 if there was none */
	char etag[128];
	char redirect[2048];       /* where a 3xx points, absolute; "" = nowhere, or too long */
	int retry_after_s;         /* when to ask again, as the server says; 0 = it does not */
	struct buf body;           /* owned; buf_clear() */
};

/*
 * Connections that wait for the next request to the same server by the same certificate: a TLS handshake costs more than
 * most answers.  For any number of threads; at most `most` are kept, none longer than a minute without use.  One that the
 * server has closed meanwhile is replaced without a word.
 */
struct fetch_pool *fetch_pool_new(size_t most);
/* No request may be under way. */
void fetch_pool_free(struct fetch_pool *pool);

/* Blocking. 0 when an HTTP reply came, whatever its status; -1 when none did. */
int fetch_run(const struct fetch_request *req, struct fetch_reply *reply, struct cl_err *err);

/*
 * Ask to upgrade a connection to a raw stream (101, or 200 as some Docker engines answer) on a
 * unix socket.  Returns the connected stream, non-blocking, owned by the caller; bytes that
 * followed the headers at once are put into *early (caller initialises, ceiling of at least
 * 64 KiB).  Other statuses: -1 with the body's text in err and *status set.
 */
int fetch_upgrade(const struct fetch_request *req, struct buf *early, int *status,
    struct cl_err *err);

#endif
