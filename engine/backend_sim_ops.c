/* The calls of the sim backend: each takes the lock, looks for a scripted fault, changes the cluster. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "base/mem.h"
#include "engine/backend_sim.h"
#include "engine/backend_sim_internal.h"

static int sim_open(struct backend *b, struct cl_err *err)
{
	const char *script = getenv("CODINGLAB_SIM");
	struct sim *s;

	if (b->ctx != NULL)
		return 0;
	s = backend_sim_new(b, "");
	s->kept = false;
	if (script == NULL || backend_sim_script(s, script, err) == 0)
		return 0;
	backend_sim_free(s);
	b->ctx = NULL;
	return -1;
}

static void sim_close(struct backend *b)
{
	struct sim *s = b->ctx;

	if (s != NULL && !s->kept)
		backend_sim_free(s);
	b->ctx = NULL;
}

static int sim_ping(struct backend *b, struct cl_err *err)
{
	return backend_sim_end(b->ctx, backend_sim_begin(b->ctx, "ping", "", err));
}

static int sim_apply(struct backend *b, const struct backend_spec *spec, struct cl_err *err)
{
	struct sim *s = b->ctx;
	struct sim_instance *i;

	if (backend_sim_begin(s, "apply", spec->name, err) != 0)
		return backend_sim_end(s, -1);
	i = backend_sim_find(s, spec->name);
	if (i != NULL && i->seen.state != BACKEND_EXITED)
		return backend_sim_end(s, 0);
	if (i == NULL)
		i = backend_sim_put(s, spec->name, spec->project);
	(void)mem_copy_str(i->seen.env, sizeof(i->seen.env), spec->env);
	(void)mem_copy_str(i->seen.tier, sizeof(i->seen.tier), spec->tier);
	(void)mem_copy_str(i->seen.image, sizeof(i->seen.image), spec->image);
	i->seen.n = spec->n;
	i->seen.release = spec->release;
	i->seen.generation = spec->generation;
	i->seen.state = BACKEND_STARTING;
	i->seen.exit_code = 0;
	i->seen.started_ms = clock_unix_ms();
	i->seen.cpu = -1;
	i->seen.memory = -1;
	i->looks = s->slow;
	s->addresses++;
	(void)snprintf(i->seen.address, sizeof(i->seen.address), "10.89.%d.%d",
	    s->addresses / 250 % 250, s->addresses % 250 + 2);
	backend_sim_change(s, spec->name, "start", 0);
	return backend_sim_end(s, 0);
}

static int sim_remove(struct backend *b, const char *name, int grace_s, struct cl_err *err)
{
	struct sim *s = b->ctx;
	struct sim_instance *i;

	(void)grace_s;
	if (backend_sim_begin(s, "remove", name, err) != 0)
		return backend_sim_end(s, -1);
	i = backend_sim_find(s, name);
	if (i != NULL) {
		backend_sim_change(s, name, "die", 143);
		backend_sim_drop(s, i);
	}
	return backend_sim_end(s, 0);
}

static void sim_see(struct sim *s, struct sim_instance *x, bool with_stats, struct backend_list *out)
{
	struct backend_instance *seen = &out->items[out->n++];

	backend_sim_look(s, x);
	*seen = x->seen;
	if (with_stats && seen->state == BACKEND_RUNNING) {
		seen->cpu = 1.5;
		seen->memory = INT64_C(20) << 20;
	}
}

static int sim_observe(struct backend *b, int64_t project, bool with_stats,
    struct backend_list *out, struct cl_err *err)
{
	struct sim *s = b->ctx;

	out->items = NULL;
	out->n = 0;
	if (backend_sim_begin(s, "observe", "", err) != 0)
		return backend_sim_end(s, -1);
	if (project == 0)
		out->items = mem_array(s->n + 1, sizeof(*out->items));
	for (size_t i = 0; project == 0 && i < s->n; i++)
		sim_see(s, s->items[i], with_stats, out);
	for (struct hash_node *n = project != 0 ? hash_first(&s->by_project, hash_number((uint64_t)project)) :
	     NULL; n != NULL; n = hash_next(n)) {
		out->items = mem_resize(out->items, out->n + 1, sizeof(*out->items));
		sim_see(s, HASH_OF(n, struct sim_instance, by_project), with_stats, out);
	}
	return backend_sim_end(s, 0);
}

static int sim_probe(struct backend *b, const struct backend_instance *i, int port,
    const char *path, struct cl_err *err)
{
	struct sim *s = b->ctx;
	const struct sim_instance *x;

	if (backend_sim_begin(s, "probe", i->name, err) != 0)
		return backend_sim_end(s, -1);
	x = backend_sim_find(s, i->name);
	if (x == NULL || x->seen.state != BACKEND_RUNNING)
		return backend_sim_end(s, err_set(err, CL_UNAVAILABLE, "%s: not running", i->name));
	if (backend_sim_rule_hits(s, SIM_UNREADY, "", i->name))
		return backend_sim_end(s, err_set(err, CL_UNAVAILABLE, "GET :%d%s: answered 500", port, path));
	return backend_sim_end(s, 0);
}

static int sim_route_set(struct backend *b, const struct backend_route *r, struct cl_err *err)
{
	return backend_sim_end(b->ctx, backend_sim_begin(b->ctx, "route", r->host, err));
}

static int sim_route_unset(struct backend *b, const struct backend_route *r, struct cl_err *err)
{
	struct sim *s = b->ctx;

	if (backend_sim_begin(s, "unroute", r->host, err) != 0)
		return backend_sim_end(s, -1);
	backend_sim_route_clear(s, r->slot);
	memset(s->served[r->slot], 0, sizeof(s->served[r->slot]));
	return backend_sim_end(s, 0);
}

static struct sim_route *sim_route_find(const struct sim *s, int slot, const char *name)
{
	struct sim_route *r = backend_sim_route_first(s, slot);

	while (r != NULL && strcmp(r->name, name) != 0)
		r = backend_sim_route_next(r);
	return r;
}

static int sim_route_add(struct backend *b, const struct backend_route *r, const char *tier,
    const char *name, const char *address, int port, struct cl_err *err)
{
	struct sim *s = b->ctx;

	(void)port;
	if (backend_sim_begin(s, "add", name, err) != 0)
		return backend_sim_end(s, -1);
	if (address[0] == '\0' || backend_sim_tier(tier) < 0)
		return backend_sim_end(s, err_set(err, CL_FAILED, "edge: %s has no address", name));
	if (sim_route_find(s, r->slot, name) == NULL)
		backend_sim_route_put(s, r->slot, tier, name);
	return backend_sim_end(s, 0);
}

static int sim_route_drain(struct backend *b, const struct backend_route *r, const char *tier,
    const char *name, int timeout_s, struct cl_err *err)
{
	struct sim *s = b->ctx;
	struct sim_route *is;

	(void)tier;
	if (backend_sim_begin(s, timeout_s > 0 ? "drain" : "drop", name, err) != 0)
		return backend_sim_end(s, -1);
	is = sim_route_find(s, r->slot, name);
	if (is != NULL)
		backend_sim_route_drop(s, is);
	return backend_sim_end(s, 0);
}

static int sim_route_list(struct backend *b, const struct backend_route *r, const char *tier,
    struct buf *out, struct cl_err *err)
{
	struct sim *s = b->ctx;

	if (backend_sim_begin(s, "", "", err) != 0)
		return backend_sim_end(s, -1);
	for (const struct sim_route *is = backend_sim_route_first(s, r->slot); is != NULL;
	     is = backend_sim_route_next(is))
		if (strcmp(is->tier, tier) == 0)
			(void)buf_printf(out, "%s\n", is->name);
	return backend_sim_end(s, 0);
}

static int sim_route_stats(struct backend *b, const struct backend_route *r, const char *tier,
    struct backend_traffic *out, struct cl_err *err)
{
	(void)r;
	(void)tier;
	*out = (struct backend_traffic){ .rps = 0 };
	return backend_sim_end(b->ctx, backend_sim_begin(b->ctx, "", "", err));
}

static void sim_line(const struct backend_job *job, const char *text)
{
	if (job != NULL && job->line != NULL)
		job->line(job->arg, text, strlen(text));
}

static int sim_run(struct backend *b, const struct backend_spec *spec,
    const struct backend_job *job, int *status, struct cl_err *err)
{
	struct sim *s = b->ctx;
	int rc = backend_sim_begin(s, "run", spec->name, err);

	*status = s->job_status;
	(void)backend_sim_end(s, 0);
	if (rc == 0)
		sim_line(job, "job output");
	return rc;
}

static int sim_logs(struct backend *b, const char *name, int tail, bool follow,
    const struct backend_job *job, struct cl_err *err)
{
	struct sim *s = b->ctx;
	bool there;
	char text[128];

	if (backend_sim_begin(s, "", "", err) != 0)
		return backend_sim_end(s, -1);
	there = backend_sim_find(s, name) != NULL;
	(void)backend_sim_end(s, 0);
	if (!there)
		return err_set(err, CL_NOT_FOUND, "%s: there is no such container", name);
	for (int i = 1; i <= (tail < 3 ? tail : 3); i++) {
		(void)snprintf(text, sizeof(text), "%s says line %d", name, i);
		sim_line(job, text);
	}
	while (follow && (job->cancelled == NULL || !job->cancelled(job->arg)))
		(void)nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	return 0;
}

static int sim_exec(struct backend *b, const struct backend_exec *e, char *ticket, size_t size,
    struct cl_err *err)
{
	(void)b;
	(void)e;
	if (size > 0)
		ticket[0] = '\0';
	err_set(err, CL_NOT_IMPLEMENTED, "exec: the sim backend runs no programs");
	return err_hint(err, "Use engine.backend local");
}

static int sim_build(struct backend *b, const struct backend_build *spec,
    const struct backend_job *job, char *digest, size_t size, struct cl_err *err)
{
	struct sim *s = b->ctx;
	char tag[32];
	int rc;

	sim_line(job, "building");
	rc = backend_sim_begin(s, "build", spec->id, err);
	(void)snprintf(digest, size, "sha256:%064d", ++s->builds);
	(void)snprintf(tag, sizeof(tag), "op%lld", (long long)spec->op);
	if (rc == 0)
		backend_sim_image_add(s, spec->id, tag, digest, spec->onto);
	(void)backend_sim_end(s, 0);
	if (rc != 0)
		sim_line(job, "SyntaxError: invalid syntax (main.py, line 3)");
	return rc;
}

static int sim_build_file(struct backend *b, const struct backend_file *spec,
    const struct backend_job *job, struct backend_file_made *out, struct cl_err *err)
{
	struct backend_build same = { .project = spec->project, .op = spec->op };

	(void)mem_copy_str(same.id, sizeof(same.id), spec->id);
	(void)mem_copy_str(same.onto, sizeof(same.onto), "base");
	out->port = 0;
	return sim_build(b, &same, job, out->digest, sizeof(out->digest), err);
}

static int sim_image_build(struct backend *b, const char *folder, const char *file, const char *id,
    const struct backend_job *job, struct cl_err *err)
{
	struct sim *s = b->ctx;
	char digest[128];

	(void)folder;
	sim_line(job, file);
	if (backend_sim_begin(s, "image", id, err) != 0)
		return backend_sim_end(s, -1);
	(void)snprintf(digest, sizeof(digest), "sha256:%064d", ++s->builds);
	backend_sim_image_add(s, id, "latest", digest, "");
	return backend_sim_end(s, 0);
}

static int sim_image_list(struct backend *b, struct backend_images *out, struct cl_err *err)
{
	struct sim *s = b->ctx;

	*out = (struct backend_images){ 0 };
	if (backend_sim_begin(s, "", "", err) != 0)
		return backend_sim_end(s, -1);
	out->items = mem_array(s->nimages + 1, sizeof(*out->items));
	for (size_t i = 0; i < s->nimages; i++) {
		out->items[out->n] = s->images[i];
		out->items[out->n].current = !backend_sim_rule_hits(s, SIM_FAIL,
		    "outdated", s->images[i].id);
		if (strchr(s->images[i].id, '/') == NULL)
			out->items[out->n].labels = mem_strdup("{\"base\":\"sim\",\"packages\":\"0\"}");
		out->n++;
	}
	return backend_sim_end(s, 0);
}

static int sim_image_remove(struct backend *b, const char *id, struct cl_err *err)
{
	struct sim *s = b->ctx;

	if (backend_sim_begin(s, "image-rm", id, err) != 0)
		return backend_sim_end(s, -1);
	for (size_t i = 0; i < s->nimages; i++) {
		char name[160];

		(void)snprintf(name, sizeof(name), "%s:%s", s->images[i].id, s->images[i].tag);
		if (strcmp(s->images[i].id, id) == 0 || strcmp(name, id) == 0 ||
		    strcmp(s->images[i].digest, id) == 0) {
			s->images[i] = s->images[--s->nimages];
			break;
		}
	}
	return backend_sim_end(s, 0);
}

/* Of "id", "id:tag" or a digest; "" when there is none. */
static const char *sim_image_digest(struct sim *s, const char *image)
{
	char name[160];

	for (size_t i = 0; i < s->nimages; i++) {
		const struct backend_image *im = &s->images[i];

		(void)snprintf(name, sizeof(name), "%s:%s", im->id, im->tag);
		if (strcmp(image, im->id) == 0 || strcmp(image, name) == 0 ||
		    strcmp(image, im->digest) == 0)
			return im->digest;
	}
	return "";
}

static int sim_image_push(struct backend *b, const char *image, const char *repository,
    const char *tag, const struct backend_job *job, char *digest, size_t size, struct cl_err *err)
{
	struct sim *s = b->ctx;
	struct backend_stored *t = NULL;
	char name[200];

	sim_line(job, "pushing");
	(void)snprintf(name, sizeof(name), "%.100s:%.60s", repository, tag);
	if (backend_sim_begin(s, "push", name, err) != 0)
		return backend_sim_end(s, -1);
	for (size_t i = 0; i < s->stored.n; i++)
		if (strcmp(s->stored.items[i].repository, repository) == 0 &&
		    strcmp(s->stored.items[i].tag, tag) == 0)
			t = &s->stored.items[i];
	if (t == NULL) {
		s->stored.items = mem_resize(s->stored.items, s->stored.n + 1, sizeof(*t));
		t = &s->stored.items[s->stored.n++];
	}
	*t = (struct backend_stored){ .size = 1 << 20, .layers = 1,
		.created_ms = clock_unix_ms() };
	(void)mem_copy_str(t->repository, sizeof(t->repository), repository);
	(void)mem_copy_str(t->tag, sizeof(t->tag), tag);
	(void)mem_copy_str(t->image, sizeof(t->image), sim_image_digest(s, image));
	(void)snprintf(t->digest, sizeof(t->digest), "sha256:f%063d", ++s->builds);
	(void)snprintf(digest, size, "%s", t->digest);
	return backend_sim_end(s, 0);
}

static int sim_image_pull(struct backend *b, const char *repository, const char *digest,
    const char *id, const char *tag, const struct backend_job *job, char *image, size_t size,
    struct cl_err *err)
{
	struct sim *s = b->ctx;

	sim_line(job, "pulling");
	if (backend_sim_begin(s, "pull", repository, err) != 0)
		return backend_sim_end(s, -1);
	for (size_t i = 0; i < s->stored.n; i++)
		if (strcmp(s->stored.items[i].repository, repository) == 0 &&
		    strcmp(s->stored.items[i].digest, digest) == 0) {
			backend_sim_image_add(s, id, tag, s->stored.items[i].image, "");
			(void)snprintf(image, size, "%s", s->stored.items[i].image);
			return backend_sim_end(s, 0);
		}
	return backend_sim_end(s, err_set(err, CL_NOT_FOUND,
	    "pull: it is not in the repository (sim)"));
}

static int sim_stored_list(struct backend *b, struct backend_stored_list *out,
    struct cl_err *err)
{
	struct sim *s = b->ctx;

	*out = (struct backend_stored_list){ 0 };
	if (backend_sim_begin(s, "", "", err) != 0)
		return backend_sim_end(s, -1);
	out->items = mem_array(s->stored.n + 1, sizeof(*out->items));
	for (size_t i = 0; i < s->stored.n; i++)
		out->items[out->n++] = s->stored.items[i];
	return backend_sim_end(s, 0);
}

static int sim_stored_remove(struct backend *b, const char *repository, const char *digest,
    struct cl_err *err)
{
	struct sim *s = b->ctx;

	if (backend_sim_begin(s, "stored-rm", repository, err) != 0)
		return backend_sim_end(s, -1);
	for (size_t i = s->stored.n; i > 0; i--)
		if (strcmp(s->stored.items[i - 1].repository, repository) == 0 &&
		    strcmp(s->stored.items[i - 1].digest, digest) == 0)
			s->stored.items[i - 1] = s->stored.items[--s->stored.n];
	return backend_sim_end(s, 0);
}

static int sim_image_prune(struct backend *b, bool dry, int min_age_s,
    const struct backend_job *job, int64_t *count, int64_t *bytes, struct cl_err *err)
{
	(void)min_age_s;
	(void)job;
	*count = *bytes = 0;
	return backend_sim_end(b->ctx, backend_sim_begin(b->ctx, "prune", dry ? "dry" : "", err));
}

static int sim_stored_gc(struct backend *b, bool dry, const struct backend_job *job,
    int64_t *freed, struct cl_err *err)
{
	*freed = dry ? 0 : 1 << 20;
	sim_line(job, "collecting");
	return backend_sim_end(b->ctx, backend_sim_begin(b->ctx, "gc", dry ? "dry" : "", err));
}

static int sim_volume_remove(struct backend *b, const char *name, struct cl_err *err)
{
	return backend_sim_end(b->ctx, backend_sim_begin(b->ctx, "volume-rm", name, err));
}

static int sim_network_remove(struct backend *b, const char *name, struct cl_err *err)
{
	return backend_sim_end(b->ctx, backend_sim_begin(b->ctx, "network-rm", name, err));
}

static int sim_workspace_create(struct backend *b, int64_t project, uint32_t uid, uint32_t gid,
    const char *template_dir, const struct backend_kv *subst, size_t nsubst, struct cl_err *err)
{
	char name[32];

	(void)uid;
	(void)gid;
	(void)template_dir;
	(void)subst;
	(void)nsubst;
	(void)snprintf(name, sizeof(name), "p%lld", (long long)project);
	return backend_sim_end(b->ctx, backend_sim_begin(b->ctx, "workspace", name, err));
}

static int sim_workspace_remove(struct backend *b, int64_t project, uint32_t uid,
    struct cl_err *err)
{
	char name[32];

	(void)uid;
	(void)snprintf(name, sizeof(name), "p%lld", (long long)project);
	return backend_sim_end(b->ctx, backend_sim_begin(b->ctx, "workspace-rm", name, err));
}

static int sim_workspace_read(struct backend *b, int64_t project, uint32_t uid, const char *name,
    size_t max, struct buf *out, struct cl_err *err)
{
	struct sim *s = b->ctx;

	(void)uid;
	if (backend_sim_begin(s, "", "", err) != 0)
		return backend_sim_end(s, -1);
	for (size_t i = s->nfiles; i > 0; i--) {
		const struct sim_file *f = &s->files[i - 1];

		if (f->project != project || strcmp(f->name, name) != 0)
			continue;
		if (strlen(f->text) > max)
			return backend_sim_end(s, err_set(err, CL_TOO_LARGE, "%s: larger than %zu bytes", name,
			    max));
		return backend_sim_end(s, buf_add_str(out, f->text));
	}
	return backend_sim_end(s, err_set(err, CL_NOT_FOUND, "%s: there is no such file", name));
}

static int sim_import(struct backend *b, const struct backend_import *i,
    const struct backend_job *job, struct backend_imported *out, struct cl_err *err)
{
	char name[32];

	sim_line(job, "importing");
	(void)snprintf(name, sizeof(name), "p%lld", (long long)i->project);
	out->files = 1;
	(void)mem_copy_str(out->top, sizeof(out->top), "main.py\n");
	return backend_sim_end(b->ctx, backend_sim_begin(b->ctx, "import", name, err));
}

static int sim_transfer(struct backend *b, const struct backend_transfer *t, char *ticket,
    size_t size, struct cl_err *err)
{
	(void)b;
	(void)t;
	if (size > 0)
		ticket[0] = '\0';
	err_set(err, CL_NOT_IMPLEMENTED, "transfer: the sim backend has no files");
	return err_hint(err, "Use engine.backend local");
}

static int sim_user_home(struct backend *b, uint32_t uid, bool present, struct cl_err *err)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "u%u", uid);
	return backend_sim_end(b->ctx, backend_sim_begin(b->ctx, present ? "home" : "home-rm", name, err));
}

static int sim_save(struct backend *b, const struct backend_save *v, const struct backend_job *job,
    struct backend_saved *out, struct cl_err *err)
{
	struct sim *s = b->ctx;
	char id[64];

	memset(out, 0, sizeof(*out));
	sim_line(job, "saving");
	if (backend_sim_begin(s, "save", v->name, err) != 0)
		return backend_sim_end(s, -1);
	(void)snprintf(out->dev, sizeof(out->dev), "sha256:%064d", ++s->builds);
	(void)snprintf(out->work, sizeof(out->work), "sha256:%064d", ++s->builds);
	(void)snprintf(id, sizeof(id), "save/%s", v->name);
	backend_sim_image_add(s, id, "latest", out->dev, "");
	(void)snprintf(id, sizeof(id), "work/%s", v->name);
	backend_sim_image_add(s, id, "latest", out->work, "");
	out->report = mem_printf("{\"tree\":\"%064d\",\"image\":\"%s\",\"files\":3,\"bytes\":1000,"
	    "\"written\":100,\"same\":false,\"whole\":%s}", s->builds, out->dev,
	    v->parent[0] != '\0' ? "false" : "true");
	return backend_sim_end(s, 0);
}

static int sim_save_copy(struct backend *b, const struct backend_load *l, const char *name,
    struct cl_err *err)
{
	(void)l;
	return backend_sim_end(b->ctx, backend_sim_begin(b->ctx, "save-copy", name, err));
}

static int sim_load(struct backend *b, const struct backend_load *l, const struct backend_job *job,
    struct cl_err *err)
{
	sim_line(job, "loading");
	return backend_sim_end(b->ctx, backend_sim_begin(b->ctx, "load", l->work, err));
}

static int sim_load_swap(struct backend *b, int64_t project, int64_t op, struct cl_err *err)
{
	char name[32];

	(void)op;
	(void)snprintf(name, sizeof(name), "p%lld", (long long)project);
	return backend_sim_end(b->ctx, backend_sim_begin(b->ctx, "swap", name, err));
}

static int sim_load_drop(struct backend *b, int64_t project, int64_t op, struct cl_err *err)
{
	char name[32];

	(void)op;
	(void)snprintf(name, sizeof(name), "p%lld", (long long)project);
	return backend_sim_end(b->ctx, backend_sim_begin(b->ctx, "drop-load", name, err));
}

static int sim_watch(struct backend *b, void (*cb)(void *arg, const struct backend_change *c),
    backend_cancel_cb *cancelled, void *arg, struct cl_err *err)
{
	struct sim *s = b->ctx;
	uint64_t next;

	(void)pthread_mutex_lock(&s->lock);
	next = s->nchanges;
	while (!cancelled(arg)) {
		struct timespec until;

		if (s->down)
			return backend_sim_end(s, err_set(err, CL_UNAVAILABLE, "sim: scripted to be down"));
		while (next < s->nchanges) {
			struct backend_change c = s->changes[next++ % SIM_CHANGES];

			(void)pthread_mutex_unlock(&s->lock);
			cb(arg, &c);
			(void)pthread_mutex_lock(&s->lock);
		}
		(void)clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 20000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		(void)pthread_cond_timedwait(&s->changed, &s->lock, &until);
	}
	return backend_sim_end(s, 0);
}

const struct backend_ops backend_sim_ops = {
	.name = "sim",
	.open = sim_open,
	.close = sim_close,
	.ping = sim_ping,
	.apply = sim_apply,
	.remove = sim_remove,
	.observe = sim_observe,
	.probe = sim_probe,
	.route_set = sim_route_set,
	.route_unset = sim_route_unset,
	.route_add = sim_route_add,
	.route_drain = sim_route_drain,
	.route_list = sim_route_list,
	.route_stats = sim_route_stats,
	.run = sim_run,
	.logs = sim_logs,
	.exec = sim_exec,
	.build = sim_build,
	.build_file = sim_build_file,
	.image_build = sim_image_build,
	.image_list = sim_image_list,
	.image_remove = sim_image_remove,
	.image_push = sim_image_push,
	.image_pull = sim_image_pull,
	.image_prune = sim_image_prune,
	.stored_list = sim_stored_list,
	.stored_remove = sim_stored_remove,
	.stored_gc = sim_stored_gc,
	.volume_remove = sim_volume_remove,
	.network_remove = sim_network_remove,
	.workspace_create = sim_workspace_create,
	.workspace_remove = sim_workspace_remove,
	.workspace_read = sim_workspace_read,
	.import = sim_import,
	.transfer = sim_transfer,
	.user_home = sim_user_home,
	.save = sim_save,
	.save_copy = sim_save_copy,
	.load = sim_load,
	.load_swap = sim_load_swap,
	.load_drop = sim_load_drop,
	.watch = sim_watch,
};
