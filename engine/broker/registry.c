/* Push and pull through the container engine: see registry.h. */
#include "engine/broker/registry.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fetch.h"
#include "base/mem.h"
#include "engine/broker/check.h"
#include "engine/broker/registry_store.h"

#define PROGRESS_MAX (1u << 20)
#define REF_MAX 384

/* The container engine's account of a transfer: one JSON object per line. */
struct transfer {
	struct buf part;
	struct line *out;
	char last[256];   /* the last line told: they come again and again */
	char error[1024];
	char digest[REGISTRY_DIGEST];
};

/* "sha256:..." in a text, or "". */
static void find_digest(const char *s, char out[REGISTRY_DIGEST])
{
	const char *at = strstr(s, "sha256:");

	snprintf(out, REGISTRY_DIGEST, "%.71s", at ? at : "");
	if (!check_digest(out))
		out[0] = '\0';
}

static void tell(struct transfer *t, const char *status, const char *id)
{
	char text[256];

	snprintf(text, sizeof(text), "%.120s%s%.80s", status, id[0] ? " " : "", id);
	if (strcmp(text, t->last) == 0)
		return;
	mem_copy_str(t->last, sizeof(t->last), text);
	line_text(t->out->sock, text, strlen(text));
}

static void transfer_line(struct transfer *t, const char *text, size_t len)
{
	json_t *j = json_loadb(text, len, 0, NULL);
	const char *status = docker_str(j, "status"), *e = docker_str(j, "error");
	const char *aux = docker_str(json_object_get(j, "aux"), "Digest");

	if (strstr(status, "digest: "))
		find_digest(status, t->digest);
	else if (aux[0])
		find_digest(aux, t->digest);
	else if (status[0] && json_object_size(json_object_get(j, "progressDetail")) == 0)
		tell(t, status, docker_str(j, "id"));
	if (e[0] && !t->error[0])
		mem_copy_str(t->error, sizeof(t->error), e);
	json_decref(j);
}

static int transfer_cb(void *arg, const char *data, size_t n)
{
	struct transfer *t = arg;
	char *end;

	if (buf_add(&t->part, data, n) < 0)
		return -1;
	while (t->part.len && (end = memchr(t->part.data, '\n', t->part.len))) {
		size_t len = (size_t)(end - t->part.data);

		transfer_line(t, t->part.data, len);
		buf_drop(&t->part, len + 1);
	}
	return 0;
}

/* The header with account and password; wiped by the caller. */
static int auth_header(const struct broker *b, char *out, size_t size, struct cl_err *err)
{
	static const char name[] = "X-Registry-Auth: ";
	cl_autoclose int fd = open(b->place.registry_password, O_RDONLY | O_CLOEXEC);
	char password[256];
	ssize_t n = fd < 0 ? -1 : read(fd, password, sizeof(password) - 1);
	char *text;
	json_t *j;

	if (n <= 0) {
		err_errno(err, CL_PRECONDITION, "repository: %s", b->place.registry_password);
		return err_hint(err, "./lab up makes it, or registry.password_file names another");
	}
	password[n] = '\0';
	password[strcspn(password, "\r\n")] = '\0';
	j = json_pack("{s:s, s:s}", "username", b->place.registry_user, "password", password);
	text = j ? json_dumps(j, JSON_COMPACT) : NULL;
	json_decref(j);
	mem_wipe(password, sizeof(password));
	snprintf(out, size, "%s", name);
	if (!text || sodium_base64_ENCODED_LEN(strlen(text), sodium_base64_VARIANT_URLSAFE) >
	    size - sizeof(name))
		n = -1;
	else
		sodium_bin2base64(out + sizeof(name) - 1, size - sizeof(name),
		    (const unsigned char *)text, strlen(text), sodium_base64_VARIANT_URLSAFE);
	if (text)
		mem_wipe(text, strlen(text));
	mem_free(text);
	return n < 0 ? err_set(err, CL_USAGE, "repository: the password is no text") : 0;
}

static int transfer(const struct broker *b, const char *url, const char *what,
    struct transfer *t, int timeout_s, struct cl_err *err)
{
	char auth[1024];
	const char *const headers[] = {auth, "Content-Type: application/json", NULL};
	struct fetch_request req = {
	    .method = "POST", .url = url, .unix_path = b->docker.socket, .headers = headers,
	    .timeout_ms = timeout_s * 1000L, .data_cb = transfer_cb, .arg = t,
	};
	struct fetch_reply reply = {0};
	struct cl_err why = {0};
	int rc;

	if (auth_header(b, auth, sizeof(auth), err) < 0)
		return -1;
	buf_init(&t->part, PROGRESS_MAX);
	rc = fetch_run(&req, &reply, &why);
	mem_wipe(auth, sizeof(auth));
	if (rc < 0 && why.code == CL_TIMEOUT)
		err_set(err, CL_TIMEOUT, "%s: not done after %d s", what, timeout_s);
	else if (rc < 0)
		err_set(err, CL_UNAVAILABLE, "%s: the container engine ended it: %s", what,
		    why.message);
	else if (reply.status != 200)
		rc = docker_fail(err, reply.status, what, &reply.body);
	else if (t->error[0])
		rc = registry_reason(b, what, t->error, err);
	buf_clear(&reply.body);
	buf_clear(&t->part);
	return rc;
}

int registry_reason(const struct broker *b, const char *what, const char *words,
    struct cl_err *err)
{
	static const struct {
		const char *words;
		enum cl_code code;
		const char *says, *hint;
	} known[] = {
	    {"no space left", CL_FAILED, "No space left for the repository",
		"Free space on its disk, or: image gc"},
	    {"unauthorized", CL_FORBIDDEN, "the registry does not accept our account",
		"registry.user and registry.password_file must be an account of it"},
	    {"authentication required", CL_FORBIDDEN, "the registry does not accept our account",
		"registry.user and registry.password_file must be an account of it"},
	    {"denied", CL_FORBIDDEN, "the registry does not let us", "Look at its rules"},
	    {"manifest unknown", CL_NOT_FOUND, "it is not in the repository", ""},
	    {"name unknown", CL_NOT_FOUND, "it is not in the repository", ""},
	    {"connection refused", CL_UNAVAILABLE, "the registry does not answer",
		"./lab up starts it; its log is registry.log"},
	    {"connection reset", CL_UNAVAILABLE, "the registry broke off", "It is tried again"},
	    {"EOF", CL_UNAVAILABLE, "the registry broke off", "It is tried again"},
	    {"broken pipe", CL_UNAVAILABLE, "the registry broke off", "It is tried again"},
	    {"closed", CL_UNAVAILABLE, "the registry broke off", "It is tried again"},
	    {"timeout", CL_UNAVAILABLE, "the registry does not answer",
		"Is it there, and the way to it open?"},
	    {"no such host", CL_UNAVAILABLE, "the registry's name is not known",
		"registry.url names it"},
	    {"pinging container registry", CL_UNAVAILABLE, "the registry does not answer",
		"./lab up starts it; its log is registry.log"},
	};

	if (registry_store_full(b))
		words = "no space left";
	for (size_t i = 0; i < CL_COUNT(known); i++) {
		if (!strcasestr(words, known[i].words))
			continue;
		err_set(err, known[i].code, "%s: %s (%s)", what, known[i].says, b->place.registry);
		return known[i].hint[0] ? err_hint(err, "%s", known[i].hint) : -1;
	}
	return err_set(err, CL_FAILED, "%s: %.300s", what, words);
}

static int need_registry(const struct broker *b, struct cl_err *err)
{
	if (b->place.registry[0])
		return 0;
	err_set(err, CL_PRECONDITION, "repository: there is none");
	return err_hint(err, "./lab up starts one, or set registry.url");
}

static size_t count_names(const struct broker *b, const char *ref)
{
	char url[DOCKER_URL];
	json_t *j = NULL;
	size_t n;

	docker_url(url, "/images/%s/json", ref);
	docker_call(&b->docker, "GET", url, NULL, &j, NULL);
	n = json_array_size(json_object_get(j, "RepoTags"));
	json_decref(j);
	return n;
}

/*
 * The name that a push needs goes again.  An image pushed by a name of ours has lost that one only
 * by being removed meanwhile, and then goes with this one; one pushed by its digest may have no other.
 */
void registry_push_clean(const struct broker *b, const char *image, const char *repository,
    const char *tag)
{
	char url[DOCKER_URL], ref[REF_MAX];

	snprintf(ref, sizeof(ref), "%s/%s:%s", b->place.registry, repository, tag);
	if (check_digest(image) && count_names(b, ref) < 2)
		return;
	docker_url(url, "/images/%s", ref);
	docker_call(&b->docker, "DELETE", url, NULL, NULL, NULL);
}

static int push(const struct broker *b, const char *image, const char *repository,
    const char *tag, struct transfer *t, int timeout_s, struct cl_err *err)
{
	char url[DOCKER_URL], ref[REF_MAX];
	int rc;

	place_image_ref(&b->place, image, ref, sizeof(ref));
	docker_url(url, "/images/%s/tag?repo=%s/%s&tag=%s", ref, b->place.registry, repository, tag);
	rc = docker_call(&b->docker, "POST", url, NULL, NULL, err);
	if (rc < 0 || rc == 404)
		return err_set(err, CL_NOT_FOUND, "image %s: there is none", image);
	if (rc == 409)
		return -1;
	docker_url(url, "/images/%s/%s/push?tag=%s%s", b->place.registry, repository, tag,
	    b->place.registry_plain ? "&tlsVerify=false" : "");
	rc = transfer(b, url, "push", t, timeout_s, err);
	registry_push_clean(b, image, repository, tag);
	return rc;
}

int registry_push(const struct broker *b, const char *image, const char *repository,
    const char *tag, struct line *out, int timeout_s, char digest[REGISTRY_DIGEST],
    struct cl_err *err)
{
	struct transfer t = {.out = out};
	int lock, rc;

	if (need_registry(b, err) < 0 || (lock = registry_store_share(b, out, err)) < -1)
		return -1;
	rc = push(b, image, repository, tag, &t, timeout_s, err);
	if (rc < 0)
		registry_store_tidy(b, lock);
	if (lock >= 0)
		close(lock);
	mem_copy_str(digest, REGISTRY_DIGEST, t.digest);
	if (rc == 0 && !digest[0])
		rc = err_set(err, CL_FAILED, "push: the container engine gave no digest");
	return rc;
}

static int image_id(const struct broker *b, const char *ref, char image[REGISTRY_DIGEST],
    struct cl_err *err)
{
	char url[DOCKER_URL];
	json_t *j = NULL;
	int rc;

	docker_url(url, "/images/%s/json", ref);
	rc = docker_call(&b->docker, "GET", url, NULL, &j, err);
	find_digest(docker_str(j, "Id"), image);
	json_decref(j);
	return rc == 200 && image[0] ? 0 : err_set(err, CL_FAILED, "pull: no image came of it");
}

int registry_pull(const struct broker *b, const char *repository, const char *digest,
    const char *id, const char *tag, struct line *out, int timeout_s,
    char image[REGISTRY_DIGEST], struct cl_err *err)
{
	char url[DOCKER_URL], ref[REF_MAX], name[256];
	struct transfer t = {.out = out};

	image[0] = '\0';
	if (need_registry(b, err) < 0)
		return -1;
	docker_url(url, "/images/create?fromImage=%s/%s&tag=%s", b->place.registry, repository, digest);
	if (transfer(b, url, "pull", &t, timeout_s, err) < 0)
		return -1;
	snprintf(ref, sizeof(ref), "%s/%s@%s", b->place.registry, repository, digest);
	if (image_id(b, ref, image, err) < 0)
		return -1;
	place_image(&b->place, id, tag[0] ? tag : NULL, name, sizeof(name));
	name[strlen(name) - strlen(tag[0] ? tag : "latest") - 1] = '\0';
	docker_url(url, "/images/%s/tag?repo=%s&tag=%s", image, name, tag[0] ? tag : "latest");
	return docker_call(&b->docker, "POST", url, NULL, NULL, err) == 201 ? 0
	    : err_set(err, CL_FAILED, "pull: the image could not be named %s", id);
}
