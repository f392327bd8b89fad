/* Watching a cluster: see kube_watch.h.  List, watch from there, list again when the server says 410. */
#include "engine/kube_watch.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/kube_manifest.h"
#include "engine/kube_mirror.h"

struct kube_watch {
	struct kube_api *api;
	const char *lab;
	pthread_t thread;
	struct kube_mirror mirror;
	void (*cb)(void *arg, const struct backend_change *c);
	backend_cancel_cb *cancelled;
	void *arg;
	volatile bool stop;
	bool gone;               /* the stream asks for a new list */
	bool away;               /* the cluster does not answer, and that was told */
};

static void changed_cb(void *arg, const json_t *o, bool gone)
{
	struct kube_watch *w = arg;
	const json_t *labels = json_object_get(json_object_get(o, "metadata"), "labels");
	const char *project = json_string_value(json_object_get(labels, "codinglab/project"));
	const char *env = json_string_value(json_object_get(labels, "codinglab/env"));
	const char *tier = json_string_value(json_object_get(labels, "codinglab/tier"));
	struct backend_change change = { .exit_code = -1 };

	if (!project || !env || !tier || strcmp(tier, "job") == 0)
		return;
	(void)snprintf(change.name, sizeof(change.name), strcmp(env, "ide") == 0 ? "p%.12s-dev" :
	    "p%.12s-%.7s-%.7s-1-r0", project, env, tier);
	(void)mem_copy_str(change.what, sizeof(change.what), gone ? "remove" : "change");
	w->cb(w->arg, &change);
}

static int watched_cb(void *arg, const char *text, size_t len)
{
	struct kube_watch *w = arg;

	w->gone = kube_mirror_feed(&w->mirror, text, len) != KUBE_MIRROR_OK;
	return w->gone;
}

static bool watch_stop_cb(void *arg)
{
	struct kube_watch *w = arg;

	return w->stop || w->cancelled(w->arg);
}

static void tell_away(struct kube_watch *w, const char *why)
{
	struct backend_change change = { .exit_code = -1 };

	if (w->away == (why != NULL))
		return;
	w->away = why != NULL;
	(void)mem_copy_str(change.what, sizeof(change.what), why ? "away" : "back");
	(void)snprintf(change.name, sizeof(change.name), "%.79s", why ? why : "");
	w->cb(w->arg, &change);
}

/* Does it answer again?  Asked by itself, since a watch says nothing for long. */
static bool answers(struct kube_watch *w, struct cl_err *err)
{
	json_t *out = NULL;
	int rc = w->away ? kube_api_once(w->api, "/version", &out, err) : 0;

	json_decref(out);
	if (rc == 0)
		tell_away(w, NULL);
	return rc == 0;
}

static void *watch_cluster(void *arg)
{
	struct kube_watch *w = arg;
	cl_autofree char *ours = mem_printf(KUBE_MANIFEST_OURS ",codinglab/lab=%s,codinglab/tier", w->lab);
	cl_autofree char *selector = kube_api_escape(ours);

	while (!watch_stop_cb(w)) {
		struct cl_err err = { 0 };
		cl_autofree char *query = NULL;
		char version[KUBE_API_VERSION_MAX];
		json_t *items = NULL;

		if (answers(w, &err) && !w->mirror.version[0]) {
			if (kube_api_list(w->api, "Pod", "", ours, &items, version, &err) == 0)
				kube_mirror_reset(&w->mirror, items, version);
			json_decref(items);
		}
		if (err.code == CL_OK && w->mirror.version[0]) {
			query = mem_printf("watch=1&allowWatchBookmarks=true&timeoutSeconds=300&labelSelector=%s"
			    "&resourceVersion=%s", selector, w->mirror.version);
			(void)kube_api_stream(w->api, "Pod", "", "", query, watched_cb, w, watch_stop_cb, &err);
			kube_mirror_cut(&w->mirror);
			if (err.code == CL_PRECONDITION) /* 410 */
				w->mirror.version[0] = '\0';
		}
		if (err.code != CL_OK && err.code != CL_PRECONDITION && !w->away)
			log_warn("watching the cluster: %s", err.message);
		if (err.code == CL_UNAVAILABLE && !watch_stop_cb(w))
			tell_away(w, err.message);
		for (int i = 0; err.code != CL_OK && i < 20 && !watch_stop_cb(w); i++)
			(void)nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	}
	return NULL;
}

struct kube_watch *kube_watch_start(struct kube_api *api, const char *lab,
    void (*cb)(void *arg, const struct backend_change *c), backend_cancel_cb *cancelled, void *arg)
{
	struct kube_watch *w = mem_alloc(sizeof(*w));

	w->api = api;
	w->lab = lab;
	w->cb = cb;
	w->cancelled = cancelled;
	w->arg = arg;
	kube_mirror_init(&w->mirror);
	w->mirror.changed = changed_cb;
	w->mirror.arg = w;
	if (pthread_create(&w->thread, NULL, watch_cluster, w) == 0)
		return w;
	kube_mirror_clear(&w->mirror);
	mem_free(w);
	return NULL;
}

void kube_watch_stop(struct kube_watch *w)
{
	if (!w)
		return;
	w->stop = true;
	(void)pthread_join(w->thread, NULL);
	kube_mirror_clear(&w->mirror);
	mem_free(w);
}
