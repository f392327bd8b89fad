/*
 * Cloning: see clone.h.  git runs with an environment and a configuration of ours alone: no hooks,
 * no filters, no credential helpers, one protocol, no redirects, and the one address that was
 * checked.  The password stands neither in an argument nor in a file: git asks this program for it.
 */
#include "engine/broker/unpack/clone.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/broker/unpack/extract.h"
#include "engine/broker/unpack/git.h"
#include "engine/broker/unpack/survey.h"

#define NEW "new"

static int fetch_archive(struct clone *c, int root, struct unpack_result *r, struct cl_err *err)
{
	cl_autoclose int fd = -1;

	if (c->web.url.kind == GITURL_FILE) {
		fd = open(c->web.url.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			return err_errno(err, CL_NOT_FOUND, "%.300s", c->web.url.path);
	} else {
		fd = open("archive", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0)
			return err_errno(err, CL_FAILED, "archive");
		if (web_download(&c->web, fd, c->max.bytes, err) < 0)
			return -1;
		unlink("archive");
		if (lseek(fd, 0, SEEK_SET) < 0)
			return err_errno(err, CL_FAILED, "archive");
	}
	return extract_run(fd, root, &c->max, r, err);
}

static int clone_repository(struct clone *c, int root, struct unpack_result *r, struct cl_err *err)
{
	struct tree t = {.root = root, .max = c->max};

	if (git_clone(c, err) < 0 || git_measure(c, err) < 0 || git_checkout(c, err) < 0 ||
	    survey_walk(&t, err) < 0)
		return -1;
	r->bytes = t.bytes;
	r->files = t.files;
	return survey_find(root, false, r, err);
}

int clone_run(struct clone *c, struct unpack_result *r, struct cl_err *err)
{
	struct giturl *u = &c->web.url;
	cl_autoclose int root = -1;

	memset(r, 0, sizeof(*r));
	c->web.networks = c->networks;
	c->web.bundle = c->bundle;
	c->web.seconds = c->max.seconds;
	if (u->kind != GITURL_FILE && web_reach(&c->web, err) < 0)
		return -1;
	if (u->kind <= GITURL_HTTPS && !u->archive &&
	    web_probe(&c->web, "/info/refs?service=git-upload-pack", err) < 0)
		return -1;
	if (mkdir(NEW, 02770) < 0)
		return err_errno(err, CL_FAILED, NEW);
	root = open(NEW, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_errno(err, CL_FAILED, NEW);
	return u->archive ? fetch_archive(c, root, r, err) : clone_repository(c, root, r, err);
}

int clone_askpass(const char *prompt)
{
	const char *host = getenv("CODINGLAB_GIT_HOST"), *text = getenv(
	    strncmp(prompt, "Username", 8) == 0 ? "CODINGLAB_GIT_USER" : "CODINGLAB_GIT_PASSWORD");

	/* "Password for 'https://user@host:443': " */
	if (!host || !text || !strstr(prompt, host))
		return 1;
	printf("%s\n", text);
	return 0;
}
