/* Tickets: see ticket.h. */
#include "engine/broker/ticket.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"
#include "engine/broker/check.h"

#define EXTRA_MAX (1 << 20)
#define FILE_MAX (2u << 20)

int ticket_read(struct ticket *t, struct ipc_in *m, struct cl_err *err)
{
	memset(t, 0, sizeof(*t));
	ipc_get_str(m, t->name, sizeof(t->name));
	if (spec_read_argv(&t->argv, m, err) < 0 ||
	    spec_read_vars(&t->vars, BROKER_ENVS, m, err) < 0)
		return -1;
	ipc_get_str(m, t->workdir, sizeof(t->workdir));
	t->uid = (uint32_t)ipc_get_range(m, CHECK_UID_MIN, CHECK_UID_MAX);
	t->gid = (uint32_t)ipc_get_range(m, CHECK_UID_MIN, CHECK_UID_MAX);
	t->tty = ipc_get_range(m, 0, 1);
	t->rows = (int)ipc_get_range(m, 0, 1000);
	t->cols = (int)ipc_get_range(m, 0, 1000);
	t->peer_uid = (uint32_t)ipc_get_range(m, 0, CHECK_UID_MAX);
	if (m->bad)
		return err_set(err, CL_USAGE, "exec: a number is out of range");
	if (!check_name(t->name) || t->argv.n == 0 || !t->argv.words[0][0])
		return err_set(err, CL_USAGE, "exec: container or command: not allowed");
	if (t->workdir[0] && !check_workdir(t->workdir))
		return err_set(err, CL_USAGE, "exec: workdir: not allowed");
	for (size_t i = 0; i < t->vars.n; i++)
		if (!check_env_name(t->vars.items[i].name))
			return err_set(err, CL_USAGE, "exec: variable name: not allowed");
	return 0;
}

/* The extra files of an export come as a descriptor: they are larger than a message. */
static int read_extra(struct ticket *t, int fd, struct cl_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > EXTRA_MAX)
		return err_set(err, CL_USAGE, "transfer: its files: not allowed");
	t->extra = mem_alloc((size_t)st.st_size + 1);
	if (pread(fd, t->extra, (size_t)st.st_size, 0) != st.st_size)
		return err_errno(err, CL_FAILED, "transfer");
	return 0;
}

int ticket_read_transfer(struct ticket *t, struct ipc_in *m, struct cl_err *err)
{
	cl_autoclose int fd = -1;

	memset(t, 0, sizeof(*t));
	t->kind = (enum ticket_kind)(TICKET_UPLOAD + ipc_get_range(m, 0, 2));
	t->peer_uid = (uint32_t)ipc_get_range(m, 0, CHECK_UID_MAX);
	if (t->kind == TICKET_EXPORT) {
		t->project = spec_read_wide(m, 1, CHECK_ID_MAX);
		t->uid = (uint32_t)ipc_get_range(m, CHECK_UID_MIN, CHECK_UID_MAX);
		t->gid = (uint32_t)ipc_get_range(m, CHECK_UID_MIN, CHECK_UID_MAX);
		ipc_get_str(m, t->format, sizeof(t->format));
		ipc_get_str(m, t->prefix, sizeof(t->prefix));
		fd = ipc_get_fd(m);
	}
	if (m->bad || (t->prefix[0] && !check_name(t->prefix)))
		return err_set(err, CL_USAGE, "transfer: a field is out of range");
	return t->kind == TICKET_EXPORT ? read_extra(t, fd, err) : 0;
}

void ticket_clear(struct ticket *t)
{
	mem_free(t->extra);
	t->extra = NULL;
	spec_clear_argv(&t->argv);
	spec_clear_vars(&t->vars);
}

static json_t *vars_json(const struct spec_vars *v)
{
	json_t *j = json_array();

	for (size_t i = 0; i < v->n; i++)
		json_array_append_new(j, json_pack("[s, s]", v->items[i].name, v->items[i].value));
	return j;
}

static void secret(char id[TICKET_SIZE])
{
	uint8_t r[32];

	if (getrandom(r, sizeof(r), 0) != sizeof(r))
		_exit(1);
	for (size_t i = 0; i < sizeof(r); i++)
		snprintf(id + 2 * i, 3, "%02x", r[i]);
}

int ticket_put(const struct place *p, const struct ticket *t, char id[TICKET_SIZE],
    struct cl_err *err)
{
	json_t *j = json_pack("{s:s, s:o, s:o, s:s, s:I, s:I, s:b, s:i, s:i, s:I, s:I, s:i, s:I, s:s, s:s, s:s*}", "name",
	    t->name, "argv", spec_json_argv(&t->argv), "vars", vars_json(&t->vars), "workdir",
	    t->workdir, "uid", (json_int_t)t->uid, "gid", (json_int_t)t->gid, "tty", (int)t->tty,
	    "rows", t->rows, "cols", t->cols, "peer", (json_int_t)t->peer_uid, "expires",
	    (json_int_t)(clock_ms() + TICKET_LIFE_MS), "kind", (int)t->kind, "project",
	    (json_int_t)t->project, "format", t->format, "prefix", t->prefix, "extra", t->extra);
	char dir[PLACE_PATH], path[PLACE_PATH + TICKET_SIZE + 8];
	int fd, rc;

	if (!j)
		return err_set(err, CL_USAGE, "exec: not valid UTF-8");
	secret(id);
	place_tickets(p, dir);
	snprintf(path, sizeof(path), "%s/%s", dir, id);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	rc = fd < 0 ? -1 : json_dumpfd(j, fd, JSON_COMPACT);
	json_decref(j);
	if (fd >= 0)
		close(fd);
	return rc == 0 ? 0 : err_errno(err, CL_FAILED, "ticket");
}

static void load_argv(const json_t *list, struct spec_argv *a)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		if (a->n < BROKER_ARGS && json_is_string(item))
			a->words[a->n++] = mem_strdup(json_string_value(item));
}

static void load_vars(const json_t *list, struct spec_vars *v)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		const char *name = json_string_value(json_array_get(item, 0));
		const char *value = json_string_value(json_array_get(item, 1));

		if (v->n < BROKER_ENVS && name && value)
			v->items[v->n++] = (struct spec_var){mem_strdup(name), mem_strdup(value)};
	}
}

static int load(const char *text, size_t len, struct ticket *t)
{
	json_t *j = json_loadb(text, len, 0, NULL);

	if (!j)
		return -1;
	mem_copy_str(t->name, sizeof(t->name), docker_str(j, "name"));
	mem_copy_str(t->workdir, sizeof(t->workdir), docker_str(j, "workdir"));
	load_argv(json_object_get(j, "argv"), &t->argv);
	load_vars(json_object_get(j, "vars"), &t->vars);
	t->uid = (uint32_t)docker_int(j, "uid");
	t->gid = (uint32_t)docker_int(j, "gid");
	t->tty = json_is_true(json_object_get(j, "tty"));
	t->rows = (int)docker_int(j, "rows");
	t->cols = (int)docker_int(j, "cols");
	t->peer_uid = (uint32_t)docker_int(j, "peer");
	t->expires_ms = docker_int(j, "expires");
	t->kind = (enum ticket_kind)docker_int(j, "kind");
	t->project = docker_int(j, "project");
	mem_copy_str(t->format, sizeof(t->format), docker_str(j, "format"));
	mem_copy_str(t->prefix, sizeof(t->prefix), docker_str(j, "prefix"));
	t->extra = json_object_get(j, "extra") ? mem_strdup(docker_str(j, "extra")) : NULL;
	json_decref(j);
	return 0;
}

int ticket_take(const struct place *p, const char *id, uint32_t peer_uid, struct ticket *t,
    struct cl_err *err)
{
	char dir[PLACE_PATH], used[TICKET_SIZE + 16];
	cl_autofree char *text = NULL;
	cl_autoclose int root = -1;
	size_t len = 0;

	memset(t, 0, sizeof(*t));
	place_tickets(p, dir);
	root = check_ticket(id) ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	snprintf(used, sizeof(used), "%.64s.%d", id, (int)getpid());
	if (root >= 0 && renameat(root, id, root, used) == 0) {
		text = path_read(root, used, FILE_MAX, &len, NULL);
		unlinkat(root, used, 0);
	}
	if (text && load(text, len, t) == 0 && t->peer_uid == peer_uid && t->expires_ms > clock_ms())
		return 0;
	ticket_clear(t);
	err_set(err, CL_FORBIDDEN, "execution: no such ticket");
	return err_hint(err, "It is valid once, for 30 s, for whom it was made");
}

void ticket_sweep(const struct place *p)
{
	char dir[PLACE_PATH];
	struct dirent *e;
	struct stat st;
	DIR *d;

	place_tickets(p, dir);
	d = opendir(dir);
	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.' || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if ((int64_t)st.st_mtime * 1000 + 2 * TICKET_LIFE_MS < clock_unix_ms())
			unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		closedir(d);
}
