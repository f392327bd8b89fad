/* A save: see save.h.  This file has the request and what both halves share. */
#include "engine/broker/save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/broker/check.h"
#include "engine/broker/container.h"

#define REPORT_MAX (4 << 20)
#define BYTES_MAX (1LL << 42)
#define SCRATCH_MEMORY (64 << 20)

const char *const save_home[] = {".cargo/bin", ".local/bin", ".local/lib", ".local/share/gem",
    "go/bin", NULL};

static int not_allowed(struct cl_err *err, const char *what)
{
	return err_set(err, CL_USAGE, "save: %s: not allowed", what);
}

int save_read(struct save *s, struct ipc_in *m, struct cl_err *err)
{
	memset(s, 0, sizeof(*s));
	s->project = spec_read_wide(m, 1, CHECK_ID_MAX);
	s->op = spec_read_wide(m, 1, INT32_MAX);
	s->uid = (uint32_t)ipc_get_range(m, CHECK_UID_MIN, CHECK_UID_MAX);
	s->gid = (uint32_t)ipc_get_range(m, CHECK_UID_MIN, CHECK_UID_MAX);
	ipc_get_str(m, s->name, sizeof(s->name));
	ipc_get_str(m, s->container, sizeof(s->container));
	ipc_get_str(m, s->image, sizeof(s->image));
	ipc_get_str(m, s->base, sizeof(s->base));
	ipc_get_str(m, s->parent, sizeof(s->parent));
	s->max_bytes = spec_read_wide(m, 0, BYTES_MAX);
	s->max_files = spec_read_wide(m, 1, TREE_ENTRIES);
	if (m->bad)
		return err_set(err, CL_USAGE, "save: a number is out of range");
	if (!check_name(s->name) || !check_owned(s->name, s->project))
		return not_allowed(err, "name");
	if (!check_name(s->container) || !check_owned(s->container, s->project))
		return not_allowed(err, "container");
	if (!check_image(s->image) || (s->base[0] && !check_image(s->base)))
		return not_allowed(err, "image");
	if (s->parent[0] && !check_digest(s->parent))
		return not_allowed(err, "parent");
	return 0;
}

int save_spool(const struct broker *b, struct cl_err *err)
{
	char dir[PLACE_PATH];
	int fd;

	snprintf(dir, sizeof(dir), "%s/saves", b->place.state);
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_errno(err, CL_FAILED, "%s", dir);
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return fd < 0 ? err_errno(err, CL_FAILED, "%s: a scratch file", dir) : fd;
}

int save_scratch(const struct broker *b, const char *image, int64_t project, int64_t op,
    const char *step, char name[80], struct cl_err *err)
{
	struct spec c = {.project = project, .n = 1, .uid = CHECK_UID_MIN, .gid = CHECK_UID_MIN,
	    .memory = SCRATCH_MEMORY, .pids = 8};
	int rc;

	snprintf(name, 80, "op%lld-%s", (long long)op, step);
	mem_copy_str(c.name, sizeof(c.name), name);
	mem_copy_str(c.env, sizeof(c.env), "job");
	mem_copy_str(c.tier, sizeof(c.tier), "job");
	mem_copy_str(c.image, sizeof(c.image), image);
	mem_copy_str(c.hostname, sizeof(c.hostname), "save");
	/* The container engine wants a command; an image that has one keeps it when it is committed. */
	if (strcmp(step, "work") == 0)
		c.argv.words[c.argv.n++] = mem_strdup("/never-started");
	rc = container_create(b, &c, err);
	spec_clear(&c);
	return rc;
}

int save_fetch(const struct broker *b, const char *container, const char *path, int64_t max,
    struct cl_err *err)
{
	char url[DOCKER_URL], full[PLACE_NAME];
	int fd = save_spool(b, err);

	if (fd < 0)
		return -1;
	place_container(&b->place, container, full);
	docker_url(url, "/containers/%s/archive?path=%s", full, path);
	if (docker_get_fd(&b->docker, url, fd, max, err) == 0 && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	close(fd);
	return err_set(err, CL_FAILED, "save: %s was not read", path);
}

json_t *save_take_json(int fd)
{
	cl_autofree char *text = NULL;
	off_t size = lseek(fd, 0, SEEK_END);

	if (size <= 0 || size > REPORT_MAX || lseek(fd, 0, SEEK_SET) != 0)
		return NULL;
	text = mem_alloc((size_t)size);
	return read(fd, text, (size_t)size) == size ? json_loadb(text, (size_t)size, 0, NULL) : NULL;
}

int save_tag(const struct broker *b, const char *digest, const char *id, struct cl_err *err)
{
	char url[DOCKER_URL], ref[256];
	int status;

	place_image(&b->place, id, NULL, ref, sizeof(ref));
	ref[strcspn(ref, ":")] = '\0';
	docker_url(url, "/images/%s/tag?repo=%s&tag=latest", digest, ref);
	status = docker_call(&b->docker, "POST", url, NULL, NULL, err);
	return status == 201 || status == 200 ? 0
	    : err_set(err, CL_FAILED, "save: the image could not be named");
}

void save_clean(const struct broker *b, int64_t op)
{
	static const char *const steps[] = {"work", "base", "dev"};
	char name[80];

	for (size_t i = 0; i < CL_COUNT(steps); i++) {
		snprintf(name, sizeof(name), "op%lld-%s", (long long)op, steps[i]);
		container_remove(b, name, 0, NULL);
	}
}

int save_run(const struct broker *b, const struct save *s, struct line *out, struct save_made *made,
    struct cl_err *err)
{
	int rc;

	memset(made, 0, sizeof(*made));
	made->report = json_object();
	rc = save_work_run(b, s, out, made, err);
	if (rc == 0)
		rc = save_dev_run(b, s, made, err);
	save_clean(b, s->op);
	return rc;
}
