/* Nameless images of ours: see image_prune.h. */
#include "engine/broker/image_prune.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "engine/broker/docker.h"

/* Engines give an id with or without its "sha256:". */
static void full_id(const char *id, char out[80])
{
	snprintf(out, 80, "%s%.71s", strncmp(id, "sha256:", 7) == 0 ? "" : "sha256:", id);
}

json_t *image_prune_used(const struct broker *b, struct cl_err *err)
{
	char url[DOCKER_URL];
	json_t *list, *item, *used;
	size_t i;

	docker_url(url, "/containers/json?all=true");
	list = docker_list(&b->docker, url, err);
	if (!list)
		return NULL;
	used = json_object();
	json_array_foreach(list, i, item) {
		char full[80];

		full_id(docker_str(item, "ImageID"), full);
		json_object_set_new(used, full, json_integer(docker_int(used, full) + 1));
	}
	json_decref(list);
	return used;
}

static bool named(const json_t *image)
{
	return json_array_size(json_object_get(image, "RepoTags")) > 0;
}

/* A step of a build, or a stack's former image: labelled by inheritance, owned by no instance. */
static bool left_over(const json_t *image)
{
	const json_t *labels = json_object_get(image, "Labels");

	return !named(image) && !docker_str(labels, PLACE_LABEL)[0] &&
	    (docker_str(labels, "codinglab.image")[0] || docker_str(labels, "codinglab.rootfs")[0]);
}

static json_t *by_id(const json_t *images, const char *id)
{
	size_t i;
	json_t *image;

	json_array_foreach(images, i, image)
		if (strcmp(docker_str(image, "Id"), id) == 0)
			return image;
	return NULL;
}

static const json_t *parent(const json_t *images, const json_t *image)
{
	const char *id = docker_str(image, "ParentId");
	char full[80];

	if (!id[0])
		return NULL;
	full_id(id, full);
	return by_id(images, full);
}

/* Everything that something kept stands on is kept. */
static json_t *kept(const json_t *images, const json_t *used, int min_age_s)
{
	int64_t young = clock_unix_ms() / 1000 - min_age_s;
	json_t *keep = json_object(), *image;
	size_t i;

	json_array_foreach(images, i, image) {
		if (left_over(image) && !json_object_get(used, docker_str(image, "Id")) &&
		    docker_int(image, "Created") <= young)
			continue;
		for (const json_t *at = image; at && !json_object_get(keep, docker_str(at, "Id"));
		    at = parent(images, at))
			json_object_set_new(keep, docker_str(at, "Id"), json_true());
	}
	return keep;
}

static int64_t own_bytes(const json_t *images, const json_t *image)
{
	const json_t *p = parent(images, image);
	int64_t size = docker_int(image, "Size"), below = p ? docker_int(p, "Size") : 0;

	return size > below ? size - below : 0;
}

/* Those that go, children before the parents: a parent goes in a later round. */
static int sweep(const struct broker *b, json_t *images, const json_t *keep, bool dry,
    struct line *out, int64_t *count, int64_t *bytes)
{
	char url[DOCKER_URL], text[160];
	int removed = 0;
	size_t i;
	json_t *image;

	json_array_foreach(images, i, image) {
		const char *id = docker_str(image, "Id");

		if (json_object_get(keep, id) || json_object_get(image, "gone"))
			continue;
		docker_url(url, "/images/%s?noprune=true", id);
		if (!dry && docker_call(&b->docker, "DELETE", url, NULL, NULL, NULL) != 200)
			continue;
		json_object_set_new(image, "gone", json_true());
		snprintf(text, sizeof(text), "%s a step of %s: %.19s", dry ? "would remove" : "removed",
		    docker_str(json_object_get(image, "Labels"), "codinglab.image"), id);
		line_text(out->sock, text, strlen(text));
		*bytes += own_bytes(images, image);
		++*count;
		removed++;
	}
	return removed;
}

int image_prune_run(const struct broker *b, bool dry, int min_age_s, struct line *out, int64_t *count,
    int64_t *bytes, struct cl_err *err)
{
	json_t *used = image_prune_used(b, err), *images, *keep;

	*count = *bytes = 0;
	images = used ? docker_images(&b->docker, "all=true", err) : NULL;
	if (!images) {
		json_decref(used);
		return -1;
	}
	keep = kept(images, used, min_age_s);
	while (sweep(b, images, keep, dry, out, count, bytes) > 0 && !dry)
		continue;
	json_decref(keep);
	json_decref(images);
	json_decref(used);
	return 0;
}
