/*
 * Programs in containers: run, shell, enter, and lines that are no verb.  The relay is one poll
 * loop between our stdin, stdout and stderr and the program's, with everything that the program
 * must see passed on: end of input, signals, the terminal's size; and its exit status or signal
 * brought back.
 *
 *   stdin ──pending──► fds[0]      program      fds[1] ──► stdout    fds[2] ──► stderr
 *                         control: RESIZE, SIGNAL ──►   ◄── EXITED
 *
 * Behind the gateway the program gets our own stdin, stdout and stderr where that can be
 * (verb_ctx.direct), and only the control remains.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sock.h"
#include "engine/client/client.h"
#include "engine/client/verb_copy.h"
#include "engine/client/verb_forward.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_rest.h"
#include "engine/client/verbs.h"

#define EXEC_CHUNK 32768

struct relay {
	struct verb_ctx *ctx;
	struct client_exec x;
	bool in_open;             /* our stdin may have more */
	char pending[EXEC_CHUNK]; /* read from stdin, not yet taken by the program */
	size_t at, len;
	int signals;              /* signalfd */
	sigset_t old_mask;
	struct termios old_tty;
	bool raw;
	int64_t deadline;         /* clock_ms(), 0 = none */
	int status, signal;
	bool ended, lost, late;
};

static const struct {
	int number;
	const char *name;
} exec_signals[] = {{SIGINT, "INT"}, {SIGTERM, "TERM"}, {SIGQUIT, "QUIT"}, {SIGUSR1, "USR1"},
    {SIGUSR2, "USR2"}, {SIGHUP, "HUP"}, {SIGWINCH, NULL}};

static void begin_signals(struct relay *r)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < CL_COUNT(exec_signals); i++)
		sigaddset(&set, exec_signals[i].number);
	pthread_sigmask(SIG_BLOCK, &set, &r->old_mask);
	r->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void begin_tty(struct relay *r)
{
	struct termios raw;

	if (!r->x.tty || !r->ctx->in_tty || tcgetattr(r->ctx->in, &r->old_tty) < 0)
		return;
	raw = r->old_tty;
	cfmakeraw(&raw);
	r->raw = tcsetattr(r->ctx->in, TCSADRAIN, &raw) == 0;
}

static void end_signals(struct relay *r)
{
	close(r->signals);
	pthread_sigmask(SIG_SETMASK, &r->old_mask, NULL);
}

static void finish(struct relay *r)
{
	if (r->raw)
		tcsetattr(r->ctx->in, TCSADRAIN, &r->old_tty);
	end_signals(r);
	client_exec_close(&r->x);
}

static void take_signal(struct relay *r)
{
	struct signalfd_siginfo si;
	struct winsize ws;

	while (read(r->signals, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGWINCH) {
			if (r->x.tty && ioctl(r->ctx->in, TIOCGWINSZ, &ws) == 0 && ws.ws_row && ws.ws_col)
				client_exec_resize(&r->x, ws.ws_row, ws.ws_col);
			continue;
		}
		for (size_t i = 0; i < CL_COUNT(exec_signals); i++)
			if (exec_signals[i].name && exec_signals[i].number == (int)si.ssi_signo)
				client_exec_signal(&r->x, exec_signals[i].name);
	}
}

static void close_input(struct relay *r)
{
	r->in_open = false;
	r->at = r->len = 0;
	if (r->x.tty || r->x.fds[0] < 0)
		return;
	close(r->x.fds[0]);
	r->x.fds[0] = -1;
}

static void read_input(struct relay *r)
{
	ssize_t n = read(r->ctx->in, r->pending, sizeof(r->pending));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		close_input(r);
		return;
	}
	r->at = 0;
	r->len = (size_t)n;
}

static void write_input(struct relay *r)
{
	ssize_t n = write(r->x.fds[0], r->pending + r->at, r->len - r->at);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n < 0) {
		/* The program has closed its input; it may go on without. */
		close_input(r);
		return;
	}
	r->at += (size_t)n;
	if (r->at == r->len)
		r->at = r->len = 0;
}

/* Bytes of fds[i] to where they belong; false when there are no more for now. */
static bool pass_output(struct relay *r, int i)
{
	char data[EXEC_CHUNK];
	ssize_t n = read(r->x.fds[i], data, sizeof(data));

	if (n > 0) {
		if (i == 1)
			r->ctx->out(r->ctx->arg, data, (size_t)n, true);
		else
			r->ctx->err(r->ctx->arg, data, (size_t)n);
		return true;
	}
	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0 && errno == EAGAIN)
		return false;
	if (r->x.tty) {
		r->x.fds[0] = r->x.fds[2] = -1;
		r->in_open = false;
		r->at = r->len = 0;
	}
	close(r->x.fds[i]);
	r->x.fds[i] = -1;
	return false;
}

static void drain(struct relay *r)
{
	for (int i = 1; i < (r->x.tty ? 2 : 3); i++)
		while (r->x.fds[i] >= 0 && pass_output(r, i))
			;
}

static int wait_ms(const struct relay *r)
{
	int64_t left = r->deadline - clock_ms();

	if (!r->deadline)
		return r->ctx->cancelled ? 250 : -1;
	return left < 0 ? 0 : left < 250 ? (int)left : 250;
}

static void turn(struct relay *r)
{
	struct pollfd p[6] = {
	    {r->in_open && !r->len ? r->ctx->in : -1, POLLIN, 0},
	    {r->len ? r->x.fds[0] : -1, POLLOUT, 0},
	    {r->x.fds[1], POLLIN, 0},
	    {r->x.tty ? -1 : r->x.fds[2], POLLIN, 0},
	    {r->x.control, POLLIN, 0},
	    {r->signals, POLLIN, 0},
	};
	int got;

	if (poll(p, 6, wait_ms(r)) < 0)
		return;
	if (p[5].revents)
		take_signal(r);
	if (p[0].revents)
		read_input(r);
	if (p[1].revents)
		write_input(r);
	if (p[2].revents)
		pass_output(r, 1);
	if (p[3].revents)
		pass_output(r, 2);
	if (p[4].revents) {
		got = client_exec_ended(&r->x, &r->status, &r->signal);
		r->ended = got == 1;
		r->lost = got < 0;
	}
	r->late = r->deadline && clock_ms() >= r->deadline;
}

/* The program has our pipes; what else holds them would keep their ends from being seen.  stderr
 * stays, for what we have to say ourselves. */
static void let_go(struct relay *r)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	r->in_open = false;
	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	close(null);
}

/* The socket that came out goes to the gateway's connection, and is its alone. */
static void pass_on(struct relay *r)
{
	if (sock_send_fd(STDOUT_FILENO, '+', r->x.fds[0]) < 0)
		r->lost = true;
	close(r->x.fds[0]);
	r->x.fds[0] = -1;
	let_go(r);
}

/* A program with our pipes may be heard by its client before we know that it runs: a signal for it
 * that comes meanwhile waits. */
static int open_relay(struct relay *r, const char *socket, const char *ticket, struct cl_err *err)
{
	static const int own[3] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
	struct cl_err why;
	int rc;

	if (r->ctx->socket_out) {
		begin_signals(r);
		rc = client_exec_socket(&r->x, socket, ticket, err);
		if (rc == 0 && r->x.socket)
			pass_on(r);
		if (rc == 0)
			return 0;
		end_signals(r);
		why = *err;
		err->code = CL_OK;
		err_set(err, why.code, "forwarding: %s: %s", r->ctx->socket_out, why.message);
		return err_hint(err, "%s", why.hint);
	}
	if (r->ctx->direct) {
		begin_signals(r);
		rc = client_exec_give(&r->x, socket, ticket, own, err);
		if (rc < 0)
			end_signals(r);
		return rc;
	}
	rc = client_exec_open(&r->x, socket, ticket, err);
	if (rc == 0)
		begin_signals(r);
	return rc;
}

static int relay(struct verb_ctx *ctx, const json_t *ticket)
{
	struct relay *r = mem_alloc(sizeof(*r));
	struct cl_err err = {0};
	int rc;

	r->ctx = ctx;
	if (open_relay(r, verb_out_str(ticket, "socket"), verb_out_str(ticket, "ticket"), &err) < 0) {
		mem_free(r);
		return verb_out_error(ctx, &err);
	}
	for (int i = 0; i < 3; i++) /* those that there are */
		sock_nonblock(r->x.fds[i], 1);
	r->deadline = ctx->timeout_s ? clock_ms() + (int64_t)ctx->timeout_s * 1000 : 0;
	begin_tty(r);
	if (r->x.early_len)
		ctx->out(ctx->arg, r->x.early, r->x.early_len, true);
	r->in_open = ctx->in >= 0 && !r->x.given && !r->x.socket;
	if (r->x.given)
		let_go(r);
	else if (!r->in_open)
		close_input(r);
	while (!r->ended && !r->lost && !r->late && !(ctx->cancelled && *ctx->cancelled))
		turn(r);
	drain(r);
	finish(r);
	rc = r->signal ? 128 + r->signal : r->status;
	ctx->signal = r->ended ? r->signal : 0;
	if (r->late)
		err_set(&err, CL_TIMEOUT, "run: not done after %d s", ctx->timeout_s);
	else if (r->lost)
		err_set(&err, CL_FAILED, "run: the connection to the container was cut");
	else if (!r->ended)
		rc = 130;
	mem_free(r);
	return err.code ? verb_out_error(ctx, &err) : rc;
}

static void add_env(json_t *body)
{
	static const char *const names[] = {"TERM", "COLORTERM", "NO_COLOR", "TZ", "LANG", "LC_ALL",
	    "LC_CTYPE", "LC_MESSAGES", "LC_TIME", "LC_COLLATE", "LC_NUMERIC", "LC_MONETARY"};
	json_t *env = json_object();
	const char *v;

	for (size_t i = 0; i < CL_COUNT(names); i++) {
		v = getenv(names[i]);
		if (v && *v && strlen(v) < 256)
			json_object_set_new(env, names[i], json_string(v));
	}
	v = getenv("CODINGLAB_AGENT"); /* the gateway's: where ssh -A listens in the dev container */
	if (v && strncmp(v, "/tmp/", 5) == 0 && strlen(v) < 108)
		json_object_set_new(env, "SSH_AUTH_SOCK", json_string(v));
	json_object_set_new(body, "env", env);
}

/* Complete the request in body and run it.  tier "" = the dev container. */
static int start(struct verb_ctx *ctx, json_t *body, const char *tier, int n)
{
	cl_autofree char *path = verb_rest_project(ctx, "/exec", false);
	bool tty = ctx->in_tty && ctx->out_tty && !ctx->json;
	struct cl_err err = {0};
	json_t *ticket = NULL;
	int rc;

	if (!ctx->project[0]) {
		json_decref(body);
		err_set(&err, CL_USAGE, "run: no project is named");
		err_hint(&err, "Say -p PROJECT, or connect as user+project@host");
		return verb_out_error(ctx, &err);
	}
	json_object_set_new(body, "tty", json_boolean(tty));
	if (tty && ctx->rows > 0 && ctx->cols > 0) {
		json_object_set_new(body, "rows", json_integer(ctx->rows > 500 ? 500 : ctx->rows));
		json_object_set_new(body, "cols", json_integer(ctx->cols > 1000 ? 1000 : ctx->cols));
	}
	add_env(body);
	if (tier[0]) {
		json_object_set_new(body, "tier", json_string(tier));
		if (n > 0)
			json_object_set_new(body, "n", json_integer(n));
		if (ctx->env[0])
			json_object_set_new(body, "environment", json_string(ctx->env));
	}
	rc = verb_rest_call(ctx, "POST", path, body, &ticket);
	if (rc == 0)
		rc = relay(ctx, ticket);
	json_decref(ticket);
	return rc;
}

static json_t *argv_of(const struct verb_args *args)
{
	json_t *body = json_object(), *list = json_array();

	/* One word with blanks in it was meant as a line for a shell. */
	if (args->nrest == 1 && strpbrk(args->rest[0], " \t\n;|&<>$`")) {
		json_decref(list);
		json_object_set_new(body, "command", json_string(args->rest[0]));
		return body;
	}
	for (int i = 0; i < args->nrest; i++)
		json_array_append_new(list, json_string(args->rest[i]));
	json_object_set_new(body, "argv", list);
	return body;
}

int verb_exec_run(struct verb_ctx *ctx, const struct verb_args *args)
{
	json_t *body = args->nrest ? argv_of(args) : json_pack("{s:b}", "run", 1);

	return start(ctx, body, ctx->tier, ctx->n);
}

/* With words it is the program test(1), as `ssh HOST test -f x` has always been. */
int verb_exec_test(struct verb_ctx *ctx, const struct verb_args *args)
{
	json_t *body, *argv;

	if (!args->nrest)
		return start(ctx, json_pack("{s:s}", "task", "test"), ctx->tier, ctx->n);
	argv = json_pack("[s]", "test");
	for (int i = 0; i < args->nrest; i++)
		json_array_append_new(argv, json_string(args->rest[i]));
	body = json_pack("{s:o}", "argv", argv);
	return start(ctx, body, ctx->tier, ctx->n);
}

int verb_exec_repl(struct verb_ctx *ctx, const struct verb_args *args)
{
	return start(ctx, json_pack("{s:s}", "task", "repl"), "", 0);
}

int verb_exec_debug(struct verb_ctx *ctx, const struct verb_args *args)
{
	return start(ctx, json_pack("{s:s}", "task", "debug"), "", 0);
}

int verb_exec_shell(struct verb_ctx *ctx, const struct verb_args *args)
{
	return start(ctx, json_pack("{s:b}", "shell", 1), "", 0);
}

int verb_exec_command(struct verb_ctx *ctx, const char *line)
{
	json_t *body = json_pack("{s:s}", "command", line);
	struct cl_err err = {0};

	if (!body) {
		err_set(&err, CL_USAGE, "run: the command is not UTF-8");
		return verb_out_error(ctx, &err);
	}
	ctx->env = ctx->env ? ctx->env : "";
	return start(ctx, body, ctx->tier ? ctx->tier : "", ctx->n);
}

int verb_exec_enter(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *where = verb_args_get(args, "TIER-N"), *dash;
	struct cl_err err = {0};
	char tier[8] = "was";
	long n = 0;
	size_t len;

	if (!where && ctx->tier[0]) {
		mem_copy_str(tier, sizeof(tier), ctx->tier);
		n = ctx->n;
	} else if (where) {
		dash = strchr(where, '-');
		len = dash ? (size_t)(dash - where) : strlen(where);
		n = dash ? strtol(dash + 1, NULL, 10) : 0;
		if (len >= sizeof(tier) || (dash && (n < 1 || n > 99)))
			len = 0;
		memcpy(tier, where, len);
		tier[len] = '\0';
	}
	if (strcmp(tier, "web") != 0 && strcmp(tier, "was") != 0 && strcmp(tier, "db") != 0) {
		err_set(&err, CL_USAGE, "enter: \"%s\" is no instance like web, was-2 or db", where);
		return verb_out_error(ctx, &err);
	}
	return start(ctx, args->nrest ? argv_of(args) : json_pack("{s:b}", "shell", 1), tier, (int)n);
}

int verb_exec_program(struct verb_ctx *ctx, const char *const *argv)
{
	json_t *body = json_object(), *list = json_array();
	struct cl_err err = {0};

	for (size_t i = 0; argv[i]; i++) {
		if (json_array_append_new(list, json_string(argv[i])) == 0)
			continue;
		json_decref(body);
		json_decref(list);
		err_set(&err, CL_USAGE, "run: the command is not UTF-8");
		return verb_out_error(ctx, &err);
	}
	json_object_set_new(body, "argv", list);
	return start(ctx, body, ctx->tier, ctx->n);
}

int verb_exec_line(struct verb_ctx *ctx, const char *line)
{
	const char *first = line + strspn(line, " \t\n");
	int rc;

	if (verb_copy_line(ctx, line, &rc) || verb_forward_line(ctx, line, &rc))
		return rc;

	/* A group's word with a wrong second one ("user ad") is a slip, not a program. */
	if (verb_find_line(line) || !ctx->project[0] || verb_known_word(line) || !*first ||
	    strncmp(first, "--", 2) == 0)
		return verb_run_line(ctx, line);
	return verb_exec_command(ctx, line);
}
