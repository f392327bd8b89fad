/* Calls of the Docker API: see docker.h.  HTTP is base/fetch's, JSON is jansson's. */
#include "engine/broker/docker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fetch.h"
#include "base/mem.h"

#define CALL_MS 60000
#define IMAGES_MS 240000 /* podman reads every image for it: minutes where there are a thousand */
#define STREAM_MS 1800000
#define LIST_TRIES 12
#define LIST_PAUSE_US 20000u
#define REPLY_MAX (8u << 20)

static json_t *list_timed(const struct docker *d, const char *url, long timeout_ms,
    struct cl_err *err);

void docker_url(char out[DOCKER_URL], const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(out, DOCKER_URL, "http://docker" DOCKER_API);

	va_start(ap, fmt);
	vsnprintf(out + n, DOCKER_URL - (size_t)n, fmt, ap);
	va_end(ap);
}

void docker_escape(const char *s, char *out, size_t size)
{
	static const char plain[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~/:";
	size_t n = 0;

	for (; *s && n + 4 <= size; s++) {
		if (strchr(plain, *s))
			out[n++] = *s;
		else
			n += (size_t)snprintf(out + n, size - n, "%%%02X", (unsigned char)*s);
	}
	out[n] = '\0';
}

const char *docker_str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

json_int_t docker_int(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static enum cl_code code_of(int status)
{
	switch (status) {
	case 400: return CL_USAGE;
	case 404: return CL_NOT_FOUND;
	case 409: return CL_CONFLICT;
	default: return CL_FAILED;
	}
}

int docker_fail(struct cl_err *err, int status, const char *what, const struct buf *body)
{
	json_t *j = body->data ? json_loadb(body->data, body->len, 0, NULL) : NULL;
	const char *why = docker_str(j, "message");

	if (why[0])
		err_set(err, code_of(status), "%s: %s", what, why);
	else
		err_set(err, code_of(status), "%s: the container engine answered %d", what, status);
	json_decref(j);
	return -1;
}

/* "POST containers/create" of a URL, for messages. */
static void describe(const char *method, const char *url, char *out, size_t size)
{
	const char *path = strstr(url, DOCKER_API "/");
	const char *from = path ? path + sizeof(DOCKER_API) : url;

	snprintf(out, size, "container engine: %s %.*s", method, (int)strcspn(from, "?"), from);
}

static int finish(int status, const char *what, struct fetch_reply *reply, json_t **out,
    struct cl_err *err)
{
	int rc = status;

	if (out)
		*out = NULL;
	if (status == 404 || status == 409) {
		docker_fail(err, status, what, &reply->body);
	} else if ((status < 200 || status > 299) && status != 304) {
		rc = docker_fail(err, status, what, &reply->body);
	} else if (out && reply->body.len) {
		*out = json_loadb(reply->body.data, reply->body.len, 0, NULL);
		if (!*out)
			rc = err_set(err, CL_FAILED, "%s: the answer is no JSON", what);
	}
	buf_clear(&reply->body);
	return rc;
}

static int unavailable(struct cl_err *err, const struct docker *d, const struct cl_err *why)
{
	/* That nobody listens is all there is to say; anything else has its reason told. */
	if (why->code == CL_UNAVAILABLE)
		err_set(err, CL_UNAVAILABLE, "no container engine answers on %s", d->socket);
	else
		err_set(err, CL_UNAVAILABLE, "no container engine answers on %s: %s", d->socket,
		    why->message);
	return err_hint(err, "Install podman (apt-get install podman runc) and run ./lab up, "
	    "or set runtime.socket to a running engine's");
}

static int run(const struct docker *d, const struct fetch_request *req, json_t **out,
    struct cl_err *err)
{
	struct fetch_reply reply = {0};
	struct cl_err why = {0};
	char what[256];

	describe(req->method, req->url, what, sizeof(what));
	if (fetch_run(req, &reply, &why) < 0) {
		buf_clear(&reply.body);
		if (out)
			*out = NULL;
		if (why.code == CL_TIMEOUT)
			return err_set(err, CL_TIMEOUT, "%s: %s", what, why.message);
		return unavailable(err, d, &why);
	}
	return finish(reply.status, what, &reply, out, err);
}

int docker_call_timed(const struct docker *d, const char *method, const char *url, json_t *body,
    long timeout_ms, json_t **reply, struct cl_err *err)
{
	static const char *const headers[] = {"Content-Type: application/json", NULL};
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct fetch_request req = {
	    .method = method, .url = url, .unix_path = d->socket, .max_reply = REPLY_MAX,
	    .timeout_ms = timeout_ms, .body = text, .body_len = text ? strlen(text) : 0,
	    .headers = text ? headers : NULL,
	};
	int rc = run(d, &req, reply, err);

	if (text)
		mem_wipe(text, strlen(text)); /* it may hold passwords */
	mem_free(text);
	json_decref(body);
	return rc;
}

int docker_call(const struct docker *d, const char *method, const char *url, json_t *body,
    json_t **reply, struct cl_err *err)
{
	return docker_call_timed(d, method, url, body, CALL_MS, reply, err);
}

json_t *docker_list(const struct docker *d, const char *url, struct cl_err *err)
{
	return list_timed(d, url, CALL_MS, err);
}

json_t *docker_images(const struct docker *d, const char *query, struct cl_err *err)
{
	char url[DOCKER_URL];

	docker_url(url, "/images/json?%s", query);
	return list_timed(d, url, IMAGES_MS, err);
}

static json_t *list_timed(const struct docker *d, const char *url, long timeout_ms,
    struct cl_err *err)
{
	struct cl_err why = {0};

	for (int tries = 0; tries < LIST_TRIES; tries++) {
		json_t *list = NULL;

		err_clear(&why);
		if (docker_call_timed(d, "GET", url, NULL, timeout_ms, &list, &why) == 200 &&
		    json_is_array(list))
			return list;
		json_decref(list);
		if (why.code == CL_UNAVAILABLE || why.code == CL_TIMEOUT)
			break;
		usleep(LIST_PAUSE_US << (tries < 4 ? tries : 4));
	}
	err_set(err, why.code ? why.code : CL_FAILED, "%s",
	    why.code ? why.message : "container engine: its list is none");
	if (why.hint[0])
		err_hint(err, "%s", why.hint);
	return NULL;
}

int docker_send(const struct docker *d, const char *method, const char *url, const char *type,
    const void *data, size_t len, struct cl_err *err)
{
	char header[96];
	const char *const headers[] = {header, NULL};
	struct fetch_request req = {
	    .method = method, .url = url, .unix_path = d->socket, .max_reply = REPLY_MAX,
	    .timeout_ms = CALL_MS, .body = data, .body_len = len, .headers = headers,
	};

	snprintf(header, sizeof(header), "Content-Type: %s", type);
	return run(d, &req, NULL, err);
}

struct sink {
	int fd;
	int64_t left;
	int failed; /* errno of a write, EFBIG past the ceiling */
};

static int sink_cb(void *arg, const char *data, size_t len)
{
	struct sink *s = arg;

	s->left -= (int64_t)len;
	if (s->left < 0)
		s->failed = EFBIG;
	while (len && !s->failed) {
		ssize_t n = write(s->fd, data, len);

		if (n < 0 && errno != EINTR)
			s->failed = errno;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return s->failed;
}

int docker_get_fd(const struct docker *d, const char *url, int fd, int64_t max, struct cl_err *err)
{
	struct sink s = {.fd = fd, .left = max};
	struct fetch_request req = {.method = "GET", .url = url, .unix_path = d->socket,
	    .timeout_ms = STREAM_MS, .data_cb = sink_cb, .arg = &s};
	struct cl_err why = {0};
	int rc = run(d, &req, NULL, &why);

	if (rc == 200 && !s.failed)
		return 0;
	if (s.failed == EFBIG)
		return err_set(err, CL_TOO_LARGE, "container engine: its answer has more than %lld MB",
		    (long long)(max >> 20));
	errno = s.failed;
	if (s.failed)
		return err_errno(err, s.failed == ENOSPC ? CL_UNAVAILABLE : CL_FAILED,
		    "keeping the container engine's answer");
	if (!why.code)
		err_set(&why, CL_FAILED, "container engine: answered %d", rc);
	return err_set(err, why.code, "%s", why.message);
}

static size_t source_cb(void *arg, char *data, size_t size)
{
	ssize_t n;

	do
		n = read(*(int *)arg, data, size);
	while (n < 0 && errno == EINTR);
	return n < 0 ? (size_t)-1 : (size_t)n;
}

int docker_send_fd(const struct docker *d, const char *method, const char *url, const char *type,
    int fd, json_t **reply, struct cl_err *err)
{
	char header[96];
	const char *const headers[] = {header, NULL};
	struct fetch_request req = {
	    .method = method, .url = url, .unix_path = d->socket, .max_reply = REPLY_MAX,
	    .timeout_ms = STREAM_MS, .read_cb = source_cb, .arg = &fd, .headers = headers,
	};

	snprintf(header, sizeof(header), "Content-Type: %s", type);
	return run(d, &req, reply, err);
}

int docker_upgrade(const struct docker *d, const char *url, json_t *body, struct buf *early,
    struct cl_err *err)
{
	static const char *const headers[] = {
	    "Content-Type: application/json", "Connection: Upgrade", "Upgrade: tcp", NULL};
	char *text = json_dumps(body, JSON_COMPACT);
	struct fetch_request req = {
	    .method = "POST", .url = url, .unix_path = d->socket, .body = text,
	    .body_len = text ? strlen(text) : 0, .headers = headers, .timeout_ms = CALL_MS,
	};
	int status = 0, fd = fetch_upgrade(&req, early, &status, err);

	mem_free(text);
	json_decref(body);
	return fd;
}

int docker_ping(const struct docker *d, char *out, size_t size, struct cl_err *err)
{
	char url[DOCKER_URL];
	json_t *j = NULL, *part;
	int rc;

	docker_url(url, "/version");
	rc = docker_call_timed(d, "GET", url, NULL, 10000, &j, err);
	if (rc != 200) {
		json_decref(j);
		return -1;
	}
	part = json_array_get(json_object_get(j, "Components"), 0);
	snprintf(out, size, "%.60s %.30s", part ? docker_str(part, "Name") : "Docker",
	    docker_str(j, "Version"));
	json_decref(j);
	return 0;
}
