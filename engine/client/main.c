/*
 * The program `codinglab`: verbs from a shell on the machine, and behind every SSH exec request.
 *
 *   codinglab VERB ...          options of CONTRACT
 *   codinglab --ssh LINE        LINE is what the SSH client sent: a verb, else (with a project) a
 *                               line for sh -c in the project's container; left out: it stands in
 *                               CODINGLAB_LINE
 *
 * Defaults come from CODINGLAB_PROJECT, CODINGLAB_TARGET_TIER, CODINGLAB_TARGET_N (from the SSH user
 * name) and CODINGLAB_SOCKET.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/client/folder_tar.h"
#include "engine/client/verb.h"
#include "engine/client/verbs.h"

static volatile int interrupted;

static void interrupt_cb(int sig)
{
	/* The second time it is meant: end at once. */
	if (interrupted)
		_exit(130);
	interrupted = 1;
}

/* End the way the program that we ran ended, so that our parent sees the same. */
static void die_by(int sig)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void write_all(int fd, const char *text, size_t len)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	ssize_t n;

	while (len) {
		n = write(fd, text, len);
		if (n < 0 && errno == EAGAIN)
			poll(&p, 1, -1);
		else if (n < 0 && errno == EPIPE)
			die_by(SIGPIPE);
		else if (n < 0 && errno != EINTR)
			exit(1);
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
}

static void out_cb(void *arg, const char *text, size_t len, bool raw)
{
	write_all(STDOUT_FILENO, text, len);
}

static void err_cb(void *arg, const char *text, size_t len)
{
	write_all(STDERR_FILENO, text, len);
}

static const char *env(const char *name)
{
	const char *v = getenv(name);

	return v ? v : "";
}

static void fill(struct verb_ctx *ctx)
{
	struct winsize ws;
	long n = strtol(env("CODINGLAB_TARGET_N"), NULL, 10);

	*ctx = (struct verb_ctx){.socket = *env("CODINGLAB_SOCKET") ? env("CODINGLAB_SOCKET")
	    : config_str("engine.socket"), .untar = folder_tar_read, .project = env("CODINGLAB_PROJECT"),
	    .tier = env("CODINGLAB_TARGET_TIER"), .n = n > 0 && n < 100 ? (int)n : 0, .wait = true,
	    .env = "", .in = STDIN_FILENO, .in_tty = isatty(STDIN_FILENO),
	    .out_tty = isatty(STDOUT_FILENO), .out = out_cb, .err = err_cb, .cancelled = &interrupted};
	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &ws) == 0) {
		ctx->rows = ws.ws_row;
		ctx->cols = ws.ws_col;
	}
}

/* What a URL keeps secret is not to stand in a list of processes.  The gateway gives the line of an
 * SSH client in the environment, which only its user can read. */
static char *take_line(int argc, char **argv)
{
	char *line = argc == 2 && strcmp(argv[1], "--ssh") == 0 ? mem_strdup(getenv("CODINGLAB_LINE"))
	    : NULL;

	unsetenv("CODINGLAB_LINE");
	for (int i = 1; i < argc; i++) {
		char *word = strstr(argv[i], "://") && strchr(argv[i], '@') ? argv[i] : NULL;

		if (!word)
			continue;
		argv[i] = mem_strdup(word);
		memset(word, 'x', strlen(word));
	}
	return line;
}

/* What the gateway gives a program without a terminal. */
static bool are_pipes(void)
{
	struct stat st;

	for (int i = 0; i < 3; i++)
		if (fstat(i, &st) < 0 || !S_ISFIFO(st.st_mode))
			return false;
	return true;
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = interrupt_cb};
	struct cl_err err = {0};
	struct verb_ctx ctx;
	char *line;
	int rc;

	/* Options by file and environment only: words of a command line are the verb's. */
	if (config_load(NULL, NULL, NULL, &err) < 0) {
		err_print(&err);
		return err_exit(err.code);
	}
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	fill(&ctx);
	line = take_line(argc, argv);
	ctx.remote = line || (argc == 3 && strcmp(argv[1], "--ssh") == 0);
	ctx.direct = ctx.remote && !ctx.json && are_pipes();
	if (ctx.remote)
		rc = verb_exec_line(&ctx, line ? line : argv[2]);
	else if (argc < 2)
		rc = verb_run_line(&ctx, "help");
	else
		rc = verb_run(&ctx, argc - 1, argv + 1);
	if (ctx.signal)
		die_by(ctx.signal);
	return rc;
}
