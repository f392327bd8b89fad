/* Networks and volumes of ours: made when a container wants one, found by name and label. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/broker/container_net.h"

/* 1 ours, 0 absent, -1 there but not ours or the engine fails. */
static int look(const struct broker *b, const char *url, const char *what, struct cl_err *err)
{
	json_t *j = NULL;
	struct cl_err why = {0};
	int status = docker_call(&b->docker, "GET", url, NULL, &j, &why), rc;

	if (status == 404)
		rc = 0;
	else if (status != 200)
		rc = err_set(err, why.code ? why.code : CL_FAILED, "%s", why.message);
	else if (strcmp(docker_str(json_object_get(j, "Labels"), PLACE_LABEL), b->place.instance) != 0)
		rc = err_set(err, CL_CONFLICT, "%s: there is another of that name", what);
	else
		rc = 1;
	json_decref(j);
	return rc;
}

/* Make it; when that fails, somebody else may have been faster. */
static int make(const struct broker *b, const char *get, const char *post, json_t *body,
    const char *what, struct cl_err *err)
{
	struct cl_err why = {0};
	int rc = look(b, get, what, err);

	if (rc != 0) {
		json_decref(body);
		return rc < 0 ? -1 : 0;
	}
	if (docker_call(&b->docker, "POST", post, body, NULL, &why) == 201)
		return 0;
	if (look(b, get, what, err) == 1)
		return 0;
	return err_set(err, CL_FAILED, "%s: %s", what, why.message);
}

int container_net_ensure(const struct broker *b, const struct spec *s, struct cl_err *err)
{
	char get[DOCKER_URL], post[DOCKER_URL], name[PLACE_NAME];
	json_t *options = json_object();

	if (!s->network[0]) {
		json_decref(options);
		return 0;
	}
	place_network(&b->place, s->network, name);
	docker_url(get, "/networks/%s", name);
	docker_url(post, "/networks/create");
	/* Docker keeps bridges apart by itself; netavark must be told. */
	if (strcmp(b->place.log_driver, "k8s-file") == 0)
		json_object_set_new(options, "isolate", json_string("true"));
	return make(b, get, post, json_pack("{s:s, s:s, s:b, s:o, s:{s:s}}", "Name", name, "Driver",
	    "bridge", "CheckDuplicate", 1, "Options", options, "Labels", PLACE_LABEL,
	    b->place.instance), s->network, err);
}

int container_net_ensure_volumes(const struct broker *b, const struct spec *s, struct cl_err *err)
{
	char get[DOCKER_URL], post[DOCKER_URL], name[PLACE_NAME];

	for (size_t i = 0; i < s->nmounts; i++) {
		if (s->mounts[i].kind != BROKER_MOUNT_VOLUME)
			continue;
		place_volume(&b->place, s->mounts[i].source, name);
		docker_url(get, "/volumes/%s", name);
		docker_url(post, "/volumes/create");
		if (make(b, get, post, json_pack("{s:s, s:{s:s}}", "Name", name, "Labels", PLACE_LABEL,
		    b->place.instance), s->mounts[i].source, err) < 0)
			return -1;
	}
	return 0;
}

static int drop(const struct broker *b, const char *url, const char *what, struct cl_err *err)
{
	int rc = look(b, url, what, err), status;

	if (rc <= 0)
		return rc;
	status = docker_call(&b->docker, "DELETE", url, NULL, NULL, err);
	if (status == 200 || status == 204)
		return 0;
	if (status == 404) {
		err_clear(err);
		return 0;
	}
	return err_set(err, CL_FAILED, "%s: could not be removed", what);
}

int container_net_remove(const struct broker *b, const char *name, struct cl_err *err)
{
	char url[DOCKER_URL], full[PLACE_NAME];

	place_network(&b->place, name, full);
	docker_url(url, "/networks/%s", full);
	return drop(b, url, name, err);
}

int container_net_remove_volume(const struct broker *b, const char *name, struct cl_err *err)
{
	char url[DOCKER_URL], full[PLACE_NAME];

	place_volume(&b->place, name, full);
	docker_url(url, "/volumes/%s", full);
	return drop(b, url, name, err);
}
