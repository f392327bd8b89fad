/* Members in a dev container's passwd file: see exec_user.h. */
#include "engine/broker/exec_user.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/broker/check.h"
#include "engine/broker/docker.h"
#include "engine/broker/pack.h"
#include "engine/broker/tarball.h"

#define USER_FILE_MAX 65536
#define USER_TAR_MAX (2 * USER_FILE_MAX)

static const char *var(const struct ticket *t, const char *name)
{
	for (size_t i = 0; i < t->vars.n; i++)
		if (strcmp(t->vars.items[i].name, name) == 0)
			return t->vars.items[i].value;
	return "";
}

/* A passwd line's name and uid; false when it is none. */
static bool line_is(const char *line, const char *name, uint32_t uid, bool *same_name)
{
	size_t n = strcspn(line, ":\n"), m;

	*same_name = n == strlen(name) && memcmp(line, name, n) == 0;
	if (line[n] != ':')
		return false;
	m = n + 1 + strcspn(line + n + 1, ":\n");
	return line[m] == ':' && strtoul(line + m + 1, NULL, 10) == uid;
}

char *exec_user_add(const char *passwd, const char *name, uint32_t uid, uint32_t gid, const char *home)
{
	size_t n = strlen(passwd);
	bool same_name;

	if (!check_user(name) || strpbrk(home, ":\n") || home[0] != '/')
		return NULL;
	for (const char *line = passwd; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (line_is(line, name, uid, &same_name) || same_name)
			return NULL;
	return mem_printf("%s%s%s:x:%u:%u:%s:%s:/bin/bash\n", passwd, n && passwd[n - 1] != '\n' ? "\n" : "",
	    name, uid, gid, name, home);
}

/* The file as it is in the container; NULL with the reason. */
static char *passwd_of(const struct broker *b, const char *url, struct cl_err *err)
{
	cl_autoclose int fd = memfd_create("passwd", MFD_CLOEXEC);
	struct tarball *t = NULL;
	struct tarball_entry e;
	char *text = NULL;
	size_t len;

	if (fd < 0 || docker_get_fd(&b->docker, url, fd, USER_TAR_MAX, err) < 0 || lseek(fd, 0, SEEK_SET) < 0 ||
	    !(t = tarball_open(fd, false, err))) {
		err_set(err, CL_FAILED, "passwd: it cannot be read");
		return NULL;
	}
	if (tarball_next(t, &e, err) == 1 && e.type == 'f')
		text = tarball_read_all(t, USER_FILE_MAX, &len, err);
	tarball_close(t, NULL);
	return text;
}

static int put(const struct broker *b, const char *url, const char *text, struct cl_err *err)
{
	struct buf tar;
	int rc;

	buf_init(&tar, 1 << 20);
	rc = pack_text(&tar, "passwd", text, err);
	if (rc == 0 && docker_send(&b->docker, "PUT", url, "application/x-tar", tar.data, tar.len, err) != 200)
		rc = err_set(err, CL_FAILED, "passwd: it was not taken");
	buf_clear(&tar);
	return rc;
}

/* Of another uid than the container itself, and a dev container: others have passwd files of their images. */
static bool is_member(const json_t *inspected, const struct ticket *t)
{
	const json_t *config = json_object_get(inspected, "Config");
	const char *user = docker_str(config, "User");

	return strcmp(docker_str(json_object_get(config, "Labels"), "codinglab.tier"), "dev") == 0 &&
	    user[0] && strtoul(user, NULL, 10) != t->uid && var(t, "USER")[0];
}

void exec_user_put(const struct broker *b, const json_t *inspected, const struct ticket *t)
{
	cl_autofree char *now = NULL, *next = NULL;
	char url[DOCKER_URL], full[PLACE_NAME];
	struct cl_err err = {0};

	if (!is_member(inspected, t))
		return;
	place_container(&b->place, t->name, full);
	docker_url(url, "/containers/%s/archive?path=/etc/passwd", full);
	now = passwd_of(b, url, &err);
	next = now ? exec_user_add(now, var(t, "USER"), t->uid, t->gid, var(t, "HOME")) : NULL;
	docker_url(url, "/containers/%s/archive?path=/etc", full);
	if (!now || (next && put(b, url, next, &err) < 0))
		log_warn("container %s: no entry for uid %u: %s", t->name, t->uid, err.message);
}
