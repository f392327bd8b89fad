/* Application images: see build.h. */
#include "engine/broker/build.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "engine/broker/check.h"
#include "engine/broker/commit.h"
#include "engine/broker/container.h"
#include "engine/broker/files.h"
#include "engine/broker/reach.h"
#include "engine/broker/run.h"

#define MEMORY_DEFAULT (1LL << 30)

/* Everything but the repository; then the build's own command in /app. */
static const char build_script[] =
    "umask 022; cd /src && find . -mindepth 1 -maxdepth 1 ! -name .git -exec cp -a -t /app -- {} +"
    " && cd /app && { [ $# -eq 0 ] || \"$@\"; }";
/* The program will run as another user, who must read it and must not change it. */
static const char copy_script[] =
    "cd /src && find . -mindepth 1 -maxdepth 1 -exec cp -a -t /app -- {} + && cd /app &&"
    " find . -mindepth 1 ! -type l -exec chmod a+rX,go-w -- {} +";

int build_read(struct build *s, struct ipc_in *m, struct cl_err *err)
{
	memset(s, 0, sizeof(*s));
	ipc_get_str(m, s->id, sizeof(s->id));
	s->project = spec_read_wide(m, 1, CHECK_ID_MAX);
	s->op = spec_read_wide(m, 1, INT32_MAX);
	ipc_get_str(m, s->from, sizeof(s->from));
	ipc_get_str(m, s->onto, sizeof(s->onto));
	if (spec_read_argv(&s->build, m, err) < 0 || spec_read_argv(&s->cmd, m, err) < 0)
		return -1;
	s->uid = (uint32_t)ipc_get_range(m, CHECK_UID_MIN, CHECK_UID_MAX);
	s->gid = (uint32_t)ipc_get_range(m, CHECK_UID_MIN, CHECK_UID_MAX);
	if (spec_read_vars(&s->labels, BROKER_LABELS, m, err) < 0)
		return -1;
	s->memory = spec_read_wide(m, 0, 1LL << 42);
	s->timeout_s = (int)ipc_get_range(m, 0, 86400);
	if (m->bad)
		return err_set(err, CL_USAGE, "build: a number is out of range");
	/* Only applications are made this way: an id with a part before it. */
	if (!check_image_id(s->id) || !strchr(s->id, '/'))
		return err_set(err, CL_USAGE, "build: id: not allowed");
	if (!check_image(s->from) || !check_image(s->onto))
		return err_set(err, CL_USAGE, "build: image: not allowed");
	for (size_t i = 0; i < s->labels.n; i++)
		if (!check_label(s->labels.items[i].name) || !check_text(s->labels.items[i].value) ||
		    strchr(s->labels.items[i].value, '\n'))
			return err_set(err, CL_USAGE, "build: label: not allowed");
	return 0;
}

void build_clear(struct build *s)
{
	spec_clear_argv(&s->build);
	spec_clear_argv(&s->cmd);
	spec_clear_vars(&s->labels);
}

static void step_name(int64_t op, const char *step, char *out, size_t size)
{
	snprintf(out, size, "op%lld-%s", (long long)op, step);
}

/* What both containers share. */
static void step_spec(const struct build *s, const char *step, const char *image, struct spec *c)
{
	memset(c, 0, sizeof(*c));
	step_name(s->op, step, c->name, sizeof(c->name));
	c->project = s->project;
	mem_copy_str(c->env, sizeof(c->env), "job");
	mem_copy_str(c->tier, sizeof(c->tier), "job");
	mem_copy_str(c->image, sizeof(c->image), image);
	mem_copy_str(c->hostname, sizeof(c->hostname), step);
	c->n = 1;
	c->uid = s->uid;
	c->gid = s->gid;
	c->memory = s->memory ? s->memory : MEMORY_DEFAULT;
	c->pids = 512;
	c->vars.items[0] = (struct spec_var){mem_strdup("HOME"), mem_strdup("/tmp")};
	c->vars.n = 1;
	c->mounts[0].kind = BROKER_MOUNT_TMP;
	mem_copy_str(c->mounts[0].target, sizeof(c->mounts[0].target), "/tmp");
	c->nmounts = 1;
}

static void script(struct spec_argv *a, const char *text, const struct spec_argv *more)
{
	const char *const head[] = {"/bin/sh", "-c", text, "build"};

	for (size_t i = 0; i < CL_COUNT(head); i++)
		a->words[a->n++] = mem_strdup(head[i]);
	for (size_t i = 0; more && i < more->n && a->n < BROKER_ARGS; i++)
		a->words[a->n++] = mem_strdup(more->words[i]);
}

static void add_bind(json_t *body, const char *path, const char *target, bool read_only)
{
	json_t *mounts = json_object_get(json_object_get(body, "HostConfig"), "Mounts");

	json_array_append_new(mounts, json_pack("{s:s, s:s, s:s, s:b}", "Type", "bind", "Source",
	    path, "Target", target, "ReadOnly", (int)read_only));
}

/* One of the two containers, run to its end. */
static int step(const struct broker *b, const struct build *s, struct spec *c, const char *target,
    bool read_only, struct line *out, struct cl_err *err)
{
	char url[DOCKER_URL], full[PLACE_NAME], path[PLACE_PATH];
	int status = -1, rc;
	json_t *body;

	if (container_remove(b, c->name, 0, err) < 0 || container_prepare(b, c, err) < 0)
		return -1;
	place_build(&b->place, s->op, path);
	place_container(&b->place, c->name, full);
	docker_url(url, "/containers/create?name=%s", full);
	body = spec_json_make(c, &b->place);
	add_bind(body, path, target, read_only);
	if (!read_only) /* the one that is committed gets nothing */
		reach_give(body, &b->place, REACH_BUILD);
	if (docker_call(&b->docker, "POST", url, body, NULL, err) != 201)
		return -1;
	rc = run_created(b, c->name, out, s->timeout_s, &status, err);
	if (rc < 0 && err && err->code == CL_TIMEOUT) {
		err_clear(err);
		err_set(err, CL_TIMEOUT, "build: not done after %d s", s->timeout_s);
	}
	if (rc == 0 && status != 0)
		rc = err_set(err, CL_FAILED, "build: the command ended with status %d", status);
	return rc;
}

static int step_build(const struct broker *b, const struct build *s, struct line *out,
    struct cl_err *err)
{
	struct spec c;
	int rc;

	step_spec(s, "build", s->from, &c);
	script(&c.argv, build_script, &s->build);
	c.mounts[1].kind = BROKER_MOUNT_WORKSPACE;
	mem_copy_str(c.mounts[1].target, sizeof(c.mounts[1].target), "/src");
	c.mounts[1].read_only = true;
	c.nmounts = 2;
	if (!reach_closed(&b->place)) /* the network of the dev container */
		snprintf(c.network, sizeof(c.network), "p%lld-ide", (long long)s->project);
	line_text(out->sock, reach_text(&b->place), strlen(reach_text(&b->place)));
	rc = step(b, s, &c, "/app", false, out, err);
	if (rc < 0 && err && err->code == CL_FAILED && reach_closed(&b->place))
		err_hint(err, "%s; an operator changes it", reach_text(&b->place));
	spec_clear(&c);
	return rc;
}

static int step_copy(const struct broker *b, const struct build *s, struct line *out,
    struct cl_err *err)
{
	struct spec c;
	int rc;

	step_spec(s, "copy", s->onto, &c);
	script(&c.argv, copy_script, NULL);
	rc = step(b, s, &c, "/src", true, out, err);
	spec_clear(&c);
	return rc;
}

static void add_cmd(struct commit *c, const struct spec_argv *cmd)
{
	json_t *j = spec_json_argv(cmd);
	char *list = json_dumps(j, JSON_COMPACT);
	cl_autofree char *text = mem_printf("CMD %s", list ? list : "[]");

	commit_add(c, text);
	mem_free(list);
	json_decref(j);
}

static int commit(const struct broker *b, const struct build *s, char *digest, size_t size,
    struct cl_err *err)
{
	char name[80], tag[32];
	struct commit c;

	commit_begin(&c);
	if (s->cmd.n)
		add_cmd(&c, &s->cmd);
	commit_add(&c, "WORKDIR /app");
	for (size_t i = 0; i < s->labels.n; i++)
		commit_label(&c, s->labels.items[i].name, s->labels.items[i].value);
	step_name(s->op, "copy", name, sizeof(name));
	snprintf(tag, sizeof(tag), "op%lld", (long long)s->op);
	return commit_run(b, &c, name, s->id, tag, s->onto, digest, size, err);
}

void build_clean(const struct broker *b, int64_t op)
{
	char name[80];

	step_name(op, "build", name, sizeof(name));
	container_remove(b, name, 0, NULL);
	step_name(op, "copy", name, sizeof(name));
	container_remove(b, name, 0, NULL);
	files_build_end(b, op, NULL);
}

int build_run(const struct broker *b, const struct build *s, struct line *out, char *digest,
    size_t size, struct cl_err *err)
{
	int rc = files_build_begin(b, s->op, s->uid, s->gid, err);

	if (rc == 0)
		rc = step_build(b, s, out, err);
	if (rc == 0)
		rc = step_copy(b, s, out, err);
	if (rc == 0)
		rc = commit(b, s, digest, size, err);
	build_clean(b, s->op);
	return rc;
}
