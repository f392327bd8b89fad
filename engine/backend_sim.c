/*
 * The in-memory cluster.  One lock around everything; calls that would take time on a real backend
 * return at once, but instances need a look or more to become running, as real ones do.
 */
#include "engine/backend_sim.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "base/mem.h"

#define SIM_RULES 32
#define SIM_ROUTES 512
#define SIM_CHANGES 256

enum sim_what { SIM_FAIL, SIM_CRASH, SIM_UNREADY };

struct sim_rule {
	enum sim_what what;
	char call[16];
	char word[80];
	int count;          /* left; -1 = always */
};

struct sim_instance {
	struct backend_instance seen;
	int looks;          /* observations until it runs */
};

struct sim_route {
	int slot;
	char tier[8];
	char name[80];
	bool served;
};

struct sim_file {
	int64_t project;
	char *name, *text;
};

struct sim {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool kept;          /* made by backend_sim_new() */
	bool down;
	int slow;
	int job_status;
	struct sim_rule rules[SIM_RULES];
	size_t nrules;
	struct sim_instance *items;
	size_t n;
	struct sim_route routes[SIM_ROUTES];
	size_t nroutes;
	bool served[4096][3];   /* by slot and tier: has had a running instance */
	bool out[4096][3];
	struct backend_image *images;
	size_t nimages;
	struct sim_file *files;
	size_t nfiles;
	struct backend_change changes[SIM_CHANGES];
	uint64_t nchanges;
	int builds, addresses, outages;
	struct buf trace;
};

static int sim_begin(struct sim *s, const char *call, const char *name, struct cl_err *err);
static int sim_end(struct sim *s, int rc);
static bool sim_rule_hits(struct sim *s, enum sim_what what, const char *call, const char *name);
static int sim_rule_parse(struct sim *s, const char *rule, size_t n, struct cl_err *err);
static struct sim_instance *sim_find(struct sim *s, const char *name);
static struct sim_instance *sim_find_part(struct sim *s, const char *part);
static void sim_drop(struct sim *s, struct sim_instance *i);
static void sim_change(struct sim *s, const char *name, const char *what, int exit_code);
static void sim_look(struct sim *s, struct sim_instance *i);
static void sim_check_routes(struct sim *s);
static int sim_tier(const char *tier);
static void sim_image_add(struct sim *s, const char *id, const char *parent);

struct sim *backend_sim_new(struct backend *b, const char *script)
{
	struct sim *s = mem_alloc(sizeof(*s));
	struct cl_err err = { 0 };

	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_cond_init(&s->changed, NULL);
	buf_init(&s->trace, (size_t)4 << 20);
	s->kept = true;
	(void)backend_sim_script(s, script != NULL ? script : "", &err);
	b->ops = &backend_sim_ops;
	b->ctx = s;
	return s;
}

void backend_sim_free(struct sim *s)
{
	for (size_t i = 0; i < s->nfiles; i++) {
		mem_free(s->files[i].name);
		mem_free(s->files[i].text);
	}
	mem_free(s->files);
	mem_free(s->items);
	mem_free(s->images);
	buf_clear(&s->trace);
	(void)pthread_cond_destroy(&s->changed);
	(void)pthread_mutex_destroy(&s->lock);
	mem_free(s);
}

int backend_sim_script(struct sim *s, const char *script, struct cl_err *err)
{
	int rc = 0;

	(void)pthread_mutex_lock(&s->lock);
	s->nrules = 0;
	s->down = false;
	s->slow = 1;
	s->job_status = 0;
	while (*script != '\0' && rc == 0) {
		size_t n = strcspn(script, ";");

		rc = sim_rule_parse(s, script, n, err);
		script += n + (script[n] == ';');
	}
	return sim_end(s, rc);
}

int backend_sim_kill(struct sim *s, const char *part, int exit_code)
{
	struct sim_instance *i;

	(void)pthread_mutex_lock(&s->lock);
	i = sim_find_part(s, part);
	if (i != NULL) {
		i->seen.state = BACKEND_EXITED;
		i->seen.exit_code = exit_code;
		sim_change(s, i->seen.name, "die", exit_code);
	}
	return sim_end(s, i != NULL ? 0 : -1);
}

int backend_sim_vanish(struct sim *s, const char *part)
{
	struct sim_instance *i;

	(void)pthread_mutex_lock(&s->lock);
	i = sim_find_part(s, part);
	if (i != NULL) {
		sim_change(s, i->seen.name, "remove", 137);
		sim_drop(s, i);
	}
	return sim_end(s, i != NULL ? 0 : -1);
}

void backend_sim_put_file(struct sim *s, int64_t project, const char *name, const char *text)
{
	(void)pthread_mutex_lock(&s->lock);
	s->files = mem_resize(s->files, s->nfiles + 1, sizeof(*s->files));
	s->files[s->nfiles++] = (struct sim_file){ project, mem_strdup(name), mem_strdup(text) };
	(void)sim_end(s, 0);
}

int backend_sim_count(struct sim *s, const char *part)
{
	int n = 0;

	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->n; i++)
		if (s->items[i].seen.state == BACKEND_RUNNING &&
		    strstr(s->items[i].seen.name, part) != NULL)
			n++;
	return sim_end(s, n);
}

int backend_sim_routed(struct sim *s, int slot, const char *tier)
{
	int n = 0;

	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->nroutes; i++) {
		const struct sim_instance *x = sim_find(s, s->routes[i].name);

		if (s->routes[i].slot == slot && strcmp(s->routes[i].tier, tier) == 0 &&
		    x != NULL && x->seen.state == BACKEND_RUNNING)
			n++;
	}
	return sim_end(s, n);
}

int backend_sim_outages(struct sim *s)
{
	int n;

	(void)pthread_mutex_lock(&s->lock);
	n = s->outages;
	return sim_end(s, n);
}

char *backend_sim_trace(struct sim *s)
{
	char *text;

	(void)pthread_mutex_lock(&s->lock);
	text = mem_strndup(s->trace.data != NULL ? s->trace.data : "", s->trace.len);
	(void)sim_end(s, 0);
	return text;
}

void backend_sim_forget(struct sim *s)
{
	(void)pthread_mutex_lock(&s->lock);
	buf_drop(&s->trace, s->trace.len);
	s->outages = 0;
	(void)sim_end(s, 0);
}

/* --- backend_ops ------------------------------------------------------------------------------ */

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
	return sim_end(b->ctx, sim_begin(b->ctx, "ping", "", err));
}

static int sim_apply(struct backend *b, const struct backend_spec *spec, struct cl_err *err)
{
	struct sim *s = b->ctx;
	struct sim_instance *i;

	if (sim_begin(s, "apply", spec->name, err) != 0)
		return sim_end(s, -1);
	i = sim_find(s, spec->name);
	if (i != NULL && i->seen.state != BACKEND_EXITED)
		return sim_end(s, 0);
	if (i == NULL) {
		s->items = mem_resize(s->items, s->n + 1, sizeof(*s->items));
		i = &s->items[s->n++];
		memset(i, 0, sizeof(*i));
	}
	(void)mem_copy_str(i->seen.name, sizeof(i->seen.name), spec->name);
	(void)mem_copy_str(i->seen.env, sizeof(i->seen.env), spec->env);
	(void)mem_copy_str(i->seen.tier, sizeof(i->seen.tier), spec->tier);
	(void)mem_copy_str(i->seen.image, sizeof(i->seen.image), spec->image);
	i->seen.project = spec->project;
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
	sim_change(s, spec->name, "start", 0);
	return sim_end(s, 0);
}

static int sim_remove(struct backend *b, const char *name, int grace_s, struct cl_err *err)
{
	struct sim *s = b->ctx;
	struct sim_instance *i;

	(void)grace_s;
	if (sim_begin(s, "remove", name, err) != 0)
		return sim_end(s, -1);
	i = sim_find(s, name);
	if (i != NULL) {
		sim_change(s, name, "die", 143);
		sim_drop(s, i);
	}
	return sim_end(s, 0);
}

static int sim_observe(struct backend *b, int64_t project, bool with_stats,
    struct backend_list *out, struct cl_err *err)
{
	struct sim *s = b->ctx;

	out->items = NULL;
	out->n = 0;
	if (sim_begin(s, "observe", "", err) != 0)
		return sim_end(s, -1);
	out->items = mem_array(s->n + 1, sizeof(*out->items));
	for (size_t i = 0; i < s->n; i++) {
		struct sim_instance *x = &s->items[i];

		if (project != 0 && x->seen.project != project)
			continue;
		sim_look(s, x);
		out->items[out->n] = x->seen;
		if (with_stats && x->seen.state == BACKEND_RUNNING) {
			out->items[out->n].cpu = 1.5;
			out->items[out->n].memory = INT64_C(20) << 20;
		}
		out->n++;
	}
	return sim_end(s, 0);
}

static int sim_probe(struct backend *b, const struct backend_instance *i, int port,
    const char *path, struct cl_err *err)
{
	struct sim *s = b->ctx;
	const struct sim_instance *x;

	if (sim_begin(s, "probe", i->name, err) != 0)
		return sim_end(s, -1);
	x = sim_find(s, i->name);
	if (x == NULL || x->seen.state != BACKEND_RUNNING)
		return sim_end(s, err_set(err, CL_UNAVAILABLE, "%s: not running", i->name));
	if (sim_rule_hits(s, SIM_UNREADY, "", i->name))
		return sim_end(s, err_set(err, CL_UNAVAILABLE, "GET :%d%s: answered 500", port, path));
	return sim_end(s, 0);
}

static int sim_route_set(struct backend *b, const struct backend_route *r, struct cl_err *err)
{
	return sim_end(b->ctx, sim_begin(b->ctx, "route", r->host, err));
}

static int sim_route_unset(struct backend *b, const struct backend_route *r, struct cl_err *err)
{
	struct sim *s = b->ctx;

	if (sim_begin(s, "unroute", r->host, err) != 0)
		return sim_end(s, -1);
	for (size_t i = s->nroutes; i > 0; i--)
		if (s->routes[i - 1].slot == r->slot)
			s->routes[i - 1] = s->routes[--s->nroutes];
	memset(s->served[r->slot], 0, sizeof(s->served[r->slot]));
	return sim_end(s, 0);
}

static int sim_route_add(struct backend *b, const struct backend_route *r, const char *tier,
    const char *name, const char *address, int port, struct cl_err *err)
{
	struct sim *s = b->ctx;

	(void)port;
	if (sim_begin(s, "add", name, err) != 0)
		return sim_end(s, -1);
	if (address[0] == '\0' || sim_tier(tier) < 0)
		return sim_end(s, err_set(err, CL_FAILED, "edge: %s has no address", name));
	for (size_t i = 0; i < s->nroutes; i++)
		if (s->routes[i].slot == r->slot && strcmp(s->routes[i].name, name) == 0)
			return sim_end(s, 0);
	if (s->nroutes == SIM_ROUTES)
		return sim_end(s, err_set(err, CL_FAILED, "edge: full"));
	s->routes[s->nroutes].slot = r->slot;
	(void)mem_copy_str(s->routes[s->nroutes].tier, sizeof(s->routes[0].tier), tier);
	(void)mem_copy_str(s->routes[s->nroutes].name, sizeof(s->routes[0].name), name);
	s->nroutes++;
	return sim_end(s, 0);
}

static int sim_route_drain(struct backend *b, const struct backend_route *r, const char *tier,
    const char *name, int timeout_s, struct cl_err *err)
{
	struct sim *s = b->ctx;

	(void)tier;
	if (sim_begin(s, timeout_s > 0 ? "drain" : "drop", name, err) != 0)
		return sim_end(s, -1);
	for (size_t i = 0; i < s->nroutes; i++)
		if (s->routes[i].slot == r->slot && strcmp(s->routes[i].name, name) == 0) {
			s->routes[i] = s->routes[--s->nroutes];
			break;
		}
	return sim_end(s, 0);
}

static int sim_route_list(struct backend *b, const struct backend_route *r, const char *tier,
    struct buf *out, struct cl_err *err)
{
	struct sim *s = b->ctx;

	if (sim_begin(s, "", "", err) != 0)
		return sim_end(s, -1);
	for (size_t i = 0; i < s->nroutes; i++)
		if (s->routes[i].slot == r->slot && strcmp(s->routes[i].tier, tier) == 0)
			(void)buf_printf(out, "%s\n", s->routes[i].name);
	return sim_end(s, 0);
}

static int sim_route_stats(struct backend *b, const struct backend_route *r, const char *tier,
    struct backend_traffic *out, struct cl_err *err)
{
	(void)r;
	(void)tier;
	*out = (struct backend_traffic){ .rps = 0 };
	return sim_end(b->ctx, sim_begin(b->ctx, "", "", err));
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
	int rc = sim_begin(s, "run", spec->name, err);

	*status = s->job_status;
	(void)sim_end(s, 0);
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

	if (sim_begin(s, "", "", err) != 0)
		return sim_end(s, -1);
	there = sim_find(s, name) != NULL;
	(void)sim_end(s, 0);
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
	int rc;

	sim_line(job, "building");
	rc = sim_begin(s, "build", spec->id, err);
	(void)snprintf(digest, size, "sha256:%064d", ++s->builds);
	if (rc == 0)
		sim_image_add(s, spec->id, spec->onto);
	(void)sim_end(s, 0);
	if (rc != 0)
		sim_line(job, "SyntaxError: invalid syntax (main.py, line 3)");
	return rc;
}

static int sim_image_build(struct backend *b, const char *folder, const char *file, const char *id,
    const struct backend_job *job, struct cl_err *err)
{
	struct sim *s = b->ctx;

	(void)folder;
	sim_line(job, file);
	if (sim_begin(s, "image", id, err) != 0)
		return sim_end(s, -1);
	sim_image_add(s, id, "");
	return sim_end(s, 0);
}

static int sim_image_list(struct backend *b, struct backend_images *out, struct cl_err *err)
{
	struct sim *s = b->ctx;

	*out = (struct backend_images){ 0 };
	if (sim_begin(s, "", "", err) != 0)
		return sim_end(s, -1);
	out->items = mem_array(s->nimages + 1, sizeof(*out->items));
	for (size_t i = 0; i < s->nimages; i++)
		out->items[out->n++] = s->images[i];
	return sim_end(s, 0);
}

static int sim_image_remove(struct backend *b, const char *id, struct cl_err *err)
{
	struct sim *s = b->ctx;

	if (sim_begin(s, "image-rm", id, err) != 0)
		return sim_end(s, -1);
	for (size_t i = 0; i < s->nimages; i++)
		if (strcmp(s->images[i].id, id) == 0) {
			s->images[i] = s->images[--s->nimages];
			break;
		}
	return sim_end(s, 0);
}

static int sim_volume_remove(struct backend *b, const char *name, struct cl_err *err)
{
	return sim_end(b->ctx, sim_begin(b->ctx, "volume-rm", name, err));
}

static int sim_network_remove(struct backend *b, const char *name, struct cl_err *err)
{
	return sim_end(b->ctx, sim_begin(b->ctx, "network-rm", name, err));
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
	return sim_end(b->ctx, sim_begin(b->ctx, "workspace", name, err));
}

static int sim_workspace_remove(struct backend *b, int64_t project, uint32_t uid,
    struct cl_err *err)
{
	char name[32];

	(void)uid;
	(void)snprintf(name, sizeof(name), "p%lld", (long long)project);
	return sim_end(b->ctx, sim_begin(b->ctx, "workspace-rm", name, err));
}

static int sim_workspace_read(struct backend *b, int64_t project, uint32_t uid, const char *name,
    size_t max, struct buf *out, struct cl_err *err)
{
	struct sim *s = b->ctx;

	(void)uid;
	if (sim_begin(s, "", "", err) != 0)
		return sim_end(s, -1);
	for (size_t i = s->nfiles; i > 0; i--) {
		const struct sim_file *f = &s->files[i - 1];

		if (f->project != project || strcmp(f->name, name) != 0)
			continue;
		if (strlen(f->text) > max)
			return sim_end(s, err_set(err, CL_TOO_LARGE, "%s: larger than %zu bytes", name,
			    max));
		return sim_end(s, buf_add_str(out, f->text));
	}
	return sim_end(s, err_set(err, CL_NOT_FOUND, "%s: there is no such file", name));
}

static int sim_user_home(struct backend *b, uint32_t uid, bool present, struct cl_err *err)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "u%u", uid);
	return sim_end(b->ctx, sim_begin(b->ctx, present ? "home" : "home-rm", name, err));
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
			return sim_end(s, err_set(err, CL_UNAVAILABLE, "sim: scripted to be down"));
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
	return sim_end(s, 0);
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
	.image_build = sim_image_build,
	.image_list = sim_image_list,
	.image_remove = sim_image_remove,
	.volume_remove = sim_volume_remove,
	.network_remove = sim_network_remove,
	.workspace_create = sim_workspace_create,
	.workspace_remove = sim_workspace_remove,
	.workspace_read = sim_workspace_read,
	.user_home = sim_user_home,
	.watch = sim_watch,
};

/* --- helpers ---------------------------------------------------------------------------------- */

/* Takes the lock, notes the call, applies the scripted failures.  sim_end() in any case. */
static int sim_begin(struct sim *s, const char *call, const char *name, struct cl_err *err)
{
	(void)pthread_mutex_lock(&s->lock);
	if (call[0] != '\0' && strcmp(call, "observe") != 0 && strcmp(call, "ping") != 0)
		(void)buf_printf(&s->trace, "%s %s\n", call, name);
	if (s->down) {
		err_set(err, CL_UNAVAILABLE, "sim: scripted to be down");
		return err_hint(err, "Take `down` out of the script");
	}
	if (call[0] != '\0' && sim_rule_hits(s, SIM_FAIL, call, name))
		return err_set(err, CL_FAILED, "sim: %s %s: scripted to fail", call, name);
	return 0;
}

static int sim_end(struct sim *s, int rc)
{
	sim_check_routes(s);
	(void)pthread_mutex_unlock(&s->lock);
	return rc;
}

static bool sim_rule_hits(struct sim *s, enum sim_what what, const char *call, const char *name)
{
	for (size_t i = 0; i < s->nrules; i++) {
		struct sim_rule *r = &s->rules[i];

		if (r->what != what || r->count == 0 || strstr(name, r->word) == NULL ||
		    (what == SIM_FAIL && strcmp(r->call, call) != 0))
			continue;
		if (r->count > 0)
			r->count--;
		return true;
	}
	return false;
}

static int sim_rule_parse(struct sim *s, const char *rule, size_t n, struct cl_err *err)
{
	char words[4][80] = { "" };
	int nwords = 0, count;
	struct sim_rule *r;

	while (n > 0 && nwords < 4) {
		size_t skip = strspn(rule, " "), len = strcspn(rule + skip, " ;");

		if (skip >= n)
			break;
		if (len > 79)
			len = 79;
		memcpy(words[nwords++], rule + skip, len);
		rule += skip + len;
		n -= skip + len < n ? skip + len : n;
	}
	if (nwords == 0)
		return 0;
	if (strcmp(words[0], "down") == 0) {
		s->down = true;
		return 0;
	}
	if (strcmp(words[0], "slow") == 0 || strcmp(words[0], "job") == 0) {
		*(words[0][0] == 's' ? &s->slow : &s->job_status) =
		    (int)strtol(words[1], NULL, 10);
		return 0;
	}
	if (s->nrules == SIM_RULES)
		return err_set(err, CL_USAGE, "sim: more than %d rules", SIM_RULES);
	r = &s->rules[s->nrules];
	memset(r, 0, sizeof(*r));
	if (strcmp(words[0], "fail") == 0) {
		r->what = SIM_FAIL;
		(void)mem_copy_str(r->call, sizeof(r->call), words[1]);
		(void)mem_copy_str(r->word, sizeof(r->word), words[2]);
		count = (int)strtol(words[3], NULL, 10);
	} else if (strcmp(words[0], "crash") == 0 || strcmp(words[0], "unready") == 0) {
		r->what = words[0][0] == 'c' ? SIM_CRASH : SIM_UNREADY;
		(void)mem_copy_str(r->word, sizeof(r->word), words[1]);
		count = (int)strtol(words[2], NULL, 10);
	} else {
		return err_set(err, CL_USAGE, "sim: %s: there is no such rule", words[0]);
	}
	r->count = count > 0 ? count : -1;
	s->nrules++;
	return 0;
}

static struct sim_instance *sim_find(struct sim *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->items[i].seen.name, name) == 0)
			return &s->items[i];
	return NULL;
}

static struct sim_instance *sim_find_part(struct sim *s, const char *part)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->items[i].seen.state != BACKEND_EXITED &&
		    strstr(s->items[i].seen.name, part) != NULL)
			return &s->items[i];
	return NULL;
}

static void sim_drop(struct sim *s, struct sim_instance *i)
{
	*i = s->items[--s->n];
}

static void sim_change(struct sim *s, const char *name, const char *what, int exit_code)
{
	struct backend_change *c = &s->changes[s->nchanges++ % SIM_CHANGES];

	(void)mem_copy_str(c->name, sizeof(c->name), name);
	(void)mem_copy_str(c->what, sizeof(c->what), what);
	c->exit_code = exit_code;
	(void)pthread_cond_broadcast(&s->changed);
}

/* One observation brings a starting instance nearer to running. */
static void sim_look(struct sim *s, struct sim_instance *i)
{
	if (i->seen.state != BACKEND_STARTING || i->looks-- > 1)
		return;
	if (sim_rule_hits(s, SIM_CRASH, "", i->seen.name)) {
		i->seen.state = BACKEND_EXITED;
		i->seen.exit_code = 3;
		sim_change(s, i->seen.name, "die", 3);
		return;
	}
	i->seen.state = BACKEND_RUNNING;
}

/* Counts each time when a route that had a running instance is left without. */
static void sim_check_routes(struct sim *s)
{
	bool now[4096][3];

	memset(now, 0, sizeof(now));
	for (size_t i = 0; i < s->nroutes; i++) {
		const struct sim_instance *x = sim_find(s, s->routes[i].name);

		if (x != NULL && x->seen.state == BACKEND_RUNNING)
			now[s->routes[i].slot][sim_tier(s->routes[i].tier)] = true;
	}
	for (int slot = 0; slot < 4096; slot++)
		for (int t = 0; t < 3; t++) {
			if (s->served[slot][t] && !now[slot][t] && !s->out[slot][t])
				s->outages++;
			s->out[slot][t] = s->served[slot][t] && !now[slot][t];
			s->served[slot][t] = s->served[slot][t] || now[slot][t];
		}
}

static int sim_tier(const char *tier)
{
	if (strcmp(tier, "web") == 0)
		return 0;
	return strcmp(tier, "was") == 0 ? 1 : -1;
}

static void sim_image_add(struct sim *s, const char *id, const char *parent)
{
	struct backend_image *im = NULL;

	for (size_t i = 0; i < s->nimages; i++)
		if (strcmp(s->images[i].id, id) == 0)
			im = &s->images[i];
	if (im == NULL) {
		s->images = mem_resize(s->images, s->nimages + 1, sizeof(*s->images));
		im = &s->images[s->nimages++];
	}
	memset(im, 0, sizeof(*im));
	(void)mem_copy_str(im->id, sizeof(im->id), id);
	(void)mem_copy_str(im->parent, sizeof(im->parent), parent);
	(void)snprintf(im->digest, sizeof(im->digest), "sha256:%064d", ++s->builds);
	im->size = 1 << 20;
	im->created_ms = clock_unix_ms();
}
