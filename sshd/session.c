/* Sessions by path: see session.h. */
#include "sshd/session.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/ipc.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sock.h"
#include "sshd/child.h"

static struct ipc_out session_out;

/* Connect without ever waiting: the session is another user's program and may be stopped. */
static int try_connect(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error;

	if (fd < 0)
		return -1;
	if (mem_copy_str(sa.sun_path, sizeof(sa.sun_path), path) == 0 &&
	    connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int admit(int fd, const struct launch_user *u, enum door_mode mode, const char *address,
    struct cl_err *err)
{
	ipc_begin(&session_out, DOOR_ADMIT);
	ipc_put_str(&session_out, u->name);
	ipc_put_u32(&session_out, (uint32_t)mode);
	ipc_put_str(&session_out, address);
	if (ipc_send(fd, &session_out) == 0)
		return fd;
	err_errno(err, CL_UNAVAILABLE, "session");
	close(fd);
	return -1;
}

/* How many socket files begin with "<uid>."? */
static int count_of(const struct gateway *g, uid_t uid)
{
	DIR *d = opendir(g->sessions);
	struct dirent *e;
	char prefix[16];
	int n = 0, len = snprintf(prefix, sizeof(prefix), "%u.", (unsigned)uid);

	while (d && (e = readdir(d)))
		n += strncmp(e->d_name, prefix, (size_t)len) == 0;
	if (d)
		closedir(d);
	return n;
}

static int start(struct gateway *g, const struct launch_user *u, const struct auth_answer *at,
    const char *path, struct cl_err *err)
{
	cl_autoclose int listening = -1;
	struct child *c;
	pid_t tui, pane;

	if (count_of(g, u->uid) >= g->sessions_per_user) {
		err_set(err, CL_QUOTA, "session: you have %d open already", g->sessions_per_user);
		return err_hint(err, "Close one of them, or `session kick` it");
	}
	/* A dying session with the same path must not take the new one's file with it. */
	for (c = child_find(CHILD_TUI, 0, NULL); c; c = child_next(c, CHILD_TUI, NULL))
		if (c->path && strcmp(c->path, path) == 0) {
			mem_free(c->path);
			c->path = NULL;
		}
	listening = sock_listen(path, SOCK_SEQPACKET, 0600, err);
	if (listening < 0)
		return -1;
	if (launch_session(g, u, at, listening, &tui, &pane, err) < 0) {
		unlink(path);
		if (pane > 0)
			child_add(CHILD_PANE, pane, g->pane_uid);
		return -1;
	}
	child_add(CHILD_PANE, pane, g->pane_uid);
	child_add(CHILD_TUI, tui, u->uid)->path = mem_strdup(path);
	log_info("session of %s (%s) started: pid %d", u->name,
	    at->project[0] ? at->project : "home", (int)tui);
	return 0;
}

int session_open(struct gateway *g, const struct launch_user *u, const struct auth_answer *at,
    enum door_mode mode, const char *address, struct cl_err *err)
{
	cl_autofree char *path = mem_printf("%s/%u.%s.%s.sock", g->sessions, (unsigned)u->uid,
	    at->project[0] ? at->owner : "-", at->project[0] ? at->project : "-");
	int fd = try_connect(path);

	if (fd < 0 && (errno == ENOENT || errno == ECONNREFUSED)) {
		if (start(g, u, at, path, err) < 0)
			return -1;
		fd = try_connect(path);
	}
	if (fd < 0) {
		err_errno(err, CL_UNAVAILABLE, "session: it does not answer");
		return err_hint(err, "End it with `session kick` and connect again");
	}
	return admit(fd, u, mode, address, err);
}

int session_sweep(const struct gateway *g)
{
	DIR *d = opendir(g->sessions);
	struct dirent *e;
	int alive = 0;

	while (d && (e = readdir(d))) {
		cl_autofree char *path = mem_printf("%s/%s", g->sessions, e->d_name);
		cl_autoclose int fd = -1;

		if (!strstr(e->d_name, ".sock"))
			continue;
		fd = try_connect(path);
		if (fd < 0 && errno == ECONNREFUSED)
			unlink(path);
		else
			alive++;
	}
	if (d)
		closedir(d);
	return alive;
}

/* The whole of a small file of /proc, NUL-terminated; its length, or -1. */
static ssize_t read_proc(const char *pid, const char *name, char *out, size_t size)
{
	cl_autofree char *path = mem_printf("/proc/%s/%s", pid, name);
	cl_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return -1;
	while (len < size - 1 && (n = read(fd, out + len, size - 1 - len)) > 0)
		len += (size_t)n;
	out[len] = '\0';
	return (ssize_t)len;
}

/* Does the process belong to this gateway?  Its environment names our run directory. */
static bool is_ours(const struct gateway *g, const char *pid)
{
	cl_autofree char *want = mem_printf("CODINGLAB_RUN_DIR=%s", g->run);
	char environ[16384];
	ssize_t n = read_proc(pid, "environ", environ, sizeof(environ));

	for (char *p = environ; n > 0 && p < environ + n; p += strlen(p) + 1)
		if (strcmp(p, want) == 0)
			return true;
	return false;
}

/* Is it our session program, of that user?  Sessions of an earlier listener are not our children,
 * so they are known by what they are. */
static bool is_session(const struct gateway *g, const char *pid, uid_t uid)
{
	cl_autofree char *link = mem_printf("/proc/%s/exe", pid);
	cl_autofree char *want = mem_printf("%s/codinglab-tui", g->bin);
	char exe[512], status[4096], *line;
	ssize_t n = readlink(link, exe, sizeof(exe) - 1);
	unsigned got;

	if (n <= 0)
		return false;
	exe[n] = '\0';
	n = (ssize_t)strlen(want);
	if (strncmp(exe, want, (size_t)n) != 0 || (exe[n] && strcmp(exe + n, " (deleted)") != 0))
		return false;
	if (read_proc(pid, "status", status, sizeof(status)) < 0 ||
	    !(line = strstr(status, "\nUid:")) || sscanf(line, "\nUid: %u", &got) != 1)
		return false;
	return (uid == 0 || got == uid) && is_ours(g, pid);
}

int session_parse(const char *file, struct session_name *out)
{
	char text[2 * NAME_SIZE + 32], *owner, *project, *end;
	unsigned long uid;

	if (mem_copy_str(text, sizeof(text), file) < 0 || text[0] < '1' || text[0] > '9')
		return -1;
	uid = strtoul(text, &owner, 10);
	if (*owner != '.' || uid >= UINT32_MAX || !(project = strchr(owner + 1, '.')) ||
	    !(end = strchr(project + 1, '.')) || strcmp(end, ".sock") != 0)
		return -1;
	*project = *end = '\0';
	memset(out, 0, sizeof(*out));
	out->uid = (uid_t)uid;
	if (strcmp(owner + 1, "-") == 0 && strcmp(project + 1, "-") == 0)
		return 0;
	if (!name_valid(owner + 1) || !name_valid(project + 1))
		return -1;
	mem_copy_str(out->owner, sizeof(out->owner), owner + 1);
	mem_copy_str(out->project, sizeof(out->project), project + 1);
	return 0;
}

void session_each(const struct gateway *g, uid_t uid,
    void (*cb)(void *arg, const struct session_name *name), void *arg)
{
	DIR *d = opendir(g->sessions);
	struct session_name name;
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (session_parse(e->d_name, &name) == 0 && (uid == 0 || name.uid == uid))
			cb(arg, &name);
	if (d)
		closedir(d);
}

static char *path_of(const struct gateway *g, const struct session_name *name)
{
	return mem_printf("%s/%u.%s.%s.sock", g->sessions, (unsigned)name->uid,
	    name->project[0] ? name->owner : "-", name->project[0] ? name->project : "-");
}

int session_dial(const struct gateway *g, const struct session_name *name)
{
	cl_autofree char *path = path_of(g, name);

	return try_connect(path);
}

/* The word after an option in a process' arguments, or "". */
static const char *option_of(const char *args, ssize_t n, const char *option)
{
	for (const char *p = args; p < args + n; p += strlen(p) + 1)
		if (strcmp(p, option) == 0 && p + strlen(p) + 1 < args + n)
			return p + strlen(p) + 1;
	return "";
}

/* Is it the process of that session?  Its arguments say so, as start_tui() gave them. */
static bool leads_to(const struct gateway *g, const char *pid, const struct session_name *name)
{
	char args[4096];
	ssize_t n;

	if (!is_session(g, pid, name->uid))
		return false;
	n = read_proc(pid, "cmdline", args, sizeof(args));
	return n > 0 && strcmp(option_of(args, n, "--owner"), name->owner) == 0 &&
	    strcmp(option_of(args, n, "--project"), name->project) == 0;
}

int session_process(const struct gateway *g, const struct session_name *name)
{
	cl_autofree char *path = path_of(g, name);
	DIR *d;
	struct dirent *e;
	int fd = -1;

	for (struct child *c = child_find(CHILD_TUI, 0, NULL); c; c = child_next(c, CHILD_TUI, NULL))
		if (c->path && strcmp(c->path, path) == 0)
			return pidfd_open(c->pid, 0);
	d = opendir("/proc");
	while (d && fd < 0 && (e = readdir(d))) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9' || !leads_to(g, e->d_name, name))
			continue;
		fd = pidfd_open((pid_t)strtol(e->d_name, NULL, 10), 0);
		if (fd >= 0 && !leads_to(g, e->d_name, name)) { /* it ended, and its number is another's */
			close(fd);
			fd = -1;
		}
	}
	if (d)
		closedir(d);
	return fd;
}

int session_end(const struct gateway *g, uid_t uid, int sig)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9' || !is_session(g, e->d_name, uid))
			continue;
		n += kill((pid_t)strtol(e->d_name, NULL, 10), sig) == 0;
	}
	if (d)
		closedir(d);
	return n;
}
