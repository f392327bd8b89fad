/* Stages of a build by a project's own Containerfile: see stage.h.  Reading the requests is in stage_read.c. */
#include "engine/broker/stage.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/broker/check.h"
#include "engine/broker/commit.h"
#include "engine/broker/container.h"
#include "engine/broker/container_net.h"
#include "engine/broker/image.h"
#include "engine/broker/reach.h"
#include "engine/broker/run.h"

#define MEMORY_DEFAULT (1LL << 30)
#define PIDS 512
#define PULL_MS 1800000
#define SCRATCH "scratch"

void stage_clear(struct stage *s)
{
	spec_clear_argv(&s->argv);
	spec_clear_vars(&s->vars);
}

void stage_clear_commit(struct stage_commit *c)
{
	spec_clear_argv(&c->entrypoint);
	spec_clear_argv(&c->cmd);
	spec_clear_vars(&c->vars);
	spec_clear_vars(&c->labels);
}

static void stage_name(int64_t op, int n, char *out, size_t size)
{
	snprintf(out, size, "op%lld-s%d", (long long)op, n);
}

static void share_name(int64_t op, char *out, size_t size)
{
	snprintf(out, size, "op%lld-share", (long long)op);
}

/* The file system of an image with nothing in it: an empty tar. */
static int scratch(const struct broker *b, struct cl_err *err)
{
	static const char nothing[1024];
	char url[DOCKER_URL], ref[256];

	place_image(&b->place, SCRATCH, NULL, ref, sizeof(ref));
	docker_url(url, "/images/%s/json", ref);
	if (docker_call(&b->docker, "GET", url, NULL, NULL, NULL) == 200)
		return 0;
	docker_url(url, "/images/create?fromSrc=-&repo=localhost/codinglab/" SCRATCH "&tag=latest");
	if (docker_send(&b->docker, "POST", url, "application/x-tar", nothing, sizeof(nothing), err) != 200)
		return err_set(err, CL_FAILED, "FROM scratch: the empty image could not be made");
	return 0;
}

/* An image of elsewhere, as build.from allows; the container engine fetches it. */
static int pull(const struct broker *b, const char *name, struct cl_err *err)
{
	char url[DOCKER_URL], escaped[1024];

	docker_escape(name, escaped, sizeof(escaped));
	docker_url(url, "/images/create?fromImage=%s", escaped);
	if (docker_call_timed(&b->docker, "POST", url, NULL, PULL_MS, NULL, err) == 200)
		return 0;
	return err_set(err, CL_FAILED, "FROM %s: it could not be fetched", name);
}

static void fill(const struct stage *s, struct spec *c)
{
	memset(c, 0, sizeof(*c));
	stage_name(s->op, s->n, c->name, sizeof(c->name));
	c->project = s->project;
	mem_copy_str(c->env, sizeof(c->env), "job");
	mem_copy_str(c->tier, sizeof(c->tier), "job");
	mem_copy_str(c->image, sizeof(c->image), s->image);
	mem_copy_str(c->hostname, sizeof(c->hostname), "build");
	c->n = 1;
	c->memory = s->memory ? s->memory : MEMORY_DEFAULT;
	c->pids = PIDS;
	c->mounts[0].kind = BROKER_MOUNT_WORKSPACE;
	mem_copy_str(c->mounts[0].target, sizeof(c->mounts[0].target), STAGE_SOURCE);
	c->mounts[0].read_only = true;
	c->mounts[1].kind = BROKER_MOUNT_VOLUME;
	share_name(s->op, c->mounts[1].source, sizeof(c->mounts[1].source));
	mem_copy_str(c->mounts[1].target, sizeof(c->mounts[1].target), STAGE_SHARE);
	c->nmounts = 2;
}

/* The container's body: our program first, the identity and capabilities of a build. */
static json_t *body_of(const struct broker *b, const struct stage *s, const struct spec *c)
{
	static const char *const caps[] = {"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETGID", "SETUID"};
	json_t *body = spec_json_make(c, &b->place), *list = json_array();
	json_t *host = json_object_get(body, "HostConfig");

	if (s->pull)
		json_object_set_new(body, "Image", json_string(s->image));
	json_object_set_new(body, "User", json_string("0:0"));
	json_object_set_new(body, "WorkingDir", json_string("/"));
	json_object_set_new(body, "Entrypoint", json_array());
	json_object_set_new(body, "Cmd", json_pack("[s, s]", STAGE_COPY, "wait"));
	for (size_t i = 0; i < CL_COUNT(caps); i++)
		json_array_append_new(list, json_string(caps[i]));
	json_object_set_new(host, "CapAdd", list);
	json_array_append_new(json_object_get(host, "Mounts"), json_pack("{s:s, s:s, s:s, s:b}", "Type", "bind",
	    "Source", b->place.copy, "Target", STAGE_COPY, "ReadOnly", 1));
	reach_give(body, &b->place, REACH_BUILD);
	json_object_del(body, "Env"); /* what is here would be in the image; reach_vars() is for each program */
	return body;
}

static json_t *config_of(const struct broker *b, const struct stage *s, struct cl_err *err)
{
	char url[DOCKER_URL], ref[256], escaped[1024];
	json_t *j = NULL, *config;

	place_image(&b->place, s->image, NULL, ref, sizeof(ref));
	docker_escape(s->pull ? s->image : ref, escaped, sizeof(escaped));
	docker_url(url, "/images/%s/json", escaped);
	if (docker_call(&b->docker, "GET", url, NULL, &j, err) != 200) {
		json_decref(j);
		err_set(err, CL_PRECONDITION, "FROM %s: that image is not there", s->image);
		return NULL;
	}
	config = json_incref(json_object_get(j, "Config"));
	json_decref(j);
	return config ? config : json_object();
}

int stage_begin(const struct broker *b, const struct stage *s, struct line *out, json_t **config, struct cl_err *err)
{
	char url[DOCKER_URL], full[PLACE_NAME];
	struct spec c;
	int rc = 0;

	*config = NULL;
	if (!b->place.copy[0])
		return err_set(err, CL_UNAVAILABLE, "build: codinglab-copy is not installed");
	if (s->n == 0)
		stage_clean(b, s->project, s->op);
	fill(s, &c);
	if (s->n == 0)
		line_text(out->sock, reach_text(&b->place), strlen(reach_text(&b->place)));
	if (!reach_closed(&b->place))
		snprintf(c.network, sizeof(c.network), "p%lld-ide", (long long)s->project);
	if (s->pull)
		rc = pull(b, s->image, err);
	else if (strcmp(s->image, SCRATCH) == 0)
		rc = scratch(b, err);
	if (rc < 0 || container_net_ensure(b, &c, err) < 0 || container_net_ensure_volumes(b, &c, err) < 0 ||
	    container_remove(b, c.name, 0, err) < 0)
		return -1;
	*config = config_of(b, s, err);
	if (!*config)
		return -1;
	place_container(&b->place, c.name, full);
	docker_url(url, "/containers/create?name=%s", full);
	if (docker_call(&b->docker, "POST", url, body_of(b, s, &c), NULL, err) != 201)
		return -1;
	return container_start(b, c.name, err);
}

int stage_run(const struct broker *b, const struct stage *s, struct line *out, int *status, struct cl_err *err)
{
	char name[80];
	json_t *body = json_object(), *env = spec_json_vars(&s->vars);
	int rc;

	stage_name(s->op, s->n, name, sizeof(name));
	reach_vars(env, &b->place, REACH_BUILD);
	json_object_set_new(body, "Cmd", spec_json_argv(&s->argv));
	json_object_set_new(body, "Env", env);
	json_object_set_new(body, "User", json_string(s->user[0] ? s->user : "0:0"));
	json_object_set_new(body, "WorkingDir", json_string(s->workdir[0] ? s->workdir : "/"));
	json_object_set_new(body, "Privileged", json_false());
	json_object_set_new(body, "AttachStdout", json_true());
	json_object_set_new(body, "AttachStderr", json_true());
	rc = run_exec(b, name, body, out, s->timeout_s, status, err);
	if (rc < 0 && err && err->code == CL_TIMEOUT) {
		err_clear(err);
		err_set(err, CL_TIMEOUT, "build: not done in time");
	}
	return rc;
}

static void add_argv(struct commit *c, const char *keyword, const struct spec_argv *argv)
{
	json_t *j = spec_json_argv(argv);
	char *list = json_dumps(j, JSON_COMPACT);
	cl_autofree char *text = mem_printf("%s %s", keyword, list ? list : "[]");

	commit_add(c, text);
	mem_free(list);
	json_decref(j);
}

int stage_commit(const struct broker *b, const struct stage_commit *s, char *digest, size_t size, struct cl_err *err)
{
	char name[80], text[64];
	struct commit c;

	commit_begin(&c);
	add_argv(&c, "ENTRYPOINT", &s->entrypoint);
	add_argv(&c, "CMD", &s->cmd);
	for (size_t i = 0; i < s->vars.n; i++) {
		cl_autofree char *env = mem_printf("ENV %s=%s", s->vars.items[i].name, s->vars.items[i].value);

		commit_add(&c, env);
	}
	if (s->workdir[0]) {
		cl_autofree char *dir = mem_printf("WORKDIR %s", s->workdir);

		commit_add(&c, dir);
	}
	if (s->port) {
		snprintf(text, sizeof(text), "EXPOSE %d", s->port);
		commit_add(&c, text);
	}
	for (size_t i = 0; i < s->labels.n; i++)
		commit_label(&c, s->labels.items[i].name, s->labels.items[i].value);
	stage_name(s->op, s->n, name, sizeof(name));
	return commit_run(b, &c, name, s->id, s->tag, "", digest, size, err);
}

void stage_clean(const struct broker *b, int64_t project, int64_t op)
{
	char name[80], tag[128];

	for (int n = 0; n < STAGE_MAX; n++) {
		stage_name(op, n, name, sizeof(name));
		container_remove(b, name, 0, NULL);
	}
	for (int n = 0; n < STAGE_MAX; n++) {
		snprintf(tag, sizeof(tag), "app/p%lld:op%lld-s%d", (long long)project, (long long)op, n);
		image_remove(b, tag, NULL);
	}
	share_name(op, name, sizeof(name));
	container_net_remove_volume(b, name, NULL);
}
