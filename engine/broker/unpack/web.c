/* http and https of an import: see web.h. */
#include "engine/broker/unpack/web.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fetch.h"
#include "base/mem.h"

#define REDIRECTS 5
#define PROBE_REPLY (8u << 20)

int web_reach(struct web *w, struct cl_err *err)
{
	if (reach_resolve(w->url.host, w->networks, &w->reach, err) < 0)
		return -1;
	reach_pin(&w->reach, w->url.host, w->url.port, w->pin, sizeof(w->pin));
	return 0;
}

/* The URL without credentials, with this after its path. */
static char *address(const struct web *w, const char *suffix)
{
	const struct giturl *u = &w->url;
	bool six = strchr(u->host, ':') != NULL;

	return mem_printf("%s://%s%s%s:%d%s%s", u->kind == GITURL_HTTPS ? "https" : "http",
	    six ? "[" : "", u->host, six ? "]" : "", u->port, u->path, suffix);
}

static int elsewhere(struct cl_err *err)
{
	err_set(err, CL_FORBIDDEN, "import: the server sends us to another host");
	return err_hint(err, "Give the address that it points to, if you trust it");
}

/* Go on at where the reply points: the same host, and never from https to http. */
static int redirect(struct web *w, const char *to, const char *suffix, struct cl_err *err)
{
	size_t n = strlen(to), end = strlen(suffix);
	cl_autofree char *text = mem_strndup(to, n);
	struct giturl next;
	int rc = 0;

	if (end && n > end && strcmp(text + n - end, suffix) == 0)
		text[n - end] = '\0';
	if (giturl_parse(text, &next, NULL) < 0 || next.kind > GITURL_HTTPS ||
	    strcmp(next.host, w->url.host) != 0 ||
	    (w->url.kind == GITURL_HTTPS && next.kind == GITURL_HTTP) ||
	    (next.kind == w->url.kind && next.port != w->url.port)) {
		rc = elsewhere(err);
	} else {
		mem_copy_str(next.user, sizeof(next.user), w->url.user);
		mem_copy_str(next.password, sizeof(next.password), w->url.password);
		w->url = next;
		reach_pin(&w->reach, w->url.host, w->url.port, w->pin, sizeof(w->pin));
	}
	giturl_wipe(&next);
	return rc;
}

static int status(const struct web *w, int code, struct cl_err *err)
{
	const char *host = w->url.host;

	if (code == 200)
		return 0;
	if (code == 401 || code == 403) {
		err_set(err, CL_FORBIDDEN, "import: %.200s does not let us in (%d)", host, code);
		return err_hint(err, "A private repository takes https://USER:TOKEN@HOST/...");
	}
	if (code == 404)
		return err_set(err, CL_NOT_FOUND, "import: %.200s has nothing there, or hides it", host);
	return err_set(err, CL_FAILED, "import: %.200s answered %d", host, code);
}

static void ask(const struct web *w, struct fetch_request *req)
{
	bool known = w->url.user[0] || w->url.password[0];

	req->method = "GET";
	req->resolve = w->pin;
	req->ca_file = w->bundle[0] ? w->bundle : NULL;
	req->user = known ? w->url.user : NULL;
	req->password = known ? w->url.password : NULL;
	req->timeout_ms = w->seconds * 1000;
	req->connect_timeout_ms = 15000;
}

static int network(struct cl_err *err)
{
	err_hint(err, "Is the address right, and its certificate valid?");
	return -1;
}

int web_probe(struct web *w, const char *suffix, struct cl_err *err)
{
	for (int i = 0; i < REDIRECTS; i++) {
		cl_autofree char *url = address(w, suffix);
		struct fetch_request req = {.url = url, .max_reply = PROBE_REPLY};
		struct fetch_reply reply = {0};
		int rc;

		ask(w, &req);
		if (req.timeout_ms > 30000)
			req.timeout_ms = 30000;
		rc = fetch_run(&req, &reply, err);
		buf_clear(&reply.body);
		if (rc < 0)
			return network(err);
		if (reply.status < 300 || reply.status > 399)
			return status(w, reply.status, err);
		if (redirect(w, reply.redirect, suffix, err) < 0)
			return -1;
	}
	return err_set(err, CL_FAILED, "import: the server redirects without end");
}

struct saving {
	int fd;
	int64_t left;
	bool full;
};

static int save_cb(void *arg, const char *data, size_t n)
{
	struct saving *s = arg;

	s->full = (int64_t)n > s->left;
	if (s->full || write(s->fd, data, n) != (ssize_t)n)
		return -1;
	s->left -= (int64_t)n;
	return 0;
}

int web_download(struct web *w, int fd, int64_t max, struct cl_err *err)
{
	for (int i = 0; i < REDIRECTS; i++) {
		cl_autofree char *url = address(w, "");
		struct saving s = {.fd = fd, .left = max};
		struct fetch_request req = {.url = url, .max_reply = 65536, .data_cb = save_cb,
		    .arg = &s};
		struct fetch_reply reply = {0};
		struct cl_err why = {0};
		int rc;

		ask(w, &req);
		rc = fetch_run(&req, &reply, &why);
		buf_clear(&reply.body);
		if (s.full)
			return err_set(err, CL_QUOTA, "import: the archive is larger than %lld MB",
			    (long long)(max >> 20));
		if (rc < 0) {
			err_set(err, why.code, "%s", why.message);
			return network(err);
		}
		if (reply.status < 300 || reply.status > 399)
			return status(w, reply.status, err);
		if (redirect(w, reply.redirect, "", err) < 0)
			return -1;
	}
	return err_set(err, CL_FAILED, "import: the server redirects without end");
}
