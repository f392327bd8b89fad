/* A program behind three streams: see serve.h. */
#include "engine/broker/pty/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/broker/pty/terminal.h"

#define FAILED 125
#define FRAME_MAX (1u << 20)
#define WORDS_MAX 1024
#define HANGUP_MS 5000
#define HEAD 5

struct served {
	char frame[HEAD + FRAME_MAX]; /* being read from stdin */
	size_t got;
	char *argv[WORDS_MAX];
	const char *folder;
	bool tty, started, hung_up;
	int master;                   /* of its terminal, or -1 */
	int input;                    /* of the program; -1 once it has ended */
	const char *waiting;          /* input that it has not taken yet: in frame, which is not read into meanwhile */
	size_t nwaiting, at;
	bool ended;                   /* no more input will come */
	int ends;                     /* signalfd of SIGCHLD */
	pid_t pid;
	int64_t kill_ms;              /* when what did not take the hang-up is killed; 0 = never */
};

static char first[FRAME_MAX + 1]; /* the start, kept for its words */
static struct served served = {.master = -1, .input = -1};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

static int die(const char *what)
{
	fprintf(stderr, "codinglab-pty: %s: %s\n", what, strerror(errno));
	return FAILED;
}

static unsigned number_at(const char *p, int bytes)
{
	unsigned n = 0;

	for (int i = 0; i < bytes; i++)
		n = n << 8 | (unsigned char)p[i];
	return n;
}

/* --- the start -------------------------------------------------------------------------------- */

/* The next field of the start, or NULL when it is cut. */
static char *field(char **at, const char *end)
{
	char *s = *at, *stop = s < end ? memchr(s, '\0', (size_t)(end - s)) : NULL;

	if (stop)
		*at = stop + 1;
	return stop ? s : NULL;
}

static int read_start(struct served *s, const char *payload, size_t n, unsigned long *rows,
    unsigned long *cols)
{
	char *at, *end, *text;
	size_t words = 0;

	at = first;
	memcpy(at, payload, n);
	end = at + n;
	text = field(&at, end);
	s->tty = text && text[0] == '1';
	text = field(&at, end);
	*rows = text ? strtoul(text, NULL, 10) : 0;
	text = field(&at, end);
	*cols = text ? strtoul(text, NULL, 10) : 0;
	s->folder = field(&at, end);
	while ((text = field(&at, end)) && text[0])
		if (putenv(text) != 0)
			return -1;
	/* the count of words is all that tells an empty word from the end */
	while (words + 1 < WORDS_MAX && at < end && (text = field(&at, end)))
		s->argv[words++] = text;
	return s->folder && words > 0 ? 0 : -1;
}

static void run(struct served *s, int in, int slave)
{
	sigset_t none;

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (slave >= 0) {
		ioctl(slave, TIOCSCTTY, 0);
		dup2(slave, 0);
		dup2(slave, 1);
		dup2(slave, 2);
	} else {
		dup2(in, 0);
	}
	if (s->folder[0] && chdir(s->folder) < 0)
		fprintf(stderr, "%s: %s\r\n", s->folder, strerror(errno));
	execvp(s->argv[0], s->argv);
	fprintf(stderr, "%s: %s%s\n", s->argv[0], strerror(errno), slave >= 0 ? "\r" : "");
	_exit(errno == ENOENT ? 127 : 126);
}

static int start(struct served *s, const char *payload, size_t n)
{
	unsigned long rows = 0, cols = 0;
	int pipes[2] = {-1, -1}, slave = -1;

	if (read_start(s, payload, n, &rows, &cols) < 0) {
		errno = EPROTO;
		return -1;
	}
	if (s->tty ? terminal_open(rows, cols, &s->master, &slave) < 0 : pipe2(pipes, O_CLOEXEC) < 0)
		return -1;
	s->pid = fork();
	if (s->pid < 0)
		return -1;
	if (s->pid == 0)
		run(s, pipes[0], slave);
	s->started = true;
	s->input = s->tty ? dup(s->master) : pipes[1];
	fcntl(s->input, F_SETFL, O_NONBLOCK);
	fcntl(s->input, F_SETFD, FD_CLOEXEC);
	close(s->tty ? slave : pipes[0]);
	return 0;
}

/* --- input and control ------------------------------------------------------------------------ */

static void end_input(struct served *s)
{
	if (s->input >= 0)
		close(s->input);
	s->input = -1;
	s->nwaiting = s->at = 0;
}

static void flush(struct served *s)
{
	while (s->input >= 0 && s->at < s->nwaiting) {
		ssize_t n = write(s->input, s->waiting + s->at, s->nwaiting - s->at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			end_input(s); /* it reads no more; it may go on without */
			return;
		}
		s->at += (size_t)n;
	}
	s->nwaiting = s->at = 0;
	if (s->ended && !s->tty)
		end_input(s);
}

static void hang_up(struct served *s)
{
	if (s->hung_up)
		return;
	s->hung_up = true;
	if (s->master >= 0)
		close(s->master); /* the kernel hangs the terminal up */
	s->master = -1;
	end_input(s);
	if (s->pid > 0)
		kill(-s->pid, SIGHUP);
	s->kill_ms = now_ms() + HANGUP_MS;
}

static void resize(struct served *s, unsigned rows, unsigned cols)
{
	struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};

	if (s->master >= 0 && rows > 0 && cols > 0)
		ioctl(s->master, TIOCSWINSZ, &size);
}

/* -1: the other end misbehaves, or nothing could be started. */
static int act(struct served *s, char type, const char *p, size_t n)
{
	if (!s->started)
		return type == 'S' ? start(s, p, n) : -1;
	if (type == 'D' && !s->ended && s->input >= 0 && n > 0) {
		s->waiting = p;
		s->nwaiting = n;
	} else if (type == 'E') {
		s->ended = true;
	} else if (type == 'W' && n == 4) {
		resize(s, number_at(p, 2), number_at(p + 2, 2));
	} else if (type == 'K' && n == 1 && p[0] > 0 && p[0] < 65) {
		kill(-s->pid, p[0]);
	}
	flush(s);
	return 0;
}

/* Some of stdin: one frame at a time, so that what follows waits while its input is not taken. */
static int read_frames(struct served *s)
{
	size_t want = s->got < HEAD ? HEAD - s->got : HEAD + number_at(s->frame + 1, 4) - s->got;
	ssize_t n = want ? read(0, s->frame + s->got, want) : 0;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (want && n <= 0) {
		hang_up(s);
		return 0;
	}
	s->got += (size_t)n;
	if (s->got < HEAD)
		return 0;
	if (number_at(s->frame + 1, 4) > FRAME_MAX) {
		errno = EPROTO;
		return -1;
	}
	if (s->got < HEAD + number_at(s->frame + 1, 4))
		return 0;
	n = act(s, s->frame[0], s->frame + HEAD, s->got - HEAD);
	s->got = 0;
	return (int)n;
}

/* --- output and the end ----------------------------------------------------------------------- */

/* What a terminal shows; false at its end. */
static bool copy_output(struct served *s)
{
	static char data[65536];
	ssize_t n = read(s->master, data, sizeof(data)), done = 0;

	while (n > 0 && done < n) {
		ssize_t k = write(1, data + done, (size_t)(n - done));

		if (k < 0 && errno != EINTR)
			return false;
		done += k > 0 ? k : 0;
	}
	return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

static int finish(struct served *s, int status)
{
	if (s->master >= 0) {
		fcntl(s->master, F_SETFL, O_NONBLOCK);
		while (copy_output(s) && errno != EAGAIN)
			errno = 0;
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Everything of the program's session: what it started and did not leave it. */
static void kill_session(const struct served *s)
{
	kill(-s->pid, SIGKILL);
	kill(s->pid, SIGKILL);
}

/* 1: the program ended. */
static int look_after(struct served *s, int *status)
{
	struct signalfd_siginfo info;

	if (s->kill_ms && now_ms() >= s->kill_ms && s->pid > 0) {
		kill_session(s);
		s->kill_ms = now_ms() + HANGUP_MS;
	}
	while (read(s->ends, &info, sizeof(info)) == sizeof(info))
		;
	return s->pid > 0 && waitpid(s->pid, status, WNOHANG) == s->pid;
}

static int turn(struct served *s, int *status)
{
	struct pollfd p[4] = {
	    {.fd = s->hung_up || s->nwaiting ? -1 : 0, .events = POLLIN},
	    {.fd = s->nwaiting ? s->input : -1, .events = POLLOUT},
	    {.fd = s->master, .events = POLLIN},
	    {.fd = s->ends, .events = POLLIN},
	};
	int64_t left = s->kill_ms ? s->kill_ms - now_ms() : -1;

	if (poll(p, 4, s->kill_ms ? (left > 0 ? (int)left : 0) : -1) < 0)
		return errno == EINTR ? 0 : -1;
	if (look_after(s, status))
		return 1;
	if (p[1].revents)
		flush(s);
	if (p[2].revents && !copy_output(s)) {
		close(s->master);
		s->master = -1;
	}
	if (p[0].revents && read_frames(s) < 0)
		return -1;
	return s->hung_up && !s->started ? -1 : 0;
}

int serve_run(void)
{
	struct served *s = &served;
	int status = 0, rc = 0;
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->ends = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->ends < 0)
		return die("signalfd");
	while (rc == 0)
		rc = turn(s, &status);
	if (rc > 0)
		return finish(s, status);
	if (s->pid > 0)
		kill_session(s);
	return die("execution");
}
