/*
 * One pass over the instructions.  A stage is a container (op31-s0 ...) that lives until the end; FROM of an
 * earlier stage takes that one's image, COPY --from carries files over a volume of the build's.
 */
#include "engine/local_file.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/broker/broker_proto.h"
#include "images/dockerfile.h"
#include "images/field.h"

#define COPY "/run/codinglab-copy" /* engine/broker/stage.h */
#define SOURCE "/run/codinglab-src"
#define SHARE "/run/codinglab-share"
#define IGNORE "--ignore=.dockerignore"
#define TEXT 9000

struct build {
	struct local_link *link;
	const struct backend_file *s;
	const struct backend_job *job;
	int64_t deadline;
	struct dockerfile file;
	struct dockerfile_vars globals;
	struct dockerfile_stage stages[DOCKERFILE_STAGES];
	bool named[DOCKERFILE_STAGES]; /* by a FROM, else only by COPY --from=IMAGE */
	int n;                         /* stages begun; the last FROM's is `now` */
	int now;
	const struct dockerfile_step *step;
};

struct answer {
	struct dockerfile_image *image;
	char *digest; /* 128 */
	int status;
};

/* -- requests -- */

static char **get_list(struct ipc_in *m)
{
	uint32_t n = (uint32_t)ipc_get_range(m, 0, BROKER_ARGS);
	char **list = mem_array(n + 1, sizeof(*list)), *text = mem_alloc(IPC_MAX);

	for (uint32_t i = 0; i < n && !m->bad; i++) {
		ipc_get_str(m, text, IPC_MAX);
		list[i] = mem_strdup(text);
	}
	mem_free(text);
	return list;
}

static void begun_cb(void *arg, struct ipc_in *m)
{
	struct dockerfile_image *i = ((struct answer *)arg)->image;
	char **env = get_list(m);

	for (size_t k = 0; env[k] != NULL; k++) {
		char *eq = strchr(env[k], '=');

		if (eq != NULL) {
			*eq = '\0';
			(void)dockerfile_vars_set(&i->env, env[k], eq + 1);
		}
	}
	field_free_argv(env);
	i->entrypoint = get_list(m);
	i->cmd = get_list(m);
	ipc_get_str(m, i->user, sizeof(i->user));
	ipc_get_str(m, i->workdir, sizeof(i->workdir));
	i->port = (int)ipc_get_range(m, 0, 65535);
}

static void status_cb(void *arg, struct ipc_in *m)
{
	((struct answer *)arg)->status = ipc_get_i32(m);
}

static void digest_cb(void *arg, struct ipc_in *m)
{
	ipc_get_str(m, ((struct answer *)arg)->digest, 128);
}

static int ask(struct build *b, struct ipc_out *m, struct answer *a, local_link_ok_cb *ok,
    struct cl_err *err)
{
	struct local_link_call call = {.ok = ok, .arg = a, .job = b->job};

	return local_link_ask(b->link, m, &call, err);
}

static void put_argv(struct ipc_out *m, char *const *argv)
{
	uint32_t n = 0;

	while (argv != NULL && argv[n] != NULL)
		n++;
	ipc_put_u32(m, n);
	for (uint32_t i = 0; i < n; i++)
		ipc_put_str(m, argv[i]);
}

static void put_vars(struct ipc_out *m, const struct dockerfile_vars *a, const struct dockerfile_vars *b)
{
	ipc_put_u32(m, (uint32_t)(a->n + (b != NULL ? b->n : 0)));
	for (size_t i = 0; i < a->n; i++) {
		ipc_put_str(m, a->items[i].name);
		ipc_put_str(m, a->items[i].value);
	}
	for (size_t i = 0; b != NULL && i < b->n; i++) {
		ipc_put_str(m, b->items[i].name);
		ipc_put_str(m, b->items[i].value);
	}
}

static struct ipc_out *stage_message(const struct build *b, uint32_t verb, int n)
{
	struct ipc_out *m = local_link_begin(verb);

	ipc_put_i64(m, b->s->project);
	ipc_put_i64(m, b->s->op);
	ipc_put_i32(m, n);
	return m;
}

static void say(const struct build *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(const struct build *b, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = mem_vprintf(fmt, ap);
	va_end(ap);
	if (b->job->line != NULL)
		b->job->line(b->job->arg, text, strlen(text) < TEXT ? strlen(text) : TEXT);
	mem_free(text);
}

static int fail(const struct build *b, struct cl_err *err, const char *what, const char *why)
{
	return err_set(err, CL_USAGE, "Containerfile line %d: %s: %s", b->step->line, what, why);
}

/* -- stages -- */

static bool is_number(const char *s)
{
	return s[0] != '\0' && strspn(s, "0123456789") == strlen(s) && strlen(s) < 4;
}

/* An earlier stage by its name or number; -1 when there is none. */
static int find_stage(const struct build *b, const char *name)
{
	int number = 0;

	for (int i = 0; i < b->n; i++) {
		if (!b->named[i])
			continue;
		if (strcasecmp(b->stages[i].name, name) == 0 && name[0] != '\0')
			return i;
		if (is_number(name) && strtol(name, NULL, 10) == number)
			return i;
		number++;
	}
	return -1;
}

/* "python", "codinglab/python:latest", "localhost/codinglab/python": one of the lab's; "" when it is not. */
static void lab_image(const struct build *b, const char *name, char *out, size_t size)
{
	char text[256];
	char *colon;

	if (strncmp(name, "localhost/", 10) == 0)
		name += 10;
	if (strncmp(name, "codinglab/", 10) == 0)
		name += 10;
	out[0] = '\0';
	if (mem_copy_str(text, sizeof(text), name) != 0)
		return;
	colon = strrchr(text, ':');
	if (colon != NULL && strcmp(colon, ":latest") == 0)
		*colon = '\0';
	if (strcmp(text, "scratch") == 0)
		(void)mem_copy_str(out, size, text);
	for (size_t i = 0; b->s->images != NULL && b->s->images[i] != NULL; i++)
		if (strcmp(b->s->images[i], text) == 0)
			(void)mem_copy_str(out, size, text);
}

static int commit(struct build *b, int n, bool last, char digest[128], struct cl_err *err)
{
	const struct dockerfile_image *i = &b->stages[n].image;
	struct ipc_out *m = local_link_begin(BROKER_STAGE_COMMIT);
	struct answer a = {.digest = digest};
	struct dockerfile_vars labels = {0};
	char tag[64];

	(void)snprintf(tag, sizeof(tag), last ? "op%lld" : "op%lld-s%d", (long long)b->s->op, n);
	ipc_put_i64(m, b->s->op);
	ipc_put_i32(m, n);
	ipc_put_str(m, b->s->id);
	ipc_put_str(m, tag);
	ipc_put_str(m, i->workdir);
	ipc_put_i32(m, i->port);
	put_argv(m, i->entrypoint);
	put_argv(m, i->cmd);
	put_vars(m, &i->env, NULL);
	for (size_t k = 0; k < i->labels.n && labels.n < BROKER_LABELS - 4; k++) {
		const char *name = i->labels.items[k].name, *value = i->labels.items[k].value;

		if (strncmp(name, "codinglab.", 10) != 0 && strlen(name) < 64 && strchr(value, '\n') == NULL &&
		    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == strlen(name))
			(void)dockerfile_vars_set(&labels, name, value);
	}
	put_vars(m, &labels, NULL);
	dockerfile_vars_clear(&labels);
	return ask(b, m, &a, digest_cb, err);
}

/* A container of this image, which is as FROM or --from has it. */
static int begin(struct build *b, const char *image, const char *name, bool named, struct cl_err *err)
{
	char use[256], digest[128];
	int from = find_stage(b, image), n = b->n;
	struct answer a = {.image = &b->stages[n].image};
	struct ipc_out *m;
	bool pull = false;

	if (n == DOCKERFILE_STAGES)
		return fail(b, err, image, "more than 16 stages");
	if (from >= 0 && commit(b, from, false, digest, err) < 0)
		return -1;
	lab_image(b, image, use, sizeof(use));
	if (from >= 0) {
		(void)mem_copy_str(use, sizeof(use), digest);
	} else if (use[0] == '\0' && b->s->any && strchr(image, '/') != NULL) {
		pull = true;
		(void)mem_copy_str(use, sizeof(use), image);
	} else if (use[0] == '\0') {
		err_set(err, CL_FORBIDDEN, "Containerfile line %d: FROM %.100s: not an image of this lab",
		    b->step->line, image);
		return err_hint(err, b->s->any ? "An image of elsewhere is named with its registry's host" :
		    "`image ls` lists them (python, node, base ...); an operator allows others by build.from");
	}
	m = stage_message(b, BROKER_STAGE_BEGIN, n);
	ipc_put_str(m, use);
	ipc_put_u32(m, pull);
	ipc_put_i64(m, b->s->memory);
	dockerfile_begin(&b->stages[n]);
	(void)mem_copy_str(b->stages[n].name, sizeof(b->stages[n].name), name);
	b->named[n] = named;
	b->n++;
	return ask(b, m, &a, begun_cb, err);
}

/* -- steps -- */

static int run_in(struct build *b, int n, char *const *argv, bool as_user, struct cl_err *err)
{
	const struct dockerfile_stage *st = &b->stages[n];
	struct ipc_out *m = stage_message(b, BROKER_STAGE_RUN, n);
	struct answer a = {0};
	int64_t left = (b->deadline - clock_ms()) / 1000;

	put_argv(m, argv);
	if (as_user)
		put_vars(m, &st->image.env, &st->args);
	else
		ipc_put_u32(m, 0);
	ipc_put_str(m, as_user ? st->image.user : "0:0");
	ipc_put_str(m, as_user ? st->image.workdir : "/");
	ipc_put_i32(m, left > 1 ? (int)left : 1);
	if (ask(b, m, &a, status_cb, err) < 0)
		return -1;
	if (a.status == 0)
		return 0;
	return err_set(err, CL_FAILED, "Containerfile line %d: %s ended with status %d", b->step->line,
	    b->step->keyword, a.status);
}

/* codinglab-copy with these sources and destination. */
static int copy_in(struct build *b, int n, const char *mode, const char *root,
    const struct dockerfile_act *act, const char *dest, struct cl_err *err)
{
	char *argv[DOCKERFILE_WORDS + 8], chown[160], chmod[32];
	size_t k = 0;
	bool keep = strcmp(mode, "keep") == 0;

	(void)snprintf(chown, sizeof(chown), "--chown=%s", act->chown);
	(void)snprintf(chmod, sizeof(chmod), "--chmod=%s", act->chmod);
	argv[k++] = (char *)COPY;
	argv[k++] = (char *)(uintptr_t)mode;
	argv[k++] = (char *)(uintptr_t)root;
	if (act->chown[0] != '\0' && !keep)
		argv[k++] = chown;
	if (act->chmod[0] != '\0' && !keep)
		argv[k++] = chmod;
	if (strcmp(root, SOURCE) == 0)
		argv[k++] = (char *)IGNORE;
	for (size_t i = 0; act->argv[i + 1] != NULL; i++)
		argv[k++] = act->argv[i];
	argv[k++] = (char *)(uintptr_t)dest;
	argv[k] = NULL;
	if (k > BROKER_ARGS)
		return fail(b, err, b->step->keyword, "too many words");
	return run_in(b, n, argv, false, err);
}

static int copy(struct build *b, const struct dockerfile_act *act, struct cl_err *err)
{
	const char *dest = act->argv[0];
	char shared[128];
	int from, now = b->now;

	for (size_t i = 0; act->argv[i] != NULL; i++)
		dest = act->argv[i];
	if (act->from[0] == '\0')
		return copy_in(b, now, "copy", SOURCE, act, dest, err);
	from = find_stage(b, act->from);
	if (from == now)
		return fail(b, err, "COPY --from", "a stage cannot copy from itself");
	if (from < 0) {
		if (begin(b, act->from, "", false, err) < 0)
			return -1;
		from = b->n - 1;
	}
	(void)snprintf(shared, sizeof(shared), SHARE "/%d", b->step->line);
	if (copy_in(b, from, "keep", "/", act, shared, err) < 0)
		return -1;
	return copy_in(b, now, "copy", shared, act, dest, err);
}

static int folder(struct build *b, struct cl_err *err)
{
	struct dockerfile_image *i = &b->stages[b->now].image;
	char *argv[] = {(char *)COPY, (char *)"folder", i->workdir, (char *)"0", NULL};

	return run_in(b, b->now, argv, false, err);
}

static int apply(struct build *b, struct cl_err *err)
{
	struct dockerfile_act act;
	int rc = dockerfile_apply(&b->stages[b->now], &b->globals, b->step, &act, err);

	if (rc == 0 && act.note[0] != '\0')
		say(b, "%s", act.note);
	if (rc == 0 && act.kind == DOCKERFILE_RUN)
		rc = run_in(b, b->now, act.argv, true, err);
	else if (rc == 0 && act.kind == DOCKERFILE_COPY)
		rc = copy(b, &act, err);
	else if (rc == 0 && act.kind == DOCKERFILE_FOLDER)
		rc = folder(b, err);
	dockerfile_act_clear(&act);
	return rc;
}

static int step(struct build *b, struct cl_err *err)
{
	char image[256], name[64];

	say(b, "line %d: %s %s", b->step->line, b->step->keyword, b->step->text);
	if (strcmp(b->step->keyword, "FROM") == 0) {
		if (dockerfile_from(b->step, &b->globals, image, sizeof(image), name, sizeof(name), err) != 0 ||
		    begin(b, image, name, true, err) < 0)
			return -1;
		b->now = b->n - 1;
		return 0;
	}
	if (b->n == 0)
		return dockerfile_global(&b->globals, b->step, err);
	return apply(b, err);
}

static int finish(struct build *b, struct backend_file_made *out, struct cl_err *err)
{
	const struct dockerfile_image *i = &b->stages[b->now].image;
	const char *port = dockerfile_vars_get(&i->env, "PORT");

	if (b->n == 0)
		return err_set(err, CL_USAGE, "Containerfile: it has no FROM");
	if ((i->cmd == NULL || i->cmd[0] == NULL) && (i->entrypoint == NULL || i->entrypoint[0] == NULL))
		return err_set(err, CL_USAGE, "Containerfile: neither CMD nor ENTRYPOINT says what to run");
	out->port = i->port;
	if (out->port == 0 && port != NULL && strspn(port, "0123456789") == strlen(port) && strlen(port) < 6)
		out->port = (int)strtol(port, NULL, 10) & 65535;
	return commit(b, b->now, true, out->digest, err);
}

static void end(struct build *b)
{
	struct ipc_out *m = local_link_begin(BROKER_STAGE_END);
	struct local_link_call call = {0};
	struct cl_err err = {0};

	ipc_put_i64(m, b->s->project);
	ipc_put_i64(m, b->s->op);
	(void)local_link_ask(b->link, m, &call, &err);
	for (int i = 0; i < b->n; i++)
		dockerfile_end(&b->stages[i]);
	dockerfile_vars_clear(&b->globals);
	dockerfile_clear(&b->file);
	mem_free(b);
}

int local_file_build(struct local_link *link, const struct backend_file *s, const struct backend_job *job,
    struct backend_file_made *out, struct cl_err *err)
{
	struct build *b = mem_alloc(sizeof(*b));
	int rc;

	b->link = link;
	b->s = s;
	b->job = job;
	b->deadline = clock_ms() + job->timeout_s * INT64_C(1000);
	rc = dockerfile_parse(&b->file, s->text, s->len, err);
	for (size_t i = 0; rc == 0 && i < b->file.n; i++) {
		b->step = &b->file.steps[i];
		if (clock_ms() >= b->deadline)
			rc = err_set(err, CL_TIMEOUT, "build: not done after %d s", job->timeout_s);
		else
			rc = step(b, err);
	}
	if (rc == 0)
		rc = finish(b, out, err);
	end(b);
	return rc;
}
