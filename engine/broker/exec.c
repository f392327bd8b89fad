/*
 * One execution: see exec.h.
 *
 *   tty:     client <========= the program's own pty =========> program     (dev containers)
 *   tty:     client <====== the engine's stream itself ======> program      (no byte passes here)
 *   no tty:  client <====== three pipes of the client's own ======> program  (dev containers)
 *   socket:  client <===== the program's own socket =====> far end          (dev containers)
 *   no tty:  client --pipe in--> exec_pump --stream--> program
 *            client <-pipe out-- exec_pump <-frames--- program
 *            client <-pipe err--    "
 */
#include "engine/broker/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ipc.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sock.h"
#include "engine/api/exec_proto.h"
#include "engine/broker/check.h"
#include "engine/broker/container.h"
#include "engine/broker/exec_give.h"
#include "engine/broker/exec_internal.h"
#include "engine/broker/exec_user.h"
#include "engine/broker/exec_kill.h"
#include "engine/broker/run.h"
#include "engine/broker/ticket.h"
#include "engine/broker/transfer.h"

#define OPEN_MS 10000
#define HANGUP_MS 5000
#define EARLY_MAX 65536

static void fail(int sock, struct cl_err *err)
{
	struct ipc_out m;

	if (!err->code)
		err_set(err, CL_FAILED, "execution: failed");
	ipc_begin(&m, EXEC_FAILED);
	ipc_put_err(&m, err);
	ipc_send(sock, &m);
}

/* The first message, within 10 s. */
static int read_open(struct exec *x, char id[TICKET_SIZE])
{
	struct pollfd p = {.fd = x->sock, .events = POLLIN};
	struct ipc_in m;

	if (poll(&p, 1, OPEN_MS) != 1 || ipc_recv(x->sock, &m) != 1)
		return -1;
	if (m.type != EXEC_OPEN && m.type != EXEC_OPEN_SOCKET) {
		ipc_close_fds(&m);
		return -1;
	}
	x->socket = m.type == EXEC_OPEN_SOCKET;
	ipc_get_str(&m, id, TICKET_SIZE);
	for (int i = 0; m.nfds == 3 && i < 3; i++)
		x->give[i] = ipc_get_fd(&m);
	return ipc_end(&m);
}

static void close_give(struct exec *x)
{
	for (int i = 0; i < 3; i++) {
		if (x->give[i] >= 0)
			close(x->give[i]);
		x->give[i] = -1;
	}
}

static json_t *create_json(const struct exec *x, const struct ticket *t)
{
	bool own = x->pty.listener >= 0; /* then the engine's stream carries nothing */
	json_t *argv = spec_json_argv(&t->argv), *env = spec_json_vars(&t->vars);
	char user[32];

	if (own && t->tty) {
		argv = exec_pty_argv(&x->pty, t->rows, t->cols, argv);
	} else if (own) {
		argv = x->socket ? argv : exec_give_argv(argv);
		exec_give_env(&x->pty, env);
	}
	snprintf(user, sizeof(user), "%u:%u", t->uid, t->gid);
	return json_pack("{s:b, s:b, s:b, s:b, s:s, s:b, s:s, s:o, s:o, s:s*}", "AttachStdin", !own,
	    "AttachStdout", 1, "AttachStderr", 1, "Tty", t->tty && !own,
	    /* No key sequence detaches: every byte is the program's. */
	    "DetachKeys", "", "Privileged", 0, "User", user, "Cmd", argv, "Env", env, "WorkingDir", t->workdir[0] ? t->workdir : NULL);
}

static int create(struct exec *x, const struct ticket *t, struct cl_err *err)
{
	char url[DOCKER_URL], full[PLACE_NAME];
	json_t *j = container_inspect(x->b, t->name, err);
	bool running = json_is_true(json_object_get(json_object_get(j, "State"), "Running"));

	if (!j)
		return -1;
	if ((t->tty || x->give[0] >= 0 || x->socket) && running)
		exec_pty_open(&x->pty, &x->b->place, t->name, j);
	if (running)
		exec_user_put(x->b, j, t);
	json_decref(j);
	if (!running) {
		err_set(err, CL_PRECONDITION, "container %s: not running", t->name);
		return err_hint(err, "`up` starts it");
	}
	place_container(&x->b->place, t->name, full);
	docker_url(url, "/containers/%s/exec", full);
	if (docker_call(&x->b->docker, "POST", url, create_json(x, t), &j, err) != 201) {
		json_decref(j);
		return -1;
	}
	snprintf(x->id, sizeof(x->id), "%.100s", docker_str(j, "Id"));
	json_decref(j);
	return x->id[0] ? 0 : err_set(err, CL_FAILED, "execution: the engine gave no id");
}

void exec_resize(const struct exec *x, int rows, int cols)
{
	char url[DOCKER_URL];

	if (!x->tty || rows < 1 || cols < 1)
		return;
	if (x->master >= 0) {
		struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};

		ioctl(x->master, TIOCSWINSZ, &size);
		return;
	}
	docker_url(url, "/exec/%s/resize?h=%d&w=%d", x->id, rows, cols);
	docker_call(&x->b->docker, "POST", url, NULL, NULL, NULL);
}

static int start(struct exec *x, const struct ticket *t, struct cl_err *err)
{
	char url[DOCKER_URL];
	bool tty = t->tty && x->pty.listener < 0;
	json_t *body = json_pack("{s:b, s:b}", "Detach", 0, "Tty", (int)tty);

	if (tty && t->rows > 0 && t->cols > 0) {
		json_object_set_new(body, "h", json_integer(t->rows));
		json_object_set_new(body, "w", json_integer(t->cols));
		json_object_set_new(body, "ConsoleSize", json_pack("[i, i]", t->rows, t->cols));
	}
	docker_url(url, "/exec/%s/start", x->id);
	x->stream = docker_upgrade(&x->b->docker, url, body, &x->early, err);
	return x->stream < 0 ? -1 : 0;
}

static void send_exited(struct exec *x, int status)
{
	struct ipc_out m;

	ipc_begin(&m, EXEC_EXITED);
	ipc_put_u32(&m, (uint32_t)status);
	/* The engine says 128 + n for a signal and for `exit 128 + n` alike.  It was a signal for
	 * certain only when we sent it. */
	ipc_put_u32(&m, x->signal && status == 128 + x->signal ? (uint32_t)x->signal : 0);
	ipc_send(x->sock, &m);
}

/* The client is gone: hang up, and end what does not take the hint. */
static void hang_up(struct exec *x)
{
	int pid = exec_kill_pid(x->b, x->id);
	int64_t deadline = clock_ms() + HANGUP_MS;

	if (x->master >= 0)
		close(x->master); /* with the client's copy gone too, the kernel hangs up the terminal */
	x->master = -1;
	if (!pid)
		return;
	exec_kill_group(x->b, x->id, SIGHUP);
	if (kill(pid, 0) == 0)
		kill(pid, SIGHUP);
	if (x->stream >= 0)
		close(x->stream);
	x->stream = -1;
	while (clock_ms() < deadline && kill(pid, 0) == 0)
		usleep(50000);
	/* The number is still the program's as long as the engine says that it runs. */
	if (exec_kill_pid(x->b, x->id) == pid)
		exec_kill_session(pid, SIGKILL);
}

int exec_control(struct exec *x)
{
	struct ipc_in m;
	char name[16];
	int rows, cols, got = ipc_recv(x->sock, &m);

	if (got != 1)
		return -1;
	if (m.type == EXEC_RESIZE) {
		rows = (int)ipc_get_range(&m, 1, 1000);
		cols = (int)ipc_get_range(&m, 1, 1000);
		if (ipc_end(&m) < 0)
			return -1;
		exec_resize(x, rows, cols);
		return 0;
	}
	ipc_get_str(&m, name, sizeof(name));
	if (m.type != EXEC_SIGNAL || ipc_end(&m) < 0)
		return -1;
	if (exec_kill_number(name)) {
		x->signal = exec_kill_number(name);
		exec_kill_group(x->b, x->id, x->signal);
	}
	return 0;
}

static int send_opened(struct exec *x, enum exec_how how)
{
	struct ipc_out m;
	int fd = x->master >= 0 ? x->master : x->stream, rc;

	sock_nonblock(fd, 0); /* a client that wants it otherwise says so itself */
	ipc_begin(&m, EXEC_OPENED);
	ipc_put_u32(&m, how);
	ipc_put_bytes(&m, x->early.data, x->early.len < IPC_DATA_MAX ? x->early.len : IPC_DATA_MAX);
	if (how == EXEC_TTY || how == EXEC_SOCKET)
		ipc_put_fd(&m, fd);
	rc = ipc_send(x->sock, &m);
	if (how == EXEC_SOCKET) { /* the far end sees when its client closes it */
		close(x->master);
		x->master = -1;
	}
	return rc;
}

/* No byte comes by us; we watch for the end.  0 ended, -1 hang-up. */
static int serve_direct(struct exec *x, enum exec_how how)
{
	struct pollfd p[2] = {{.fd = x->sock, .events = POLLIN}, {.fd = x->stream, .events = POLLRDHUP}};

	if (send_opened(x, how) < 0)
		return -1;
	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return -1;
		if (p[0].revents && exec_control(x) < 0)
			return -1;
		if (p[1].revents & (POLLRDHUP | POLLHUP | POLLERR))
			return 0;
	}
}

/* What it waited for did not come about (a container that was made before there was this way): the
 * program is started anew with the engine's stream. */
static int start_anew(struct exec *x, const struct ticket *t, struct cl_err *err)
{
	close(x->stream);
	x->stream = -1;
	x->socket = false;
	buf_drop(&x->early, x->early.len);
	return create(x, t, err) < 0 ? -1 : start(x, t, err);
}

/* Give the program its client's pipes. */
static int give(struct exec *x, const struct ticket *t, struct cl_err *err)
{
	x->given = exec_give_wait(&x->pty, x->stream, t->uid, x->give);
	close_give(x);
	if (x->given)
		return 0;
	log_warn("exec in %s: nobody took the pipes; the container engine's stream serves", t->name);
	return start_anew(x, t, err);
}

/* Take the socket that the program connects or listens with. */
static int take_socket(struct exec *x, const struct ticket *t, struct cl_err *err)
{
	int why;

	x->master = exec_pty_wait_socket(&x->pty, x->stream, &why);
	if (x->master >= 0)
		return 0;
	if (why)
		return err_set(err, CL_FAILED, "%s", strerror(why));
	log_warn("exec in %s: no socket came out; the container engine's stream serves", t->name);
	return start_anew(x, t, err);
}

/* What goes into the container or comes out of it before the client is told that it runs. */
static int exchange(struct exec *x, const struct ticket *t, struct cl_err *err)
{
	if (x->pty.listener < 0)
		return 0;
	if (!t->tty)
		return x->socket ? take_socket(x, t, err) : give(x, t, err);
	x->master = exec_pty_wait(&x->pty, x->stream);
	if (x->master >= 0)
		return 0;
	err_set(err, CL_FAILED, "%s: no terminal came out of the container", t->name);
	return err_hint(err, "`restart` makes the container anew");
}

static void serve(struct exec *x, const struct ticket *t)
{
	struct cl_err err = {0};
	int status = 0, rc;

	if (create(x, t, &err) < 0 || start(x, t, &err) < 0) {
		fail(x->sock, &err);
		return;
	}
	if (exchange(x, t, &err) < 0) {
		fail(x->sock, &err);
		if (x->id[0] && x->stream >= 0)
			hang_up(x);
		return;
	}
	if (t->tty)
		rc = serve_direct(x, EXEC_TTY);
	else if (x->given || x->master >= 0)
		rc = serve_direct(x, x->given ? EXEC_GIVEN : EXEC_SOCKET);
	else
		rc = exec_pump_run(x);
	if (rc < 0) {
		hang_up(x);
		return;
	}
	close(x->stream);
	x->stream = -1;
	if (run_exit_status(x->b, x->id, &status, &err) < 0)
		fail(x->sock, &err);
	else
		send_exited(x, status);
}

void exec_serve(const struct broker *b, int sock, uid_t peer)
{
	struct exec x = {.b = b, .sock = sock, .stream = -1, .master = -1, .pty.listener = -1,
	    .give = {-1, -1, -1}};
	struct cl_err err = {0};
	char id[TICKET_SIZE];
	struct ticket t;

	signal(SIGPIPE, SIG_IGN);
	if (read_open(&x, id) < 0)
		return;
	if (x.give[0] >= 0 && !exec_give_fit(x.give))
		close_give(&x);
	if (ticket_take(&b->place, id, peer, &t, &err) < 0) {
		log_warn("exec: uid %u presented no valid ticket", (unsigned)peer);
		fail(sock, &err);
		return;
	}
	if (t.kind != TICKET_EXEC) {
		transfer_serve(b, sock, &t, id);
		ticket_clear(&t);
		return;
	}
	x.tty = t.tty;
	buf_init(&x.early, EARLY_MAX * 2);
	serve(&x, &t);
	ticket_clear(&t);
	buf_clear(&x.early);
	exec_pty_close(&x.pty);
	close_give(&x);
	if (x.master >= 0)
		close(x.master);
	if (x.stream >= 0)
		close(x.stream);
}
