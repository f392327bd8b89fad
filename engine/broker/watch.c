/* The container engine's events: see watch.h. */
#include "engine/broker/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fetch.h"
#include "base/ipc.h"
#include "base/mem.h"
#include "engine/broker/broker_proto.h"

struct watch {
	const struct broker *b;
	struct buf part;
	int sock;
};

/* The engine's word for what happened -> ours; NULL for what nobody needs to know. */
static const char *word(const char *action)
{
	static const char *const map[][2] = {
	    {"start", "start"}, {"restart", "start"}, {"die", "die"}, {"died", "die"},
	    {"oom", "oom"}, {"destroy", "remove"}, {"remove", "remove"},
	};

	for (size_t i = 0; i < CL_COUNT(map); i++)
		if (strcmp(action, map[i][0]) == 0)
			return map[i][1];
	return NULL;
}

static int send_change(int sock, const char *name, const char *what, int code)
{
	struct ipc_out m;

	ipc_begin(&m, BROKER_CHANGE);
	ipc_put_str(&m, name);
	ipc_put_str(&m, what);
	ipc_put_i32(&m, code);
	return ipc_send(sock, &m);
}

static int event(struct watch *w, const char *text, size_t len)
{
	json_t *j = json_loadb(text, len, 0, NULL);
	const json_t *attr = json_object_get(json_object_get(j, "Actor"), "Attributes");
	const char *what = word(docker_str(j, "Action")), *code = docker_str(attr, "exitCode");
	int rc = 0;

	if (!code[0])
		code = docker_str(attr, "containerExitCode");
	if (what && strcmp(docker_str(attr, PLACE_LABEL), w->b->place.instance) == 0)
		rc = send_change(w->sock, docker_str(attr, "codinglab.name"), what,
		    (int)strtol(code, NULL, 10) & 255);
	json_decref(j);
	return rc;
}

static int data_cb(void *arg, const char *data, size_t n)
{
	struct watch *w = arg;
	char *end;

	if (buf_add(&w->part, data, n) < 0)
		return -1;
	while (w->part.len && (end = memchr(w->part.data, '\n', w->part.len))) {
		size_t len = (size_t)(end - w->part.data);

		if (event(w, w->part.data, len) < 0)
			return -1;
		buf_drop(&w->part, len + 1);
	}
	return 0;
}

int watch_run(const struct broker *b, int sock, struct cl_err *err)
{
	char url[DOCKER_URL], filter[256], escaped[768];
	struct watch w = {.b = b, .sock = sock};
	struct fetch_reply reply = {0};
	struct fetch_request req = {
	    .method = "GET", .url = url, .unix_path = b->docker.socket, .data_cb = data_cb, .arg = &w,
	};
	int rc;

	snprintf(filter, sizeof(filter), "{\"type\":[\"container\"],\"label\":[\"" PLACE_LABEL "=%s\"]}",
	    b->place.instance);
	docker_escape(filter, escaped, sizeof(escaped));
	docker_url(url, "/events?stream=true&filters=%s", escaped);
	buf_init(&w.part, 1 << 20);
	/* What happened before the stream began is not in it. */
	send_change(sock, "", "resync", 0);
	rc = fetch_run(&req, &reply, err);
	if (rc == 0 && reply.status != 200)
		docker_fail(err, reply.status, "events", &reply.body);
	buf_clear(&reply.body);
	buf_clear(&w.part);
	return err_set(err, CL_UNAVAILABLE, "the container engine's event stream ended");
}
