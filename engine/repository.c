/* Requests to the registry's HTTP API: see repository.h. */
#include "engine/repository.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/fetch.h"
#include "base/mem.h"

#define PAGE 500
#define MANIFEST_MAX (4u << 20)
#define LAYERS_MAX 1000
#define SIZE_MAX_SANE (INT64_C(1) << 44)
#define CALL_MS 30000
#define MANIFESTS "application/vnd.oci.image.manifest.v1+json, " \
	"application/vnd.docker.distribution.manifest.v2+json"

struct place {
	char base[256];   /* "http://127.0.0.1:5000" */
	char prefix[128]; /* "lab/" before each repository, or "" */
	char auth[512];   /* header; wiped by place_clear() */
};

struct page {             /* names of repositories or tags */
	char **items;
	size_t n;
};

static int place_load(struct place *p, struct cl_err *err);
static void place_clear(struct place *p);
static int call(const struct place *p, const char *method, const char *path,
    struct fetch_reply *reply, struct cl_err *err);
static json_t *get_json(const struct place *p, const char *path, struct cl_err *err);
static int names(const struct place *p, const char *path, const char *key, struct page *out,
    struct cl_err *err);
static void names_clear(struct page *l);
static int list_tags(const struct place *p, const char *name, struct backend_stored_list *out,
    struct cl_err *err);
static int get_stored(const struct place *p, const char *repository, const char *reference,
    struct backend_stored *out, struct cl_err *err);
static int read_manifest(struct backend_stored *out, const char *text, size_t len,
    char config[BACKEND_DIGEST], struct cl_err *err);
static int read_config(const struct place *p, const char *digest, struct backend_stored *out,
    struct cl_err *err);
static void hash(const char *text, size_t len, char out[BACKEND_DIGEST]);
static bool is_digest(const char *s);

bool repository_have(void)
{
	return config_str("registry.url")[0] != '\0' || config_int("registry.port") > 0;
}

int repository_list(struct backend_stored_list *out, struct cl_err *err)
{
	struct page repositories = { 0 };
	struct place p;
	int rc;

	*out = (struct backend_stored_list){ 0 };
	if (place_load(&p, err) != 0)
		return -1;
	rc = names(&p, "/v2/_catalog", "repositories", &repositories, err);
	for (size_t i = 0; i < repositories.n && rc == 0; i++) {
		const char *name = repositories.items[i];
		size_t n = strlen(p.prefix);

		if (strncmp(name, p.prefix, n) == 0)
			rc = list_tags(&p, name + n, out, err);
	}
	names_clear(&repositories);
	place_clear(&p);
	if (rc != 0)
		backend_stored_clear(out);
	return rc;
}

int repository_get(const char *repository, const char *reference, struct backend_stored *out,
    struct cl_err *err)
{
	struct place p;
	int rc;

	if (place_load(&p, err) != 0)
		return -1;
	rc = get_stored(&p, repository, reference, out, err);
	place_clear(&p);
	return rc;
}

int repository_check(const char *repository, const char *tag, const char *told, char *digest,
    size_t size, struct cl_err *err)
{
	struct backend_stored s;

	if (repository_get(repository, tag, &s, err) != 0)
		return -1;
	if (told[0] != '\0' && strcmp(told, s.digest) != 0)
		return err_set(err, CL_CONFLICT, "repository: %s:%s is another image than was pushed",
		    repository, tag);
	return mem_copy_str(digest, size, s.digest) == 0 ? 0 :
	    err_set(err, CL_FAILED, "repository: no room for a digest");
}

int repository_remove(const char *repository, const char *digest, struct cl_err *err)
{
	struct fetch_reply reply = { 0 };
	struct place p;
	char path[512];
	int rc;

	if (!is_digest(digest))
		return err_set(err, CL_USAGE, "repository: %s is no digest", digest);
	if (place_load(&p, err) != 0)
		return -1;
	(void)snprintf(path, sizeof(path), "/v2/%s%s/manifests/%s", p.prefix, repository, digest);
	rc = call(&p, "DELETE", path, &reply, err);
	if (rc == 0 && reply.status != 202 && reply.status != 404)
		rc = err_set(err, CL_FAILED, "repository: removing %s answered %d", repository,
		    reply.status);
	buf_clear(&reply.body);
	place_clear(&p);
	return rc;
}

/* --- where ------------------------------------------------------------------------------------ */

static int place_password(char *out, size_t size, struct cl_err *err)
{
	cl_autoclose int fd = open(config_str("registry.password_file"), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);

	if (n <= 0) {
		err_errno(err, CL_PRECONDITION, "repository: %s", config_str("registry.password_file"));
		return err_hint(err, "./lab up makes it, or registry.password_file names another");
	}
	out[n] = '\0';
	out[strcspn(out, "\r\n")] = '\0';
	return 0;
}

static int place_load(struct place *p, struct cl_err *err)
{
	const char *url = config_str("registry.url"), *host, *slash;
	char password[256], plain[384];

	memset(p, 0, sizeof(*p));
	if (!repository_have()) {
		err_set(err, CL_PRECONDITION, "repository: there is none");
		return err_hint(err, "./lab up starts one, or set registry.url");
	}
	if (url[0] == '\0') {
		(void)snprintf(p->base, sizeof(p->base), "http://127.0.0.1:%lld",
		    (long long)config_int("registry.port"));
	} else {
		host = strstr(url, "://");
		slash = host != NULL ? strchr(host + 3, '/') : NULL;
		if (host == NULL || strlen(url) >= sizeof(p->base))
			return err_set(err, CL_USAGE, "registry.url: it is http(s)://HOST[:PORT][/PREFIX]");
		(void)snprintf(p->base, sizeof(p->base), "%.*s",
		    slash != NULL ? (int)(slash - url) : (int)strlen(url), url);
		if (slash != NULL && slash[1] != '\0')
			(void)snprintf(p->prefix, sizeof(p->prefix), "%.120s%s", slash + 1,
			    url[strlen(url) - 1] == '/' ? "" : "/");
	}
	if (place_password(password, sizeof(password), err) != 0)
		return -1;
	(void)snprintf(plain, sizeof(plain), "%.100s:%s", config_str("registry.user"), password);
	(void)snprintf(p->auth, sizeof(p->auth), "Authorization: Basic ");
	sodium_bin2base64(p->auth + strlen(p->auth), sizeof(p->auth) - strlen(p->auth),
	    (const unsigned char *)plain, strlen(plain), sodium_base64_VARIANT_ORIGINAL);
	mem_wipe(password, sizeof(password));
	mem_wipe(plain, sizeof(plain));
	return 0;
}

static void place_clear(struct place *p)
{
	mem_wipe(p, sizeof(*p));
}

/* --- requests --------------------------------------------------------------------------------- */

static int call(const struct place *p, const char *method, const char *path,
    struct fetch_reply *reply, struct cl_err *err)
{
	const char *const headers[] = { p->auth, "Accept: " MANIFESTS, NULL };
	cl_autofree char *url = mem_printf("%s%s", p->base, path);
	struct fetch_request req = { .method = method, .url = url, .headers = headers,
		.max_reply = MANIFEST_MAX, .timeout_ms = CALL_MS };
	struct cl_err why = { 0 };

	if (fetch_run(&req, reply, &why) != 0) {
		buf_clear(&reply->body);
		err_set(err, why.code == CL_TOO_LARGE ? CL_TOO_LARGE : CL_UNAVAILABLE,
		    "repository: the registry does not answer at %s: %s", p->base, why.message);
		return err_hint(err, "./lab up starts it; its log is registry.log");
	}
	if (reply->status != 401 && reply->status != 403)
		return 0;
	buf_clear(&reply->body);
	err_set(err, CL_FORBIDDEN, "repository: the registry does not accept our account (%s)",
	    p->base);
	return err_hint(err, "registry.user and registry.password_file must be an account of it");
}

static json_t *get_json(const struct place *p, const char *path, struct cl_err *err)
{
	struct fetch_reply reply = { 0 };
	json_t *j = NULL;

	if (call(p, "GET", path, &reply, err) != 0)
		return NULL;
	if (reply.status == 404)
		err_set(err, CL_NOT_FOUND, "repository: it has no %s", path);
	else if (reply.status != 200)
		err_set(err, CL_FAILED, "repository: %s answered %d", path, reply.status);
	else if ((j = json_loadb(reply.body.data != NULL ? reply.body.data : "", reply.body.len, 0,
	    NULL)) == NULL)
		err_set(err, CL_FAILED, "repository: %s is no JSON", path);
	buf_clear(&reply.body);
	return j;
}

static bool plain_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/");

	return n > 0 && n < 128 && s[n] == '\0' && strstr(s, "..") == NULL && s[0] != '/';
}

/* One page into out, of names behind `last` where that is not "": how many; < 0 with err.  The
 * greatest name goes to last.  Tags come unsorted, and from some registries in one page. */
static int names_page(const struct place *p, const char *url, const char *key, char last[128],
    struct page *out, size_t *listed, struct cl_err *err)
{
	json_t *j = get_json(p, url, err), *list = json_object_get(j, key), *item;
	char behind[128];
	size_t i;
	int got = 0;

	if (j == NULL)
		return -1;
	(void)mem_copy_str(behind, sizeof(behind), last);
	json_array_foreach(list, i, item) {
		const char *s = json_string_value(item);

		if (s == NULL || !plain_name(s) || strcmp(s, behind) <= 0)
			continue;
		if (out->n >= REPOSITORY_TAGS_MAX) {
			json_decref(j);
			return err_set(err, CL_TOO_LARGE, "repository: a list without end");
		}
		out->items = mem_resize(out->items, out->n + 1, sizeof(*out->items));
		out->items[out->n++] = mem_strdup(s);
		if (strcmp(s, last) > 0)
			(void)mem_copy_str(last, 128, s);
		got++;
	}
	*listed = json_array_size(list);
	json_decref(j);
	return got;
}

static int names(const struct place *p, const char *path, const char *key, struct page *out,
    struct cl_err *err)
{
	char url[512], last[128] = "";

	for (;;) {
		size_t listed;
		int got;

		(void)snprintf(url, sizeof(url), "%s?n=%d%s%s", path, PAGE,
		    last[0] != '\0' ? "&last=" : "", last);
		got = names_page(p, url, key, last, out, &listed, err);
		if (got < 0)
			return -1;
		if (got == 0 || listed < PAGE)
			return 0;
	}
}

static void names_clear(struct page *l)
{
	for (size_t i = 0; i < l->n; i++)
		mem_free(l->items[i]);
	mem_free(l->items);
}

static int list_tags(const struct place *p, const char *name, struct backend_stored_list *out,
    struct cl_err *err)
{
	struct page tags = { 0 };
	struct cl_err why = { 0 };
	char path[300];
	int rc;

	(void)snprintf(path, sizeof(path), "/v2/%s%s/tags/list", p->prefix, name);
	rc = names(p, path, "tags", &tags, &why);
	for (size_t i = 0; i < tags.n && rc == 0; i++) {
		struct backend_stored s;

		rc = get_stored(p, name, tags.items[i], &s, &why);
		if (rc != 0 && why.code == CL_NOT_FOUND) { /* removed meanwhile, or never whole */
			err_clear(&why);
			rc = 0;
			continue;
		}
		if (rc != 0 || out->n >= REPOSITORY_TAGS_MAX)
			break;
		out->items = mem_resize(out->items, out->n + 1, sizeof(s));
		out->items[out->n++] = s;
	}
	names_clear(&tags);
	if (rc == 0 || why.code == CL_NOT_FOUND) /* a repository whose tags are all gone */
		return 0;
	err_set(err, why.code, "%s", why.message);
	return why.hint[0] != '\0' ? err_hint(err, "%s", why.hint) : -1;
}

/* --- one image -------------------------------------------------------------------------------- */

static int get_stored(const struct place *p, const char *repository, const char *reference,
    struct backend_stored *out, struct cl_err *err)
{
	struct fetch_reply reply = { 0 };
	char path[512], config[BACKEND_DIGEST];
	int rc = 0;

	memset(out, 0, sizeof(*out));
	(void)mem_copy_str(out->repository, sizeof(out->repository), repository);
	if (strncmp(reference, "sha256:", 7) != 0)
		(void)mem_copy_str(out->tag, sizeof(out->tag), reference);
	(void)snprintf(path, sizeof(path), "/v2/%s%s/manifests/%s", p->prefix, repository, reference);
	if (call(p, "GET", path, &reply, err) != 0)
		return -1;
	if (reply.status == 404)
		rc = err_set(err, CL_NOT_FOUND, "repository: there is no %s:%s", repository, reference);
	else if (reply.status != 200)
		rc = err_set(err, CL_FAILED, "repository: %s:%s answered %d", repository, reference,
		    reply.status);
	if (rc == 0) {
		hash(reply.body.data != NULL ? reply.body.data : "", reply.body.len, out->digest);
		if (is_digest(reference) && strcmp(reference, out->digest) != 0)
			rc = err_set(err, CL_FAILED, "repository: %s answered with something else: %s",
			    reference, out->digest);
	}
	if (rc == 0)
		rc = read_manifest(out, reply.body.data != NULL ? reply.body.data : "",
		    reply.body.len, config, err);
	buf_clear(&reply.body);
	if (rc == 0)
		rc = read_config(p, config, out, err);
	return rc;
}

/* One "digest" and "size" of a manifest; the size is added. */
static int read_part(const json_t *part, int64_t *size, char digest[BACKEND_DIGEST])
{
	const char *s = json_string_value(json_object_get(part, "digest"));
	json_t *length = json_object_get(part, "size");
	json_int_t n = json_integer_value(length);

	if (s == NULL || !is_digest(s) || !json_is_integer(length) || n < 0 || n > SIZE_MAX_SANE)
		return -1;
	*size += n;
	(void)mem_copy_str(digest, BACKEND_DIGEST, s);
	return 0;
}

static int read_manifest(struct backend_stored *out, const char *text, size_t len,
    char config[BACKEND_DIGEST], struct cl_err *err)
{
	json_t *j = json_loadb(text, len, 0, NULL), *layers = json_object_get(j, "layers"), *l;
	char digest[BACKEND_DIGEST];
	size_t i;
	int rc = -1;

	out->size = (int64_t)len;
	if (json_array_size(layers) <= LAYERS_MAX)
		rc = read_part(json_object_get(j, "config"), &out->size, config);
	json_array_foreach(layers, i, l)
		if (rc == 0)
			rc = read_part(l, &out->size, digest);
	out->layers = (int)json_array_size(layers);
	json_decref(j);
	(void)mem_copy_str(out->image, sizeof(out->image), config);
	return rc == 0 ? 0 : err_set(err, CL_FAILED, "repository: %s: its manifest is none",
	    out->repository);
}

/* The image's config, whose hash is the image's own digest: parent and date. */
static int read_config(const struct place *p, const char *digest, struct backend_stored *out,
    struct cl_err *err)
{
	struct fetch_reply reply = { 0 };
	char path[512], have[BACKEND_DIGEST];
	const char *created, *parent;
	json_t *j;
	int rc = 0;

	(void)snprintf(path, sizeof(path), "/v2/%s%s/blobs/%s", p->prefix, out->repository, digest);
	if (call(p, "GET", path, &reply, err) != 0)
		return -1;
	hash(reply.body.data != NULL ? reply.body.data : "", reply.body.len, have);
	if (reply.status == 404)
		rc = err_set(err, CL_NOT_FOUND, "repository: %s: its config is not there",
		    out->repository);
	else if (reply.status != 200 || strcmp(have, digest) != 0)
		rc = err_set(err, CL_FAILED, "repository: %s: its config is another one",
		    out->repository);
	j = rc == 0 ? json_loadb(reply.body.data, reply.body.len, 0, NULL) : NULL;
	created = json_string_value(json_object_get(j, "created"));
	parent = json_string_value(json_object_get(json_object_get(json_object_get(j, "config"),
	    "Labels"), "codinglab.parent"));
	if (created != NULL)
		out->created_ms = clock_parse(created);
	if (parent != NULL && plain_name(parent))
		(void)mem_copy_str(out->parent, sizeof(out->parent), parent);
	json_decref(j);
	buf_clear(&reply.body);
	return rc;
}

static void hash(const char *text, size_t len, char out[BACKEND_DIGEST])
{
	unsigned char raw[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(raw, (const unsigned char *)text, len);
	(void)snprintf(out, BACKEND_DIGEST, "sha256:");
	sodium_bin2hex(out + 7, BACKEND_DIGEST - 7, raw, sizeof(raw));
}

static bool is_digest(const char *s)
{
	return strncmp(s, "sha256:", 7) == 0 && strlen(s) == BACKEND_DIGEST - 1 &&
	    strspn(s + 7, "0123456789abcdef") == 64;
}
