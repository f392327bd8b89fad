/* Containers of ours: see container.h.  Networks and volumes are in container_net.c. */
#include "engine/broker/container.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/broker/container_net.h"
#include "engine/broker/database_kept.h"
#include "engine/broker/exec_pty.h"
#include "engine/broker/pack.h"
#include "engine/broker/reach.h"

#define START_MS 60000
#define STOP_SLACK_MS 30000
#define DATABASE_TIER "db" /* and its host name in DATABASE_URL */

static int not_ours(struct cl_err *err, const char *name)
{
	return err_set(err, CL_NOT_FOUND, "container %s: there is none", name);
}

json_t *container_inspect(const struct broker *b, const char *name, struct cl_err *err)
{
	char url[DOCKER_URL], full[PLACE_NAME];
	struct cl_err why = {0};
	json_t *j = NULL, *labels;
	int status;

	place_container(&b->place, name, full);
	docker_url(url, "/containers/%s/json", full);
	status = docker_call(&b->docker, "GET", url, NULL, &j, &why);
	if (status < 0) {
		if (err && !err->code)
			*err = why;
		return NULL;
	}
	labels = json_object_get(json_object_get(j, "Config"), "Labels");
	if (status != 200 || strcmp(docker_str(labels, PLACE_LABEL), b->place.instance) != 0) {
		json_decref(j);
		not_ours(err, name);
		return NULL;
	}
	return j;
}

/* The image must be there, and an image given by digest must be one that this lab made. */
static int check_image(const struct broker *b, const char *image, struct cl_err *err)
{
	char url[DOCKER_URL], ref[256];
	json_t *j = NULL, *labels;
	int rc = 0;

	place_image(&b->place, image, NULL, ref, sizeof(ref));
	docker_url(url, "/images/%s/json", ref);
	if (docker_call(&b->docker, "GET", url, NULL, &j, err) != 200) {
		if (err && err->code == CL_NOT_FOUND) {
			err_clear(err);
			err_set(err, CL_PRECONDITION, "image %s: not built yet", image);
			err_hint(err, "`image build` makes it; `image ls` shows what is there");
		}
		json_decref(j);
		return -1;
	}
	labels = json_object_get(json_object_get(j, "Config"), "Labels");
	if (!docker_str(labels, "codinglab.image")[0])
		rc = err_set(err, CL_FORBIDDEN, "image %s: not one of this platform's", image);
	json_decref(j);
	return rc;
}

/* The passwd entry of a dev container's user: a file put into the container before it starts, for
 * whoever runs in it may not write there. */
static int put_user(const struct broker *b, const struct spec *s, struct cl_err *err)
{
	char url[DOCKER_URL], full[PLACE_NAME];
	struct buf tar;
	int rc;

	if (!s->user_name[0] || s->read_only_root)
		return 0;
	buf_init(&tar, 1 << 20);
	rc = pack_user(&tar, s, err);
	place_container(&b->place, s->name, full);
	docker_url(url, "/containers/%s/archive?path=/etc", full);
	if (rc == 0 && docker_send(&b->docker, "PUT", url, "application/x-tar", tar.data, tar.len, err) != 200)
		rc = err_set(err, CL_FAILED, "container %s: its passwd file was not taken", s->name);
	buf_clear(&tar);
	return rc;
}

int container_prepare(const struct broker *b, const struct spec *s, struct cl_err *err)
{
	if (check_image(b, s->image, err) < 0 || container_net_ensure(b, s, err) < 0)
		return -1;
	return container_net_ensure_volumes(b, s, err);
}

/* The body that makes the container.  A dev container's command is said in any case, so that the
 * way to the proxy can be put before it. */
static json_t *body_of(const struct broker *b, const struct spec *s)
{
	char url[DOCKER_URL], ref[256];
	json_t *body = spec_json_make(s, &b->place), *image = NULL, *cmd;

	database_kept_give(b, s, body);
	if (strcmp(s->tier, "dev") != 0)
		return body;
	if (s->argv.n == 0) {
		place_image(&b->place, s->image, NULL, ref, sizeof(ref));
		docker_url(url, "/images/%s/json", ref);
		docker_call(&b->docker, "GET", url, NULL, &image, NULL);
		cmd = json_object_get(json_object_get(image, "Config"), "Cmd");
		if (json_is_array(cmd))
			json_object_set(body, "Cmd", cmd);
	}
	reach_give(body, &b->place, REACH_DEV);
	json_decref(image);
	return body;
}

static bool has_var(const struct spec *s, const char *name)
{
	for (size_t i = 0; i < s->vars.n; i++)
		if (strcmp(s->vars.items[i].name, name) == 0)
			return true;
	return false;
}

/* The database is found without asking a name server: it keeps its address, and the others of its
 * network have that in their hosts file. */
static void give_database(const struct broker *b, const struct spec *s, json_t *body)
{
	char address[64], entry[80], network[PLACE_NAME];
	json_t *end;

	container_net_fixed(b, s, address, sizeof(address));
	if (!address[0])
		return;
	place_network(&b->place, s->network, network);
	end = json_object_get(json_object_get(json_object_get(body, "NetworkingConfig"),
	    "EndpointsConfig"), network);
	if (strcmp(s->tier, DATABASE_TIER) == 0) {
		json_object_set_new(end, "IPAMConfig", json_pack("{s:s}", "IPv4Address", address));
	} else if (has_var(s, "DATABASE_URL")) {
		snprintf(entry, sizeof(entry), "%s:%s", DATABASE_TIER, address);
		json_object_set_new(json_object_get(body, "HostConfig"), "ExtraHosts",
		    json_pack("[s]", entry));
	}
}

static int create(const struct broker *b, const struct spec *s, struct cl_err *err)
{
	char url[DOCKER_URL], full[PLACE_NAME];
	json_t *body;

	if (container_prepare(b, s, err) < 0)
		return -1;
	place_container(&b->place, s->name, full);
	docker_url(url, "/containers/create?name=%s", full);
	body = body_of(b, s);
	give_database(b, s, body);
	if (docker_call(&b->docker, "POST", url, body, NULL, err) != 201)
		return -1;
	return put_user(b, s, err);
}

int container_create(const struct broker *b, const struct spec *s, struct cl_err *err)
{
	if (container_remove(b, s->name, 0, err) < 0)
		return -1;
	return create(b, s, err);
}

int container_start(const struct broker *b, const char *name, struct cl_err *err)
{
	char url[DOCKER_URL], full[PLACE_NAME];
	int status;

	place_container(&b->place, name, full);
	docker_url(url, "/containers/%s/start", full);
	status = docker_call_timed(&b->docker, "POST", url, NULL, START_MS, NULL, err);
	if (status == 204 || status == 304 || status == 200)
		return 0;
	return err_set(err, CL_FAILED, "container %s: did not start", name);
}

int container_apply(const struct broker *b, const struct spec *s, struct cl_err *err)
{
	struct cl_err why = {0};
	json_t *j = container_inspect(b, s->name, &why);
	const json_t *state = json_object_get(j, "State");
	bool running = json_is_true(json_object_get(state, "Running"));
	bool there = j != NULL, made = strcmp(docker_str(state, "Status"), "created") == 0;

	json_decref(j);
	if (!there && why.code != CL_NOT_FOUND) {
		if (err)
			*err = why;
		return -1;
	}
	if (running)
		return 0;
	if (strcmp(s->tier, "dev") == 0 && exec_pty_prepare(&b->place, s->name, err) < 0)
		return -1;
	if (!there && create(b, s, err) < 0)
		return -1;
	/* One that was created by a call that was cut may lack its user. */
	if (there && made && put_user(b, s, err) < 0)
		return -1;
	/* A stopped one outlives its network where somebody tidied up meanwhile. */
	if (there && container_net_ensure(b, s, err) < 0)
		return -1;
	return container_start(b, s->name, err);
}

int container_remove(const struct broker *b, const char *name, int grace_s, struct cl_err *err)
{
	char url[DOCKER_URL], full[PLACE_NAME];
	struct cl_err why = {0};
	json_t *j = container_inspect(b, name, &why);
	bool running;
	int status;

	if (!j && why.code == CL_NOT_FOUND)
		return 0;
	if (!j) {
		if (err)
			*err = why;
		return -1;
	}
	running = json_is_true(json_object_get(json_object_get(j, "State"), "Running"));
	json_decref(j);
	place_container(&b->place, name, full);
	if (running && grace_s > 0) {
		docker_url(url, "/containers/%s/stop?t=%d", full, grace_s);
		docker_call_timed(&b->docker, "POST", url, NULL, grace_s * 1000L + STOP_SLACK_MS, NULL,
		    NULL);
	}
	docker_url(url, "/containers/%s?force=true&v=true", full);
	status = docker_call(&b->docker, "DELETE", url, NULL, NULL, &why);
	if (status == 200 || status == 204 || status == 404)
		return 0;
	err_clear(&why);
	/* Somebody else removes it at this moment, or it resisted: look once more. */
	usleep(200000);
	j = container_inspect(b, name, &why);
	if (!j && why.code == CL_NOT_FOUND)
		return 0;
	json_decref(j);
	if (docker_call(&b->docker, "DELETE", url, NULL, NULL, err) > 0 && (!err || !err->code))
		return 0;
	return err_set(err, CL_FAILED, "container %s: could not be removed", name);
}

int container_wait(const struct broker *b, const char *name, int *status, struct cl_err *err)
{
	char url[DOCKER_URL], full[PLACE_NAME];
	json_t *j = NULL;

	place_container(&b->place, name, full);
	docker_url(url, "/containers/%s/wait", full);
	if (docker_call_timed(&b->docker, "POST", url, NULL, 0, &j, err) != 200) {
		json_decref(j);
		return -1;
	}
	*status = (int)docker_int(j, "StatusCode") & 255;
	json_decref(j);
	return 0;
}
