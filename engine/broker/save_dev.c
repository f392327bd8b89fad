/*
 * The container's half of a save.  What every container gets by being started (mount points, its
 * passwd file) is no change; a container without changes is saved as its image, by another name.
 */
#include "engine/broker/save.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/broker/check.h"
#include "engine/broker/commit.h"
#include "engine/broker/container.h"
#include "engine/broker/diff.h"
#include "engine/broker/files.h"
#include "engine/broker/reach.h"
#include "engine/broker/tarball.h"

#define STATUS_MAX (32 << 20)

struct packages {
	int was, now; /* tar files with dpkg's status; -1 = none */
	int out;      /* the difference, as JSON */
};

static char *read_status(int fd, struct cl_err *err)
{
	struct tarball *t;
	struct tarball_entry e;
	char *text = NULL;
	size_t len;

	if (fd < 0)
		return mem_strdup("");
	t = tarball_open(fd, false, err);
	if (t && tarball_next(t, &e, err) == 1)
		text = tarball_read_all(t, STATUS_MAX, &len, err);
	if (t)
		tarball_close(t, NULL);
	return text;
}

/* As a user without rights: what is read came out of a container. */
static int compare_cb(void *arg, struct cl_err *err)
{
	struct packages *p = arg;
	cl_autofree char *was = read_status(p->was, err);
	cl_autofree char *now = was ? read_status(p->now, err) : NULL;
	json_t *j;
	int rc;

	if (!now)
		return -1;
	j = diff_packages(was, now);
	rc = json_dumpfd(j, p->out, JSON_COMPACT);
	json_decref(j);
	return rc == 0 ? 0 : err_errno(err, CL_FAILED, "save: the difference of packages");
}

/* Packages of the container against those of its stack's image; null where there is no dpkg. */
static json_t *packages_of(const struct broker *b, const struct save *s, const char *container)
{
	static const char status[] = "/var/lib/dpkg/status";
	struct packages p = {-1, -1, -1};
	json_t *j = NULL;
	char name[80];

	p.now = save_fetch(b, container, status, STATUS_MAX, NULL);
	if (p.now >= 0 && s->base[0] && save_scratch(b, s->base, s->project, s->op, "base", name, NULL) == 0)
		p.was = save_fetch(b, name, status, STATUS_MAX, NULL);
	if (p.was >= 0)
		p.out = save_spool(b, NULL);
	if (p.out >= 0 && files_as(s->uid, s->gid, compare_cb, &p, NULL) == 0)
		j = save_take_json(p.out);
	for (const int *fd = &p.was; fd <= &p.out; fd++)
		if (*fd >= 0)
			close(*fd);
	return j ? j : json_null();
}

static bool empty(const json_t *d)
{
	return docker_int(d, "added") + docker_int(d, "changed") + docker_int(d, "removed") == 0;
}

/* Is it an image of a save already?  Then it is this lab's own and can have another name. */
static bool is_save(const struct broker *b, const char *digest)
{
	char url[DOCKER_URL];
	json_t *j = NULL, *labels;
	bool yes;

	docker_url(url, "/images/%s/json", digest);
	docker_call(&b->docker, "GET", url, NULL, &j, NULL);
	labels = json_object_get(json_object_get(j, "Config"), "Labels");
	yes = strncmp(docker_str(labels, "codinglab.image"), "save/", 5) == 0 &&
	    strcmp(docker_str(labels, PLACE_LABEL), b->place.instance) == 0;
	json_decref(j);
	return yes;
}

/* The unchanged image as this save's: named again, or taken over without a file. */
static int keep_image(const struct broker *b, const struct save *s, const char *image, const char *id,
    char digest[128], struct cl_err *err)
{
	struct commit c;
	char name[80];

	if (check_digest(image) && is_save(b, image)) {
		mem_copy_str(digest, 128, image);
		return save_tag(b, image, id, err);
	}
	if (save_scratch(b, image, s->project, s->op, "dev", name, err) < 0)
		return -1;
	commit_begin(&c);
	return commit_run(b, &c, name, id, NULL, s->image, digest, 128, err);
}

static json_t *changes_of(const struct broker *b, const char *container, struct cl_err *err)
{
	char url[DOCKER_URL], full[PLACE_NAME];
	json_t *list = NULL, *d;

	place_container(&b->place, container, full);
	docker_url(url, "/containers/%s/changes", full);
	if (docker_call(&b->docker, "GET", url, NULL, &list, err) != 200) {
		json_decref(list);
		err_set(err, CL_FAILED, "save: the container's changes are not to be had");
		return NULL;
	}
	d = diff_system(list);
	json_decref(list);
	return d;
}

/* "sha256:..." of what a container was made of. */
static void image_of(const json_t *inspected, char out[128])
{
	const char *id = docker_str(inspected, "Image");

	snprintf(out, 128, "%s%s", strncmp(id, "sha256:", 7) == 0 ? "" : "sha256:", id);
}

static int save_there(const struct broker *b, const struct save *s, const json_t *inspected,
    const char *id, struct save_made *made, struct cl_err *err)
{
	json_t *system = changes_of(b, s->container, err), *undo, *word;
	struct commit c;
	char image[128];
	size_t i;

	if (!system)
		return -1;
	image_of(inspected, image);
	json_object_set_new(made->report, "system", system);
	json_object_set_new(made->report, "image", json_string(image));
	if (!empty(system) || is_save(b, image))
		json_object_set_new(made->report, "packages", packages_of(b, s, s->container));
	if (empty(system))
		return keep_image(b, s, image, id, made->dev, err);
	commit_begin(&c);
	undo = reach_undo(json_object_get(inspected, "Config"));
	json_array_foreach(undo, i, word)
		commit_add(&c, json_string_value(word));
	json_decref(undo);
	return commit_run(b, &c, s->container, id, NULL, image, made->dev, sizeof(made->dev), err);
}

int save_dev_run(const struct broker *b, const struct save *s, struct save_made *made,
    struct cl_err *err)
{
	struct cl_err why = {0};
	json_t *j = container_inspect(b, s->container, &why);
	char id[64];
	int rc;

	snprintf(id, sizeof(id), "save/%s", s->name);
	if (j) {
		rc = save_there(b, s, j, id, made, err);
		json_decref(j);
		return rc;
	}
	if (why.code != CL_NOT_FOUND)
		return err_set(err, why.code, "%s", why.message);
	json_object_set_new(made->report, "image", json_string(s->image));
	rc = keep_image(b, s, s->image, id, made->dev, err);
	if (rc == 0 && s->base[0] && strcmp(s->base, s->image) != 0) {
		char name[80];

		if (save_scratch(b, s->image, s->project, s->op, "dev", name, err) < 0)
			return -1;
		json_object_set_new(made->report, "packages", packages_of(b, s, name));
	}
	return rc;
}
