/* Signals to a program in a container: see exec_kill.h. */
#include "engine/broker/exec_kill.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"

struct ids {
	int parent, pgrp, session, foreground; /* foreground group of its terminal, < 1 none */
};

int exec_kill_number(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} map[] = {
	    {"HUP", SIGHUP}, {"INT", SIGINT}, {"QUIT", SIGQUIT}, {"TERM", SIGTERM},
	    {"KILL", SIGKILL}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"ALRM", SIGALRM},
	    {"ABRT", SIGABRT}, {"PIPE", SIGPIPE}, {"STOP", SIGSTOP}, {"CONT", SIGCONT},
	    {"TSTP", SIGTSTP}, {"WINCH", SIGWINCH}, {"FPE", SIGFPE}, {"ILL", SIGILL},
	    {"SEGV", SIGSEGV},
	};

	for (size_t i = 0; i < CL_COUNT(map); i++)
		if (strcmp(name, map[i].name) == 0)
			return map[i].number;
	return 0;
}

int exec_kill_pid(const struct broker *b, const char *id)
{
	char url[DOCKER_URL];
	json_t *j = NULL;
	int pid = 0;

	docker_url(url, "/exec/%s/json", id);
	if (docker_call(&b->docker, "GET", url, NULL, &j, NULL) == 200 &&
	    json_is_true(json_object_get(j, "Running")))
		pid = (int)docker_int(j, "Pid");
	json_decref(j);
	return pid > 1 ? pid : 0;
}

/* Fields 5, 6 and 8 of /proc/PID/stat; the command in field 2 may hold anything, so from the last
 * parenthesis on. */
static int read_ids(int pid, struct ids *out)
{
	char path[32], line[1024], *at, *end;
	cl_autofclose FILE *f = NULL;
	long v[6];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f || !fgets(line, sizeof(line), f) || !(at = strrchr(line, ')')) || strlen(at) < 4)
		return -1;
	at += 3; /* past ") S" */
	for (int i = 0; i < 5; i++) {
		v[i] = strtol(at, &end, 10);
		if (end == at)
			return -1;
		at = end;
	}
	out->parent = (int)v[0];
	out->pgrp = (int)v[1];
	out->session = (int)v[2];
	out->foreground = (int)v[4];
	return 0;
}

void exec_kill_group(const struct broker *b, const char *id, int sig)
{
	int pid = exec_kill_pid(b, id), fd;
	struct ids ids;

	if (!pid)
		return;
	/* Hold the process, then ask again: the number now means what the engine said. */
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return;
	if (exec_kill_pid(b, id) == pid && read_ids(pid, &ids) == 0) {
		if (ids.foreground > 1)
			kill(-ids.foreground, sig);
		else if (ids.pgrp == pid)
			kill(-pid, sig);
		else
			syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
	}
	close(fd);
}

static void kill_session(int leader, int sig);

void exec_kill_session(int pid, int sig)
{
	DIR *d = pid > 1 ? opendir("/proc") : NULL;
	struct dirent *e;
	struct ids ids;

	/* codinglab-pty starts its program in a session of that program's own. */
	while (d && (e = readdir(d))) {
		int other = (int)strtol(e->d_name, NULL, 10);

		if (other > 1 && read_ids(other, &ids) == 0 && ids.parent == pid && ids.session == other)
			kill_session(other, sig);
	}
	if (d)
		closedir(d);
	kill_session(pid, sig);
}

static void kill_session(int leader, int sig)
{
	DIR *d = leader > 1 ? opendir("/proc") : NULL;
	struct dirent *e;
	struct ids ids;

	while (d && (e = readdir(d))) {
		int other = (int)strtol(e->d_name, NULL, 10);

		if (other > 1 && read_ids(other, &ids) == 0 && ids.session == leader)
			kill(other, sig);
	}
	if (d)
		closedir(d);
}
