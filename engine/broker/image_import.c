/* Taking in the base's root file system: see image_import.h. */
#include "engine/broker/image_import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fetch.h"
#include "base/mem.h"

#define IMPORT_MS 600000

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
