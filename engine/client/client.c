/*
 * Calls to the engine: see client.h.  A reply is JSON; whatever is not 2xx becomes an error with
 * the engine's own code, message and hint, which are untrusted text like any other.
 */
#include "engine/client/client.h"
#include "engine/client/client_internal.h"

#include <string.h>

#include "base/mem.h"

#define CLIENT_TIMEOUT_MS 60000

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static enum cl_code code_of_status(int status)
{
	for (int i = 1; i < CL_CODES; i++)
		if (err_http((enum cl_code)i) == status)
			return (enum cl_code)i;
	return status >= 400 && status < 500 ? CL_USAGE : CL_FAILED;
}

json_t *client_parse(const struct client_wire_reply *reply, struct cl_err *err)
{
	const char *data = reply->body.data ? reply->body.data : "";
	json_t *json, *e;

	json = json_loadb(data, reply->body.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	if (reply->status >= 200 && reply->status < 300) {
		if (!json)
			err_set(err, CL_FAILED, "engine: its reply is no JSON");
		return json;
	}
	e = json_object_get(json, "error");
	if (text(e, "code")[0]) {
		enum cl_code code = err_parse(text(e, "code"));

		err_set(err, code == CL_OK ? CL_FAILED : code, "%s", text(e, "message"));
		if (text(e, "hint")[0])
			err_hint(err, "%s", text(e, "hint"));
	} else {
		err_set(err, code_of_status(reply->status), "engine: HTTP status %d", reply->status);
	}
	json_decref(json);
	return NULL;
}

int client_unreachable(const char *socket, const struct cl_err *why, struct cl_err *err)
{
	if (why->code != CL_UNAVAILABLE)
		err_set(err, why->code, "engine: %s", why->message);
	else
		err_set(err, CL_UNAVAILABLE, "engine: it does not answer at %s", socket);
	return err_hint(err, why->code == CL_UNAVAILABLE ? "`./lab up` starts it" : "Try again");
}

int client_call(const char *socket, const char *method, const char *path, json_t *body,
    json_t **reply, struct cl_err *err)
{
	struct client_wire_request req = {.method = method, .target = path,
	    .timeout_ms = CLIENT_TIMEOUT_MS};
	cl_autofree char *data = NULL;
	struct client_wire_reply got;
	struct cl_err why = {0};
	json_t *json;

	if (body) {
		data = json_dumps(body, JSON_COMPACT);
		json_decref(body);
		if (!data)
			return err_set(err, CL_USAGE, "request: it holds text that is not UTF-8");
		req.body = data;
	}
	if (client_wire_run(socket, &req, &got, &why) < 0)
		return client_unreachable(socket, &why, err);
	json = client_parse(&got, err);
	buf_clear(&got.body);
	if (!json)
		return -1;
	if (reply)
		*reply = json;
	else
		json_decref(json);
	return 0;
}

struct client *client_new(uv_loop_t *loop, const char *socket)
{
	struct client *c = mem_alloc(sizeof(*c));

	c->loop = loop;
	c->socket = mem_strdup(socket);
	return c;
}

/* One call under way. */
struct client_pending {
	struct client_pending *next;
	struct client *client;
	uint64_t id;
	struct client_wire *wire;
	client_reply_cb *cb;
	void *arg;
};

void client_free(struct client *c)
{
	struct client_pending *call;

	if (!c)
		return;
	while ((call = c->calls)) {
		c->calls = call->next;
		client_wire_cancel(call->wire);
		mem_free(call);
	}
	mem_free(c->socket);
	mem_free(c);
}

static void forget(struct client_pending *call)
{
	struct client_pending **p = &call->client->calls;

	while (*p != call)
		p = &(*p)->next;
	*p = call->next;
}

static void call_done_cb(void *arg, const struct client_wire_reply *reply, const struct cl_err *why)
{
	struct client_pending *call = arg;
	struct cl_err err = {0};
	json_t *json = NULL;

	if (why)
		client_unreachable(call->client->socket, why, &err);
	else
		json = client_parse(reply, &err);
	/* The callback may free the client: the call must not be found there any more. */
	forget(call);
	if (call->cb)
		call->cb(call->arg, json, json ? NULL : &err);
	json_decref(json);
	mem_free(call);
}

uint64_t client_start(struct client *c, const char *method, const char *path, json_t *body,
    client_reply_cb *cb, void *arg)
{
	cl_autofree char *data = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct client_wire_request req = {.method = method, .target = path, .body = data,
	    .timeout_ms = CLIENT_TIMEOUT_MS};
	struct client_pending *call = mem_alloc(sizeof(*call));

	json_decref(body);
	call->client = c;
	call->cb = cb;
	call->arg = arg;
	call->next = c->calls;
	c->calls = call;
	call->id = ++c->last_id;
	call->wire = client_wire_start(c->loop, c->socket, &req, call_done_cb, call);
	return call->id;
}

void client_cancel(struct client *c, uint64_t id)
{
	struct client_pending *call = c->calls;

	while (call && call->id != id)
		call = call->next;
	if (!call)
		return;
	client_wire_cancel(call->wire);
	forget(call);
	mem_free(call);
}

char *client_escape(const char *s)
{
	static const char hex[] = "0123456789ABCDEF";
	char *out = mem_alloc(strlen(s) * 3 + 1), *p = out;

	for (; *s; s++) {
		unsigned char ch = (unsigned char)*s;

		if ((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
		    strchr("-._~", ch)) {
			*p++ = *s;
		} else {
			*p++ = '%';
			*p++ = hex[ch >> 4];
			*p++ = hex[ch & 15];
		}
	}
	return out;
}
