/* This lab's containers: see observe.h. */
#include "engine/broker/observe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/ipc.h"
#include "base/mem.h"
#include "engine/broker/broker_proto.h"
#include "engine/broker/stats.h"

#define SEEN_MAX 1024

/* What inspect said about one start of one container. */
struct seen {
	char id[65];
	char state[16]; /* as the list said then */
	int pid, exit_code;
	int64_t started_ms;
	bool used; /* met in this round */
};

static struct seen seen[SEEN_MAX];
static size_t nseen;

int64_t observe_time(const char *s)
{
	struct tm tm = {0};
	const char *rest = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t ms;

	if (!rest)
		return 0;
	ms = (int64_t)timegm(&tm) * 1000;
	if (ms <= 0)
		return 0;
	if (*rest == '.')
		ms += (int64_t)(strtod(rest, NULL) * 1000);
	return ms;
}

static bool alive(int pid)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	return pid > 0 && stat(path, &st) == 0;
}

static struct seen *find(const char *id)
{
	for (size_t i = 0; i < nseen; i++)
		if (strcmp(seen[i].id, id) == 0)
			return &seen[i];
	return NULL;
}

static bool fresh(const struct seen *s, const char *state)
{
	if (strcmp(s->state, state) != 0)
		return false;
	return strcmp(state, "running") != 0 || alive(s->pid);
}

static void inspect(const struct broker *b, const char *id, const char *state, struct seen *out)
{
	char url[DOCKER_URL];
	json_t *j = NULL, *st;

	docker_url(url, "/containers/%s/json", id);
	docker_call(&b->docker, "GET", url, NULL, &j, NULL);
	st = json_object_get(j, "State");
	snprintf(out->id, sizeof(out->id), "%s", id);
	snprintf(out->state, sizeof(out->state), "%s", state);
	out->pid = (int)docker_int(st, "Pid");
	out->exit_code = (int)docker_int(st, "ExitCode") & 255;
	out->started_ms = observe_time(docker_str(st, "StartedAt"));
	json_decref(j);
}

/* The rest about a container; a scratch entry when the table is full. */
static struct seen *recall(const struct broker *b, const char *id, const char *state)
{
	static struct seen scratch;
	struct seen *s = find(id);

	if (!s)
		s = nseen < SEEN_MAX ? &seen[nseen++] : &scratch;
	if (!fresh(s, state) || strcmp(s->id, id) != 0)
		inspect(b, id, state, s);
	s->used = true;
	return s;
}

static void forget_unused(void)
{
	size_t kept = 0;

	for (size_t i = 0; i < nseen; i++)
		if (seen[i].used)
			seen[kept++] = seen[i];
	nseen = kept;
}

static enum broker_state state_of(const char *s)
{
	if (strcmp(s, "running") == 0)
		return BROKER_RUNNING;
	if (strcmp(s, "exited") == 0 || strcmp(s, "dead") == 0 || strcmp(s, "stopped") == 0)
		return BROKER_EXITED;
	if (strcmp(s, "created") == 0 || strcmp(s, "initialized") == 0 ||
	    strcmp(s, "configured") == 0)
		return BROKER_STARTING;
	return BROKER_UNKNOWN;
}

static int64_t label_int(const json_t *labels, const char *key)
{
	return strtoll(docker_str(labels, key), NULL, 10);
}

static const char *address_of(const json_t *item)
{
	const json_t *nets = json_object_get(json_object_get(item, "NetworkSettings"), "Networks");
	void *it = json_object_iter((json_t *)nets);

	return it ? docker_str(json_object_iter_value(it), "IPAddress") : "";
}

static int send_one(const struct broker *b, int sock, const json_t *item, bool with_stats)
{
	const json_t *labels = json_object_get(item, "Labels");
	const char *state = docker_str(item, "State");
	struct seen *s = recall(b, docker_str(item, "Id"), state);
	enum broker_state st = state_of(state);
	struct stats use = {-1, -1};
	struct ipc_out m;

	if (with_stats && st == BROKER_RUNNING)
		stats_read(s->pid, &use);
	ipc_begin(&m, BROKER_INSTANCE);
	ipc_put_str(&m, docker_str(labels, "codinglab.name"));
	ipc_put_i64(&m, label_int(labels, "codinglab.project"));
	ipc_put_str(&m, docker_str(labels, "codinglab.env"));
	ipc_put_str(&m, docker_str(labels, "codinglab.tier"));
	ipc_put_i32(&m, (int32_t)label_int(labels, "codinglab.n"));
	ipc_put_i32(&m, (int32_t)label_int(labels, "codinglab.release"));
	ipc_put_i64(&m, label_int(labels, "codinglab.generation"));
	ipc_put_str(&m, docker_str(item, "ImageID"));
	ipc_put_u32(&m, st);
	ipc_put_i32(&m, st == BROKER_EXITED ? s->exit_code : 0);
	ipc_put_str(&m, st == BROKER_RUNNING ? address_of(item) : "");
	ipc_put_i64(&m, s->started_ms);
	ipc_put_i64(&m, use.cpu_ns);
	ipc_put_i64(&m, use.memory);
	return ipc_send(sock, &m);
}

int observe_send(const struct broker *b, int sock, int64_t project, bool with_stats,
    struct cl_err *err)
{
	char url[DOCKER_URL], filter[256], escaped[768];
	json_t *list, *item;
	size_t i;

	if (project)
		snprintf(filter, sizeof(filter),
		    "{\"label\":[\"" PLACE_LABEL "=%s\",\"codinglab.project=%lld\"]}",
		    b->place.instance, (long long)project);
	else
		snprintf(filter, sizeof(filter), "{\"label\":[\"" PLACE_LABEL "=%s\"]}",
		    b->place.instance);
	docker_escape(filter, escaped, sizeof(escaped));
	docker_url(url, "/containers/json?all=true&filters=%s", escaped);
	list = docker_list(&b->docker, url, err);
	if (!list)
		return -1;
	for (i = 0; i < nseen; i++)
		seen[i].used = false;
	json_array_foreach(list, i, item) {
		/* The filter's word is not taken for it. */
		if (strcmp(docker_str(json_object_get(item, "Labels"), PLACE_LABEL),
		    b->place.instance) != 0)
			continue;
		if (send_one(b, sock, item, with_stats) < 0)
			break;
	}
	forget_unused();
	json_decref(list);
	return 0;
}
