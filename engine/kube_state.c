/* What a cluster says, as the platform says it: see kube_state.h. */
#include "engine/kube_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static const json_t *at(const json_t *o, const char *a, const char *b)
{
	return json_object_get(json_object_get(o, a), b);
}

static const json_t *condition(const json_t *o, const char *type)
{
	json_t *c;
	size_t i;

	json_array_foreach(at(o, "status", "conditions"), i, c)
		if (strcmp(text(c, "type"), type) == 0)
			return c;
	return NULL;
}

static bool holds(const json_t *o, const char *type)
{
	return strcmp(text(condition(o, type), "status"), "True") == 0;
}

static const json_t *main_status(const json_t *pod)
{
	return json_array_get(at(pod, "status", "containerStatuses"), 0);
}

static int64_t when(const char *s)
{
	struct tm tm = { 0 };

	return strptime(s, "%Y-%m-%dT%H:%M:%S", &tm) ? (int64_t)timegm(&tm) * 1000 : 0;
}

static bool is_of(const struct kube_state_pod *p, const struct backend_env *e)
{
	return p->seen.project == e->project && strcmp(p->seen.env, e->env) == 0;
}

/* --- numbers ---------------------------------------------------------------------------------- */

static bool taken(const struct kube_state *s, const struct backend_env *e, const char *tier, int n)
{
	for (size_t i = 0; i < s->n; i++)
		if (is_of(&s->pods[i], e) && s->pods[i].seen.n == n &&
		    strcmp(s->pods[i].seen.tier, tier) == 0)
			return true;
	return false;
}

static struct kube_state_pod *pod_take(struct kube_state *s, const struct backend_env *e,
    const json_t *pod)
{
	const json_t *meta = json_object_get(pod, "metadata"), *labels = json_object_get(meta, "labels");
	const char *name = text(meta, "name"), *ns = text(meta, "namespace");
	const char *tier = text(labels, "codinglab/tier");
	struct kube_state_pod *p;
	int n = 1;

	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->pods[i].pod, name) == 0 && strcmp(s->pods[i].ns, ns) == 0 &&
		    strcmp(s->pods[i].uid, text(meta, "uid")) == 0)
			return &s->pods[i];
	while (taken(s, e, tier, n))
		n++;
	s->pods = mem_resize(s->pods, s->n + 1, sizeof(*s->pods));
	p = &s->pods[s->n++];
	memset(p, 0, sizeof(*p));
	(void)mem_copy_str(p->ns, sizeof(p->ns), ns);
	(void)mem_copy_str(p->pod, sizeof(p->pod), name);
	(void)mem_copy_str(p->uid, sizeof(p->uid), text(meta, "uid"));
	p->seen.project = e->project;
	(void)mem_copy_str(p->seen.env, sizeof(p->seen.env), e->env);
	(void)mem_copy_str(p->seen.tier, sizeof(p->seen.tier), tier);
	p->seen.n = n;
	p->seen.release = (int)strtol(text(labels, "codinglab/release"), NULL, 10);
	(void)snprintf(p->seen.name, sizeof(p->seen.name), "p%lld-%s-%s-%d-r%d", (long long)e->project,
	    e->env, p->seen.tier, n, p->seen.release);
	p->seen.cpu = -1;
	p->seen.memory = -1;
	return p;
}

static bool going(const json_t *pod)
{
	return at(pod, "metadata", "deletionTimestamp") != NULL;
}

static void forget(struct kube_state *s, const struct backend_env *e, const json_t *pods)
{
	size_t kept = 0, i;
	json_t *pod;

	for (size_t k = 0; k < s->n; k++) {
		bool there = !is_of(&s->pods[k], e);

		json_array_foreach(pods, i, pod)
			there = there || (!going(pod) && strcmp(text(json_object_get(pod, "metadata"),
			    "name"), s->pods[k].pod) == 0 && strcmp(text(json_object_get(pod,
			    "metadata"), "uid"), s->pods[k].uid) == 0);
		if (there)
			s->pods[kept++] = s->pods[k];
	}
	s->n = kept;
}

/* --- one pod ---------------------------------------------------------------------------------- */

static void look(struct backend_instance *b, const json_t *pod)
{
	const char *phase = text(json_object_get(pod, "status"), "phase");
	const json_t *st = main_status(pod), *ended = at(st, "state", "terminated");
	const json_t *spec = json_array_get(at(pod, "spec", "containers"), 0);

	b->state = strcmp(phase, "Pending") == 0 ? BACKEND_STARTING : strcmp(phase, "Running") == 0 ?
	    BACKEND_RUNNING : phase[0] ? BACKEND_EXITED : BACKEND_UNKNOWN;
	b->ready = holds(pod, "Ready");
	if (!ended)
		ended = at(st, "lastState", "terminated");
	b->exit_code = (int)json_integer_value(json_object_get(ended, "exitCode"));
	b->started_ms = when(text(json_object_get(pod, "status"), "startTime"));
	(void)mem_copy_str(b->image, sizeof(b->image), text(spec, "image"));
	(void)mem_copy_str(b->address, sizeof(b->address), text(json_object_get(pod, "status"), "podIP"));
}

bool kube_state_passes(const json_t *waiting)
{
	static const char *const words[] = { "failed to sync ", "context deadline exceeded",
		"is reserved for", NULL };

	for (size_t i = 0; words[i]; i++)
		if (strstr(text(waiting, "message"), words[i]) != NULL)
			return true;
	return false;
}

static bool hopeless(const char *reason)
{
	static const char *const words[] = { "InvalidImageName", "CreateContainerConfigError",
		"ErrImageNeverPull", "CreateContainerError", "RunContainerError", NULL };

	for (size_t i = 0; words[i]; i++)
		if (strcmp(words[i], reason) == 0)
			return true;
	return false;
}

/* Why does this one not serve?  The most telling cause stays. */
static void blame(const struct backend_instance *b, const json_t *pod, struct backend_env_state *out)
{
	const json_t *placed = condition(pod, "PodScheduled"), *st = main_status(pod);
	const json_t *waiting = at(st, "state", "waiting");
	const json_t *ended = at(st, "lastState", "terminated");
	const char *reason = text(waiting, "reason");
	char why[300] = "";
	bool failed = false;

	if (strcmp(text(placed, "status"), "False") == 0) {
		(void)snprintf(why, sizeof(why), "%s-%d: the cluster has no room for it: %.200s", b->tier,
		    b->n, text(placed, "message"));
	} else if (ended || strcmp(reason, "CrashLoopBackOff") == 0) {
		failed = true;
		(void)snprintf(why, sizeof(why), "%s-%d: ended with status %d while starting%s", b->tier,
		    b->n, b->exit_code, strcmp(text(ended, "reason"), "OOMKilled") == 0 ?
		    ", for want of memory" : "");
	} else if (strstr(reason, "ImagePull")) {
		(void)snprintf(why, sizeof(why), "%s-%d: its image cannot be pulled: %.200s", b->tier, b->n,
		    text(waiting, "message"));
	} else if (reason[0] && strcmp(reason, "ContainerCreating") != 0 &&
	    strcmp(reason, "PodInitializing") != 0) {
		failed = hopeless(reason) && !kube_state_passes(waiting);
		(void)snprintf(why, sizeof(why), "%s-%d: %.60s: %.180s", b->tier, b->n, reason,
		    text(waiting, "message"));
	} else if (out->why[0] == '\0') {
		out->preparing = b->state != BACKEND_RUNNING;
		(void)snprintf(why, sizeof(why), "%s-%d: %s", b->tier, b->n, b->state == BACKEND_RUNNING ?
		    "it does not answer yet" : "it is still starting");
	}
	if (why[0] == '\0' || (out->failed && !failed))
		return;
	(void)mem_copy_str(out->why, sizeof(out->why), why);
	(void)mem_copy_str(out->blamed, sizeof(out->blamed), b->name);
	out->failed = failed;
}

/* --- what looks after pods -------------------------------------------------------------------- */

static bool settled(const json_t *o, int want, struct backend_env_state *out)
{
	const json_t *st = json_object_get(o, "status"), *fails = condition(o, "ReplicaFailure");
	json_int_t seen = json_integer_value(json_object_get(st, "observedGeneration"));

	if (strcmp(text(fails, "status"), "True") == 0)
		(void)snprintf(out->why, sizeof(out->why), "the cluster refuses a pod: %.250s",
		    text(fails, "message"));
	if (!o || seen < json_integer_value(at(o, "metadata", "generation")))
		return false;
	return json_integer_value(json_object_get(st, "replicas")) == want &&
	    json_integer_value(json_object_get(st, "readyReplicas")) == want &&
	    json_integer_value(json_object_get(st, "updatedReplicas")) == want;
}

static const json_t *controller(const json_t *all, const char *tier)
{
	json_t *o;
	size_t i;

	json_array_foreach(all, i, o)
		if (strcmp(text(at(o, "metadata", "labels"), "codinglab/tier"), tier) == 0)
			return o;
	return NULL;
}

static const struct backend_tier *tier_of(const struct backend_env *e, const char *tier)
{
	for (size_t i = 0; i < e->ntiers; i++)
		if (strcmp(e->tiers[i].spec.tier, tier) == 0)
			return &e->tiers[i];
	return NULL;
}

void kube_state_read(struct kube_state *s, const struct backend_env *e, const json_t *pods,
    const json_t *controllers, struct backend_env_state *out)
{
	json_t *pod;
	size_t i;

	memset(out, 0, sizeof(*out));
	out->complete = true;
	for (i = 0; i < e->ntiers; i++) {
		const json_t *o = controller(controllers, e->tiers[i].spec.tier);
		int want = e->tiers[i].max > 0 ? (int)json_integer_value(at(o, "spec", "replicas")) :
		    e->tiers[i].want;

		if (!settled(o, want, out))
			out->complete = false;
	}
	forget(s, e, pods);
	out->list.items = mem_array(json_array_size(pods) + 1, sizeof(*out->list.items));
	json_array_foreach(pods, i, pod) {
		const struct backend_tier *t = tier_of(e, text(at(pod, "metadata", "labels"),
		    "codinglab/tier"));
		struct kube_state_pod *p;

		out->ending += t && going(pod);
		if (going(pod) || (!t && e->ntiers > 0))
			continue;
		p = pod_take(s, e, pod);
		look(&p->seen, pod);
		out->list.items[out->list.n++] = p->seen;
		if (t && !p->seen.ready && p->seen.release == t->spec.release)
			blame(&p->seen, pod, out);
	}
	if (out->complete) {
		out->why[0] = out->blamed[0] = '\0';
		out->failed = false;
	}
}

const struct kube_state_pod *kube_state_find(const struct kube_state *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->pods[i].seen.name, name) == 0)
			return &s->pods[i];
	return NULL;
}

void kube_state_clear(struct kube_state *s)
{
	mem_free(s->pods);
	s->pods = NULL;
	s->n = 0;
}
