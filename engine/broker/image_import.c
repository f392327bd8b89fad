/* What the base image begins from: see image_import.h. */
#include "engine/broker/image_import.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config.h"
#include "base/fetch.h"
#include "base/mem.h"
#include "base/path.h"

#define IMPORT_MS 600000
#define SCRIPT "base-from"
#define SCRIPT_MAX 65536
#define REF_MAX 200
#define BASE_DEFAULT "debian-13" /* of a file system made before they said what they are */

static size_t read_cb(void *arg, char *data, size_t size)
{
	ssize_t n;

	do
		n = read(*(int *)arg, data, size);
	while (n < 0 && errno == EINTR);
	return n < 0 ? (size_t)-1 : (size_t)n;
}

static bool imported(const struct broker *b, const char *mark)
{
	char url[DOCKER_URL], ref[256];
	json_t *j = NULL;
	bool same;

	place_image(&b->place, "rootfs", NULL, ref, sizeof(ref));
	docker_url(url, "/images/%s/json", ref);
	docker_call(&b->docker, "GET", url, NULL, &j, NULL);
	same = strcmp(docker_str(json_object_get(json_object_get(j, "Config"), "Labels"),
	    "codinglab.rootfs"), mark) == 0;
	json_decref(j);
	return same;
}

int image_import_rootfs(const struct broker *b, struct line *out, struct cl_err *err)
{
	static const char *const headers[] = {"Content-Type: application/x-tar", NULL};
	static const char says[] = "importing the base's file system";
	cl_autoclose int fd = open(b->place.rootfs, O_RDONLY | O_CLOEXEC);
	char url[DOCKER_URL], mark[64], change[128], escaped[384];
	struct fetch_reply reply = {0};
	struct fetch_request req = {
	    .method = "POST", .url = url, .unix_path = b->docker.socket, .headers = headers,
	    .read_cb = read_cb, .arg = &fd, .timeout_ms = IMPORT_MS,
	};
	struct stat st;
	int rc;

	if (fd < 0 || fstat(fd, &st) < 0) {
		err_errno(err, CL_PRECONDITION, "%s", b->place.rootfs);
		return err_hint(err, "images/base-rootfs makes it; ./lab up does so");
	}
	snprintf(mark, sizeof(mark), "%lld-%lld", (long long)st.st_size, (long long)st.st_mtime);
	if (imported(b, mark))
		return 0;
	line_text(out->sock, says, sizeof(says) - 1);
	snprintf(change, sizeof(change), "LABEL codinglab.rootfs=%s", mark);
	docker_escape(change, escaped, sizeof(escaped));
	docker_url(url, "/images/create?fromSrc=-&repo=localhost/codinglab/rootfs&tag=latest"
	    "&changes=%s", escaped);
	rc = fetch_run(&req, &reply, err);
	if (rc == 0 && reply.status != 200)
		rc = docker_fail(err, reply.status, "image import", &reply.body);
	buf_clear(&reply.body);
	return rc;
}

int image_import_recipe(const struct broker *b, char **recipe, char **script, struct cl_err *err)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./:@_-";
	const char *from = config_str("images.from"), *base = config_str("images.base");
	cl_autoclose int root = path_root(b->place.images, err);
	size_t len;

	*recipe = *script = NULL;
	if (strlen(from) > REF_MAX || strchr("./:@_-", from[0]) || from[strspn(from, plain)] ||
	    base[strspn(base, plain)])
		return err_set(err, CL_USAGE, "images.from: %.80s: it is NAME:TAG or NAME@sha256:...", from);
	*script = root < 0 ? NULL : path_read(root, SCRIPT, SCRIPT_MAX, &len, err);
	if (!*script)
		return -1;
	*recipe = mem_printf("FROM %s\nUSER 0\nCOPY " SCRIPT " /usr/share/codinglab/" SCRIPT "\n"
	    "RUN sh /usr/share/codinglab/" SCRIPT " %s\nLABEL codinglab.rootfs=from\n", from, base);
	return 0;
}

/* "sha256:..." of the file, or "". */
static void file_digest(const char *path, char *out, size_t size)
{
	unsigned char raw[crypto_hash_sha256_BYTES], part[1 << 16];
	cl_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	crypto_hash_sha256_state s;
	char hex[2 * sizeof(raw) + 1];
	ssize_t n;

	crypto_hash_sha256_init(&s);
	while (fd >= 0 && (n = read(fd, part, sizeof(part))) > 0)
		crypto_hash_sha256_update(&s, part, (size_t)n);
	crypto_hash_sha256_final(&s, raw);
	sodium_bin2hex(hex, sizeof(hex), raw, sizeof(raw));
	snprintf(out, size, "%s%s", fd < 0 ? "" : "sha256:", fd < 0 ? "" : hex);
}

/* Of an image that was pulled: its registry's digest, else its id. */
static void image_digest(const struct broker *b, const char *ref, char *out, size_t size)
{
	char url[DOCKER_URL];
	const char *repo, *at;
	json_t *j = NULL;

	docker_url(url, "/images/%s/json", ref);
	docker_call(&b->docker, "GET", url, NULL, &j, NULL);
	repo = json_string_value(json_array_get(json_object_get(j, "RepoDigests"), 0));
	at = repo ? strchr(repo, '@') : NULL;
	snprintf(out, size, "%s", at ? at + 1 : docker_str(j, "Id"));
	json_decref(j);
}

int image_import_labels(const struct broker *b, json_t *labels, struct cl_err *err)
{
	const char *base = config_str("images.base"), *from = config_str("images.from");
	const char *is = docker_str(labels, "codinglab.base");
	char digest[128];

	if (!is[0])
		is = BASE_DEFAULT;
	if (strcmp(is, base) != 0) {
		err_set(err, CL_PRECONDITION, "images.rootfs: %s is %.40s, not images.base %s",
		    b->place.rootfs, is, base);
		return err_hint(err, "./lab up makes the right one");
	}
	if (from[0])
		image_digest(b, from, digest, sizeof(digest));
	else
		file_digest(b->place.rootfs, digest, sizeof(digest));
	json_object_set_new(labels, "codinglab.base", json_string(base));
	json_object_set_new(labels, "codinglab.base.digest", json_string(digest));
	if (from[0])
		json_object_set_new(labels, "codinglab.base.from", json_string(from));
	return 0;
}
