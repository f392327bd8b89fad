/* Dumps of databases: see database.h. */
#include "engine/broker/database.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/screen.h"
#include "engine/broker/check.h"
#include "engine/broker/docker.h"
#include "engine/broker/files.h"
#include "engine/broker/run.h"

#define DUMP_S 7200
#define WHY 200

struct dump {
	int fd;
	bool full; /* the disk took no more */
	char why[WHY];
	size_t len;
};

static void dump_cb(void *arg, int stream, const char *data, size_t n)
{
	struct dump *d = arg;

	if (stream == 2) {
		size_t room = sizeof(d->why) - 1 - d->len;

		n = n < room ? n : room;
		memcpy(d->why + d->len, data, n);
		d->len += n;
		return;
	}
	while (n > 0 && !d->full) {
		ssize_t w = write(d->fd, data, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0) {
			d->full = true;
			return;
		}
		data += w;
		n -= (size_t)w;
	}
}

/* name: "p12-prod-db-1-r0"; its dump is p12-prod-db.sql. */
static void file_name(const char *name, char *out, size_t size)
{
	const char *end = strstr(name, "-db-");

	snprintf(out, size, "%.*s-db.sql", end ? (int)(end - name) : (int)strlen(name), name);
}

static void note(int notes, const char *name, const char *why)
{
	cl_autofree char *safe = screen_safe_dup(why, strlen(why), 0);

	dprintf(notes, "left out: database of %s: %s\n", name, safe);
}

static void one(const struct broker *b, int dir, const char *name, int notes)
{
	struct dump d = {.fd = -1};
	struct cl_err err = {0};
	char file[96];
	int status = -1;

	file_name(name, file, sizeof(file));
	d.fd = openat(dir, file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (d.fd < 0) {
		note(notes, name, strerror(errno));
		return;
	}
	if (run_exec_raw(b, name, json_pack("{s:[s], s:b, s:b}", "Cmd", "codinglab-dump", "AttachStdout", 1,
	    "AttachStderr", 1), DUMP_S, dump_cb, &d, &status, &err) == 0 && status == 0 && !d.full) {
		close(d.fd);
		return;
	}
	note(notes, name, d.full ? "the disk is full" : err.code ? err.message : d.len ? d.why
	    : "its image cannot dump it");
	close(d.fd);
	unlinkat(dir, file, 0);
}

static int open_dumps(const struct broker *b)
{
	char path[PLACE_PATH];

	snprintf(path, sizeof(path), "%s/" DATABASE_DUMPS, b->place.state);
	if (files_folder(path, 0, 0, 0700, NULL) < 0)
		return -1;
	return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void database_dump_end(const struct broker *b)
{
	cl_autoclose int dir = open_dumps(b);
	int copy = dir < 0 ? -1 : fcntl(dir, F_DUPFD_CLOEXEC, 3);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			unlinkat(dir, e->d_name, 0);
	if (d)
		closedir(d);
}

void database_dump_all(const struct broker *b, int notes)
{
	char url[DOCKER_URL], filter[256], escaped[512];
	struct cl_err err = {0};
	cl_autoclose int dir = -1;
	json_t *list, *item;
	size_t i;

	database_dump_end(b); /* what a broken one left */
	dir = open_dumps(b);
	snprintf(filter, sizeof(filter), "{\"label\":[\"" PLACE_LABEL "=%s\",\"codinglab.tier=db\"]}",
	    b->place.instance);
	docker_escape(filter, escaped, sizeof(escaped));
	docker_url(url, "/containers/json?all=1&filters=%s", escaped);
	list = dir < 0 ? NULL : docker_list(&b->docker, url, &err);
	if (!list) {
		note(notes, "all environments", dir < 0 ? strerror(errno) : err.message);
		return;
	}
	json_array_foreach(list, i, item) {
		const char *name = docker_str(json_object_get(item, "Labels"), "codinglab.name");

		if (!check_name(name) || !strstr(name, "-db-"))
			continue;
		if (strcmp(docker_str(item, "State"), "running") == 0)
			one(b, dir, name, notes);
		else
			note(notes, name, "it does not run");
	}
	json_decref(list);
}
