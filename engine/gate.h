/*
 * The gate in front of the HTTP server: looks at the head of a request before the server library
 * reads it, and lets only heads through that can be read in one way.  libwebsockets 4.1 takes a line
 * without colon, and the line after it, as one header name (a Content-Length can hide there), reads
 * "Content-Length: 5 6" as 5 and ignores Transfer-Encoding; so such heads never reach it.
 *
 * Strict: METHOD SP /target SP HTTP/1.x CRLF, then name ":" value CRLF lines of visible characters, no
 * folding, at most one Content-Length of digits, no Transfer-Encoding, no Upgrade.
 */
#ifndef ENGINE_GATE_H
#define ENGINE_GATE_H

#include <stddef.h>
#include <stdint.h>

#define GATE_HEAD_MAX 12288   /* bytes of a head */
#define GATE_TARGET_MAX 4096
#define GATE_HEADERS_MAX 64

enum gate_state { GATE_MORE, GATE_OK, GATE_BAD };

struct gate {
	char method[8];
	char target[GATE_TARGET_MAX + 1]; /* as sent: path and query, still encoded */
	int64_t length;                   /* Content-Length; -1 = none was given */
	char idem[130];                   /* Idempotency-Key; a longer one is cut, so too long shows */
	char last_event[24];              /* Last-Event-ID */
	const char *reason;               /* of GATE_BAD */
};

/* head: the first n bytes of the connection. */
enum gate_state gate_check(const char *head, size_t n, struct gate *out);
/* The same of a request whose parts came apart (server_call.c): GATE_OK or GATE_BAD.  length: -1 = no
 * body was announced. */
enum gate_state gate_fill(struct gate *out, const char *method, const char *target, const char *idem,
    const char *last_event, int64_t length);

#endif
