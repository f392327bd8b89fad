/*
 * Executions: see client.h and engine/api/exec_proto.h.  The broker sends descriptors of the
 * program's streams; the control socket tells how it ended, and hangs it up when closed.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ipc.h"
#include "base/mem.h"
#include "base/sock.h"
#include "engine/api/exec_proto.h"
#include "engine/client/client.h"

#define EXEC_OPEN_MS 60000

/* The broker's answer to OPEN, or its refusal. */
static int opened(struct client_exec *x, struct ipc_in *in, struct cl_err *err)
{
	const void *early;
	struct cl_err why = {0};
	size_t n;
	int how;

	if (in->type == EXEC_FAILED) {
		ipc_get_err(in, &why);
		if (ipc_end(in) < 0)
			return err_set(err, CL_FAILED, "exec: the broker's answer is malformed");
		if (err && !err->code)
			*err = why;
		return -1;
	}
	if (in->type != EXEC_OPENED) {
		ipc_close_fds(in);
		return err_set(err, CL_FAILED, "exec: the broker's answer is malformed");
	}
	how = (int)ipc_get_range(in, EXEC_PIPES, EXEC_SOCKET);
	x->tty = how == EXEC_TTY;
	x->given = how == EXEC_GIVEN;
	x->socket = how == EXEC_SOCKET;
	early = ipc_get_bytes(in, &n, IPC_DATA_MAX);
	x->early = n ? mem_dup(early, n) : NULL;
	x->early_len = n;
	if (x->socket) {
		x->fds[0] = ipc_get_fd(in);
	} else if (!x->given) {
		x->fds[0] = ipc_get_fd(in);
		x->fds[1] = x->tty ? x->fds[0] : ipc_get_fd(in);
		x->fds[2] = x->tty ? x->fds[0] : ipc_get_fd(in);
	}
	if (ipc_end(in) < 0)
		return err_set(err, CL_FAILED, "exec: the broker's answer is malformed");
	return 0;
}

/* The ticket, with pipes or without. */
static int present(struct client_exec *x, const char *socket, enum exec_type type, const char *ticket,
    const int *pipes, struct cl_err *err)
{
	struct ipc_out *out = mem_alloc(sizeof(*out));
	struct ipc_in *in = mem_alloc(sizeof(*in));
	struct pollfd p = {.events = POLLIN};
	int rc = -1, got;

	memset(x, 0, sizeof(*x));
	x->fds[0] = x->fds[1] = x->fds[2] = -1;
	x->control = sock_connect(socket, SOCK_SEQPACKET, err);
	p.fd = x->control;
	if (x->control >= 0) {
		ipc_begin(out, type);
		ipc_put_str(out, ticket);
		for (int i = 0; pipes && i < 3; i++)
			ipc_put_fd(out, pipes[i]);
		if (ipc_send(x->control, out) < 0)
			err_errno(err, CL_UNAVAILABLE, "exec");
		else if (poll(&p, 1, EXEC_OPEN_MS) <= 0)
			err_set(err, CL_TIMEOUT, "exec: the broker does not answer");
		else if ((got = ipc_recv(x->control, in)) <= 0)
			err_set(err, CL_UNAVAILABLE, "exec: the broker closed the connection");
		else
			rc = opened(x, in, err);
	}
	mem_free(out);
	mem_free(in);
	if (rc < 0)
		client_exec_close(x);
	else
		sock_nonblock(x->control, 1);
	return rc;
}

int client_exec_open(struct client_exec *x, const char *socket, const char *ticket,
    struct cl_err *err)
{
	return present(x, socket, EXEC_OPEN, ticket, NULL, err);
}

int client_exec_give(struct client_exec *x, const char *socket, const char *ticket,
    const int pipes[3], struct cl_err *err)
{
	return present(x, socket, EXEC_OPEN, ticket, pipes, err);
}

int client_exec_socket(struct client_exec *x, const char *socket, const char *ticket,
    struct cl_err *err)
{
	return present(x, socket, EXEC_OPEN_SOCKET, ticket, NULL, err);
}

int client_exec_resize(struct client_exec *x, int rows, int cols)
{
	struct ipc_out *out = mem_alloc(sizeof(*out));
	int rc;

	ipc_begin(out, EXEC_RESIZE);
	ipc_put_u32(out, (uint32_t)rows);
	ipc_put_u32(out, (uint32_t)cols);
	rc = ipc_send(x->control, out);
	mem_free(out);
	return rc;
}

int client_exec_signal(struct client_exec *x, const char *name)
{
	struct ipc_out *out = mem_alloc(sizeof(*out));
	int rc;

	ipc_begin(out, EXEC_SIGNAL);
	ipc_put_str(out, name);
	rc = ipc_send(x->control, out);
	mem_free(out);
	return rc;
}

int client_exec_ended(struct client_exec *x, int *status, int *signal)
{
	struct ipc_in *in = mem_alloc(sizeof(*in));
	int rc = ipc_recv(x->control, in);

	if (rc < 0 && errno == EAGAIN) {
		mem_free(in);
		return 0;
	}
	if (rc == 1 && in->type == EXEC_EXITED) {
		*status = (int)ipc_get_range(in, 0, 255);
		*signal = (int)ipc_get_range(in, 0, 64);
		rc = ipc_end(in) < 0 ? -1 : 1;
	} else {
		ipc_close_fds(in);
		rc = -1;
	}
	mem_free(in);
	return rc;
}

int client_exec_wait(struct client_exec *x, struct cl_err *err)
{
	struct pollfd p = {.fd = x->control, .events = POLLIN};
	struct ipc_in *in = mem_alloc(sizeof(*in));
	struct cl_err why = {0};
	int rc;

	while ((rc = ipc_recv(x->control, in)) < 0 && (errno == EAGAIN || errno == EINTR))
		poll(&p, 1, -1);
	if (rc == 1 && in->type == EXEC_FAILED)
		ipc_get_err(in, &why);
	else if (rc == 1 && in->type == EXEC_EXITED && ipc_get_u32(in) != 0)
		err_set(&why, CL_FAILED, "transfer: it failed");
	else if (rc != 1 || in->type != EXEC_EXITED)
		err_set(&why, CL_UNAVAILABLE, "transfer: the broker closed the connection");
	ipc_close_fds(in);
	mem_free(in);
	if (!why.code)
		return 0;
	if (err && !err->code)
		*err = why;
	return -1;
}

void client_exec_close(struct client_exec *x)
{
	for (int i = x->tty ? 0 : 2; i >= 0; i--) {
		if (x->fds[i] >= 0)
			close(x->fds[i]);
	}
	x->fds[0] = x->fds[1] = x->fds[2] = -1;
	if (x->control >= 0)
		close(x->control);
	x->control = -1;
	mem_free(x->early);
	x->early = NULL;
}
