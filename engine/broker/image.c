/* Images of the platform: see image.h.  Importing the root file system is in image_import.c. */
#include "engine/broker/image.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/config.h"
#include "base/fetch.h"
#include "base/ipc.h"
#include "base/mem.h"
#include "engine/broker/check.h"
#include "engine/broker/image_facts.h"
#include "engine/broker/image_import.h"
#include "engine/broker/image_prune.h"
#include "engine/broker/pack.h"
#include "engine/broker/recipe.h"

#define LABELS_S 300
#define BUILD_RACES 5

/* The engine's progress: one JSON object per line. */
struct progress {
	struct buf part;
	struct line *out;
	char error[512];
};

static void progress_line(struct progress *p, const char *text, size_t len)
{
	json_t *j = json_loadb(text, len, 0, NULL);
	const char *s = docker_str(j, "stream"), *e = docker_str(j, "error");

	if (s[0])
		line_add(p->out, 1, s, strlen(s));
	if (e[0] && !p->error[0])
		snprintf(p->error, sizeof(p->error), "%.*s", (int)strcspn(e, "\n"), e);
	json_decref(j);
}

static int progress_cb(void *arg, const char *data, size_t n)
{
	struct progress *p = arg;
	char *end;

	if (buf_add(&p->part, data, n) < 0)
		return -1;
	while (p->part.len && (end = memchr(p->part.data, '\n', p->part.len))) {
		size_t len = (size_t)(end - p->part.data);

		progress_line(p, p->part.data, len);
		buf_drop(&p->part, len + 1);
	}
	return 0;
}

/* A container engine that is not `lab`'s has one socket for everything. */
static bool has_builder(const struct broker *b)
{
	struct stat st;

	return stat(b->builder.socket, &st) == 0;
}

static const char *builder(const struct broker *b)
{
	return has_builder(b) ? b->builder.socket : b->docker.socket;
}

/* Another container engine may want the name of a systemd slice there. */
static void build_url(const struct broker *b, const struct image_wish *w, const char *parent,
    char url[DOCKER_URL])
{
	json_t *labels = json_pack("{s:s, s:s}", "codinglab.image", w->id, RECIPE_PARENT, parent);
	char *text = json_dumps(labels, JSON_COMPACT);
	char ref[256], escaped[1024];
	bool own = has_builder(b);

	place_image(&b->place, w->id, NULL, ref, sizeof(ref));
	docker_escape(text ? text : "{}", escaped, sizeof(escaped));
	docker_url(url,
	    "/build?dockerfile=%s&t=%s&pull=false&rm=true&forcerm=true&labels=%s&memory=%lld%s%s",
	    w->file, ref, escaped, (long long)config_int("images.build_memory_mb") << 20,
	    own ? "&cgroupparent=" : "", own ? w->group : "");
	mem_free(text);
	json_decref(labels);
}

static int send_build_once(const char *socket, const char *url, const struct buf *tar, struct line *out,
    int timeout_s, struct cl_err *err)
{
	static const char *const headers[] = {"Content-Type: application/x-tar", NULL};
	struct progress p = {.out = out};
	struct fetch_request req = {
	    .method = "POST", .url = url, .unix_path = socket, .headers = headers,
	    .body = tar->data, .body_len = tar->len, .timeout_ms = timeout_s * 1000L,
	    .data_cb = progress_cb, .arg = &p,
	};
	struct fetch_reply reply = {0};
	int rc;

	buf_init(&p.part, 1 << 20);
	rc = fetch_run(&req, &reply, err);
	line_flush(out);
	if (rc == 0 && reply.status != 200)
		rc = docker_fail(err, reply.status, "image build", &reply.body);
	if (rc == 0 && p.error[0])
		rc = err_set(err, CL_FAILED, "image build: %s", p.error);
	buf_clear(&reply.body);
	buf_clear(&p.part);
	return rc;
}

/*
 * While a build looks whether a step is in the store already, another build or cleaning up may take away the
 * image that it looks at; the container engine gives up then.  Asked again it goes on from the steps that are whole.
 */
static int send_build(const char *socket, const char *url, const struct buf *tar, struct line *out,
    int timeout_s, struct cl_err *err)
{
	int rc = send_build_once(socket, url, tar, out, timeout_s, err);

	for (int i = 0; rc < 0 && i < BUILD_RACES && strstr(err->message, "layer not known"); i++) {
		err_clear(err);
		rc = send_build_once(socket, url, tar, out, timeout_s, err);
	}
	return rc;
}

/* Id of an image of ours as it is now; "" when there is none. */
static void digest_of(const struct broker *b, const char *id, char *out, size_t size)
{
	char url[DOCKER_URL], ref[256];
	json_t *j = NULL;

	out[0] = '\0';
	place_image(&b->place, id, NULL, ref, sizeof(ref));
	docker_url(url, "/images/%s/json", ref);
	if (docker_call(&b->docker, "GET", url, NULL, &j, NULL) == 200)
		snprintf(out, size, "%s", docker_str(j, "Id"));
	json_decref(j);
}

/* The last step: the same image with what is known of it as labels.  Only then is it current. */
static int build_labels(const struct broker *b, const char *folder, const char *file, const char *id,
    const struct recipe *r, struct line *out, struct cl_err *err)
{
	json_t *labels = image_facts_find(b, folder, id, err);
	cl_autofree char *text = NULL;
	char url[DOCKER_URL], ref[256], parent[128];
	struct buf tar;
	int rc;

	if (!labels)
		return -1;
	parent[0] = '\0';
	if (strcmp(r->parent, "rootfs") != 0) { /* no image of the list; in the recipe's hash */
		digest_of(b, r->parent, parent, sizeof(parent));
	} else if (image_import_labels(b, labels, err) < 0) {
		json_decref(labels);
		return -1;
	}
	json_object_set_new(labels, RECIPE_LABEL, json_string(r->hash));
	json_object_set_new(labels, RECIPE_FOLDER, json_string(folder));
	json_object_set_new(labels, RECIPE_FILE, json_string(file));
	json_object_set_new(labels, RECIPE_PARENT_DIGEST, json_string(parent));
	place_image(&b->place, id, NULL, ref, sizeof(ref));
	text = image_facts_recipe(ref, labels);
	json_decref(labels);
	buf_init(&tar, PACK_MIB << 20);
	docker_url(url, "/build?t=%s&pull=false&rm=true&forcerm=true", ref);
	rc = pack_text(&tar, "Dockerfile", text, err);
	if (rc == 0)
		rc = send_build(builder(b), url, &tar, out, LABELS_S, err);
	buf_clear(&tar);
	return rc;
}

/* images.from as image "rootfs".  By the engine for containers: nothing is mounted over the
 * certificates, which its packages are about to make. */
static int pull_rootfs(const struct broker *b, struct line *out, int timeout_s, struct cl_err *err)
{
	cl_autofree char *recipe = NULL, *script = NULL;
	char url[DOCKER_URL];
	struct buf tar;
	int rc;

	buf_init(&tar, PACK_MIB << 20);
	rc = image_import_recipe(b, &recipe, &script, err);
	if (rc == 0) {
		const struct pack_item items[] = {{"Dockerfile", recipe, NULL}, {"base-from", script, NULL}};

		rc = pack_folder(&tar, NULL, items, CL_COUNT(items), err);
	}
	if (rc == 0) {
		static const struct buf none = {0};
		struct cl_err why = {0};

		docker_url(url, "/images/create?fromImage=%s", config_str("images.from"));
		if (send_build(b->docker.socket, url, &none, out, timeout_s, &why) < 0) {
			cl_autofree char *text = mem_printf("not pulled (%s): one that is here is used",
			    why.message);

			line_text(out->sock, text, strlen(text));
		}
		docker_url(url, "/build?t=localhost/codinglab/rootfs:latest&pull=false&rm=true&forcerm=true");
		rc = send_build(b->docker.socket, url, &tar, out, timeout_s, err);
	}
	buf_clear(&tar);
	return rc;
}

static int take_rootfs(const struct broker *b, struct line *out, int timeout_s, struct cl_err *err)
{
	return config_str("images.from")[0] ? pull_rootfs(b, out, timeout_s, err) :
	    image_import_rootfs(b, out, err);
}

int image_build(const struct broker *b, const struct image_wish *w, struct line *out, char *digest,
    size_t size, struct cl_err *err)
{
	char url[DOCKER_URL];
	struct recipe r;
	int rc;

	if (strcmp(w->id, "base") == 0 && take_rootfs(b, out, w->timeout_s, err) < 0)
		return -1;
	rc = recipe_load(&r, b, w->folder, w->file, err);
	if (rc == 0) {
		build_url(b, w, r.parent, url);
		rc = send_build(builder(b), url, &r.context, out, w->timeout_s, err);
	}
	if (rc == 0)
		rc = build_labels(b, w->folder, w->file, w->id, &r, out, err);
	recipe_clear(&r);
	if (rc < 0)
		return -1;
	digest_of(b, w->id, digest, size);
	return digest[0] ? 0 : err_set(err, CL_FAILED, "image %s: the build left no image", w->id);
}

/* Our id of a listed image; -1 when it is not of this lab. */
static int id_of(const struct broker *b, const json_t *item, char *out, size_t size)
{
	const json_t *labels = json_object_get(item, "Labels");
	const char *owner = docker_str(labels, PLACE_LABEL), *tag;
	size_t i;
	json_t *j;

	if (!docker_str(labels, "codinglab.image")[0])
		return -1;
	if (owner[0] && strcmp(owner, b->place.instance) != 0)
		return -1;
	json_array_foreach(json_object_get(item, "RepoTags"), i, j) {
		tag = json_string_value(j);
		if (tag && place_image_id(&b->place, tag, out, size) == 0)
			return 0;
	}
	if (!owner[0])
		return -1; /* a stack's former image, replaced by a newer build */
	snprintf(out, size, "%.*s", (int)size - 1, docker_str(labels, "codinglab.image"));
	return 0;
}

/* What a listing is told with. */
struct listing {
	const struct broker *b;
	int sock;
	json_t *digests; /* by id, of the images that have a name */
	json_t *used;    /* containers by digest */
};

/* Only a stack's image has a recipe; an application's has inherited the labels of one. */
static bool is_current(const struct listing *l, const char *id, const json_t *item)
{
	const json_t *labels = json_object_get(item, "Labels");

	return !strchr(id, '/') && recipe_is_current(l->b, labels,
	    docker_str(l->digests, docker_str(labels, RECIPE_PARENT)));
}

static void send_image(const struct listing *l, const char *id, const char *tag, const json_t *item)
{
	/* of a stack's image; an application's has inherited them */
	cl_autofree char *labels = strchr(id, '/') ? NULL : image_facts_short(json_object_get(item, "Labels"));
	struct ipc_out m;

	ipc_begin(&m, BROKER_IMAGE);
	ipc_put_str(&m, id);
	ipc_put_str(&m, tag);
	ipc_put_str(&m, docker_str(item, "Id"));
	ipc_put_str(&m, docker_str(json_object_get(item, "Labels"), RECIPE_PARENT));
	ipc_put_i64(&m, docker_int(item, "Size"));
	ipc_put_i64(&m, docker_int(item, "Created") * 1000);
	ipc_put_i32(&m, (int)docker_int(l->used, docker_str(item, "Id")));
	ipc_put_u32(&m, is_current(l, id, item));
	ipc_put_str(&m, labels ? labels : "");
	ipc_send(l->sock, &m);
}

/* One message for each name; an image of ours without one is told by its label. */
static void send_names(const struct listing *l, const json_t *item)
{
	char id[64], name[64];
	bool told = false;
	size_t i;
	json_t *j;

	if (id_of(l->b, item, id, sizeof(id)) < 0)
		return;
	json_array_foreach(json_object_get(item, "RepoTags"), i, j) {
		const char *ref = json_string_value(j), *colon = ref ? strrchr(ref, ':') : NULL;

		if (!colon || place_image_id(&l->b->place, ref, name, sizeof(name)) < 0)
			continue;
		send_image(l, name, colon + 1, item);
		told = true;
	}
	if (!told)
		send_image(l, id, "", item);
}

static json_t *digests_by_id(const struct broker *b, const json_t *list)
{
	json_t *o = json_object(), *item;
	char id[64];
	size_t i;

	json_array_foreach(list, i, item)
		if (id_of(b, item, id, sizeof(id)) == 0)
			json_object_set_new(o, id, json_string(docker_str(item, "Id")));
	return o;
}

int image_list(const struct broker *b, int sock, struct cl_err *err)
{
	char query[160] = "filters=", *filter = query + strlen("filters=");
	struct listing l = {.b = b, .sock = sock};
	json_t *list, *item;
	size_t i;

	docker_escape("{\"label\":[\"codinglab.image\"]}", filter, sizeof(query) - strlen("filters="));
	l.used = image_prune_used(b, err);
	list = l.used ? docker_images(&b->docker, query, err) : NULL;
	l.digests = digests_by_id(b, list);
	json_array_foreach(list, i, item)
		send_names(&l, item);
	json_decref(l.used);
	json_decref(l.digests);
	if (!list)
		return -1;
	json_decref(list);
	return 0;
}

int image_remove(const struct broker *b, const char *id, struct cl_err *err)
{
	char url[DOCKER_URL], ref[256], own[64];
	json_t *j = NULL, *item;
	int rc;

	place_image_ref(&b->place, id, ref, sizeof(ref));
	docker_url(url, "/images/%s/json", ref);
	if (docker_call(&b->docker, "GET", url, NULL, &j, err) != 200) {
		json_decref(j);
		return err_set(err, CL_NOT_FOUND, "image %s: there is none", id);
	}
	/* inspect has labels one level deeper than the list */
	item = json_pack("{s:O?, s:O?}", "RepoTags", json_object_get(j, "RepoTags"), "Labels",
	    json_object_get(json_object_get(j, "Config"), "Labels"));
	rc = id_of(b, item, own, sizeof(own));
	json_decref(item);
	json_decref(j);
	if (rc < 0)
		return err_set(err, CL_NOT_FOUND, "image %s: there is none", id);
	docker_url(url, "/images/%s", ref);
	rc = docker_call(&b->docker, "DELETE", url, NULL, NULL, err);
	if (rc == 409)
		return -1;
	return rc == 200 ? 0 : err_set(err, CL_FAILED, "image %s: not removed", id);
}
