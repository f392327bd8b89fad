/*
 * Calls of the Docker API (Podman's or Docker's) on the runtime socket: one request, one JSON
 * answer.  Failures carry the engine's own message; a socket that does not answer is
 * CL_UNAVAILABLE with the fix.
 */
#ifndef ENGINE_BROKER_DOCKER_H
#define ENGINE_BROKER_DOCKER_H

#include <jansson.h>
#include <stdarg.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

#define DOCKER_API "/v1.41"
#define DOCKER_URL 2048

struct docker {
	const char *socket; /* borrowed */
};

/* A path beneath the API from a format; use docker_escape() for anything that is no checked name. */
void docker_url(char out[DOCKER_URL], const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Percent-encode s into out (cut at size). */
void docker_escape(const char *s, char *out, size_t size);

/*
 * body may be NULL (it is consumed).  *reply, when asked for, gets the JSON answer or NULL where
 * there is none; the caller owns it.  Returns the HTTP status when it is 2xx, 304, 404 or 409;
 * -1 with the reason for the others.  *err is filled for 404 and 409 too.
 */
int docker_call(const struct docker *d, const char *method, const char *url, json_t *body,
    json_t **reply, struct cl_err *err);
/* As docker_call() with a limit in ms (0 = none; docker_call() has 60 s). */
int docker_call_timed(const struct docker *d, const char *method, const char *url, json_t *body,
    long timeout_ms, json_t **reply, struct cl_err *err);
/* GET of a list.  An engine fails a whole listing when one thing of it goes meanwhile: asks again
 * a few times.  The list, owned by the caller, or NULL with the reason. */
json_t *docker_list(const struct docker *d, const char *url, struct cl_err *err);
/* The images by a query of /images/json, as docker_list() but with 240 s. */
json_t *docker_images(const struct docker *d, const char *query, struct cl_err *err);
/* POST or PUT of bytes that are no JSON. */
int docker_send(const struct docker *d, const char *method, const char *url, const char *type,
    const void *data, size_t len, struct cl_err *err);
/* GET into fd, at most max bytes (CL_TOO_LARGE).  404 is CL_NOT_FOUND. */
int docker_get_fd(const struct docker *d, const char *url, int fd, int64_t max, struct cl_err *err);
/* POST or PUT of what fd holds from where it stands; *reply as docker_call() has it, may be NULL. */
int docker_send_fd(const struct docker *d, const char *method, const char *url, const char *type,
    int fd, json_t **reply, struct cl_err *err);
/* Hijack: the raw stream after `Upgrade: tcp`; early bytes in *early.  body is consumed. */
int docker_upgrade(const struct docker *d, const char *url, json_t *body, struct buf *early,
    struct cl_err *err);
/* The engine's name and version; CL_UNAVAILABLE with the fix when nothing answers. */
int docker_ping(const struct docker *d, char *out, size_t size, struct cl_err *err);

/* The message of an error body ({"message": "..."}), single-line, into err. */
int docker_fail(struct cl_err *err, int status, const char *what, const struct buf *body);

const char *docker_str(const json_t *o, const char *key); /* "" when absent or no string */
json_int_t docker_int(const json_t *o, const char *key);  /* 0 when absent */

#endif
