/*
 * codinglab-pty: gives a program in a container a terminal of the container's own, and hands the
 * terminal's other end to the runtime broker, so that keys and output cross no daemon.  The broker
 * runs it by the container engine's exec; it is linked statically, since it must run in any image.
 *
 *   codinglab-pty SOCKET ROWS COLS PROGRAM [ARGUMENT...]
 *   codinglab-pty take PROGRAM [ARGUMENT...]                   (take.h: no terminal, but pipes)
 *   codinglab-pty dial PORT|PATH                              (dial.h)
 *   codinglab-pty listen PORT|PATH                            (listen.h)
 *   codinglab-pty agent PATH                                  (listen.h)
 *   codinglab-pty serve                                       (serve.h)
 *
 * It sends the pty's master over SOCKET (SCM_RIGHTS), keeps no copy, waits for the program and ends
 * with its exit status (128 + n for a signal).  Signals that ask to end are passed on.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/broker/pty/dial.h"
#include "engine/broker/pty/hand.h"
#include "engine/broker/pty/listen.h"
#include "engine/broker/pty/take.h"
#include "engine/broker/pty/serve.h"
#include "engine/broker/pty/terminal.h"

static volatile sig_atomic_t child;

static void pass_on_cb(int number)
{
	if (child > 0)
		kill(-child, number);
}

static int die(const char *what)
{
	fprintf(stderr, "codinglab-pty: %s: %s\n", what, strerror(errno));
	return HAND_FAILED;
}

static void run(int slave, char **argv)
{
	setsid();
	ioctl(slave, TIOCSCTTY, 0);
	/* We are killed only when it did not take the hint of a hang-up. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(slave, 0);
	dup2(slave, 1);
	dup2(slave, 2);
	execvp(argv[0], argv);
	fprintf(stderr, "%s: %s\r\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return HAND_FAILED;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	static const int passed[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
	struct sigaction sa = {.sa_handler = pass_on_cb, .sa_flags = SA_RESTART};
	int master, slave;
	pid_t pid;

	if (argc == 3 && strcmp(argv[1], "dial") == 0)
		return dial_run(argv[2]);
	if (argc == 3 && strcmp(argv[1], "listen") == 0)
		return listen_run(argv[2], false);
	if (argc == 3 && strcmp(argv[1], "agent") == 0)
		return listen_run(argv[2], true);
	if (argc >= 3 && strcmp(argv[1], "take") == 0)
		return take_run(argv + 2);
	if (argc == 2 && strcmp(argv[1], "serve") == 0)
		return serve_run();
	if (argc < 5) {
		fprintf(stderr, "usage: codinglab-pty SOCKET ROWS COLS PROGRAM [ARGUMENT...]\n");
		return HAND_FAILED;
	}
	if (terminal_open(strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10), &master, &slave) < 0)
		return die("no terminal");
	if (hand_over(argv[1], master) < 0)
		return die("the broker does not take the terminal");
	close(master);
	pid = fork();
	if (pid < 0)
		return die("fork");
	if (pid == 0)
		run(slave, argv + 4);
	child = pid;
	close(slave);
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		sigaction(passed[i], &sa, NULL);
	return wait_for(pid);
}
