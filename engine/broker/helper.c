/* One job of the helper: see helper.h.  Its answer is as untrusted as what it has read. */
#include "engine/broker/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/utf8.h"

struct running {
	pid_t pid;
	int sock, out;
	int64_t deadline;
};

void helper_limits(struct unpack_limits *max)
{
	max->bytes = config_int("import.max_mb") << 20;
	max->files = (int)config_int("import.max_files");
	max->seconds = (int)config_int("import.timeout_s");
}

void helper_put_limits(struct ipc_out *m, const struct unpack_limits *max)
{
	ipc_put_i64(m, max->bytes);
	ipc_put_i32(m, max->files);
	ipc_put_i32(m, max->seconds);
}

static int start(const struct helper *h, struct running *w, struct cl_err *err)
{
	cl_autofree char *path = mem_printf("%s/codinglab-unpack", config_str("bin.dir"));
	const char *const argv[] = {"codinglab-unpack", NULL};
	int pair[2], out[2];

	if (ipc_pair(pair, err) < 0)
		return -1;
	if (pipe2(out, O_CLOEXEC) < 0) {
		close(pair[0]);
		close(pair[1]);
		return err_errno(err, CL_FAILED, "pipe");
	}
	struct proc_spec spec = {.path = path, .argv = (char *const *)(uintptr_t)argv,
	    .fds = {-1, out[1], out[1], pair[1]}, .nfds = 4, .drop = h->uid != geteuid(), .uid = h->uid,
	    .gid = h->gid, .setsid = true};

	w->pid = proc_start(&spec, err);
	close(pair[1]);
	close(out[1]);
	w->sock = pair[0];
	w->out = out[0];
	w->deadline = clock_ms() + ((int64_t)h->seconds + 30) * 1000;
	return w->pid < 0 ? -1 : 0;
}

static int bad_answer(struct cl_err *err)
{
	return err_set(err, CL_FAILED, "import: its helper died");
}

static int read_answer(int sock, struct unpack_result *r, struct cl_err *err)
{
	struct ipc_in *m = mem_alloc(sizeof(*m));
	struct cl_err why = {0};
	int rc = -1;

	if (ipc_recv(sock, m) != 1) {
		bad_answer(err);
	} else if (m->type == UNPACK_FAILED) {
		ipc_get_err(m, &why);
		if (ipc_end(m) < 0 || !why.code)
			bad_answer(err);
		else if (err && !err->code)
			*err = why;
	} else if (m->type == UNPACK_DONE) {
		r->bytes = ipc_get_i64(m);
		r->files = ipc_get_i32(m);
		ipc_get_str(m, r->root, sizeof(r->root));
		ipc_get_str(m, r->stack, sizeof(r->stack));
		ipc_get_str(m, r->top, sizeof(r->top));
		ipc_get_str(m, r->note, sizeof(r->note));
		rc = ipc_end(m) < 0 ? bad_answer(err) : 0;
	} else {
		ipc_close_fds(m);
		bad_answer(err);
	}
	mem_free(m);
	return rc;
}

/* Its output, until it says how it ended: 1 answer there, -1 not wanted any more or too late. */
static int follow(const struct helper *h, struct running *w, struct cl_err *err)
{
	struct pollfd p[3] = {{.fd = w->sock, .events = POLLIN}, {.fd = w->out, .events = POLLIN},
	    {.fd = h->watch, .events = POLLRDHUP}};
	char data[8192];
	ssize_t n;

	for (;;) {
		int64_t left = w->deadline - clock_ms();

		if (left <= 0)
			return err_set(err, CL_TIMEOUT, "import: not done after %d s", h->seconds);
		if (poll(p, 3, left < 60000 ? (int)left : 60000) <= 0)
			continue;
		if (p[1].revents) {
			n = read(w->out, data, sizeof(data));
			if (n <= 0)
				p[1].fd = -1;
			else if (h->out)
				line_add(h->out, 1, data, (size_t)n);
			continue; /* what it said comes before its end */
		}
		if (p[2].revents)
			return err_set(err, CL_FAILED, "cancelled");
		if (p[0].revents)
			return 1;
	}
}

int helper_run(const struct helper *h, const struct ipc_out *request, struct unpack_result *r,
    struct cl_err *err)
{
	struct running w = {.sock = -1, .out = -1};
	int rc = start(h, &w, err);

	memset(r, 0, sizeof(*r));
	if (rc == 0 && ipc_send(w.sock, request) < 0)
		rc = err_errno(err, CL_FAILED, "import: its helper");
	if (rc == 0)
		rc = follow(h, &w, err) < 0 ? -1 : read_answer(w.sock, r, err);
	if (h->out)
		line_flush(h->out);
	if (w.pid > 0) {
		kill(-w.pid, SIGKILL); /* also what git left running */
		kill(w.pid, SIGKILL);
		while (waitpid(w.pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	if (w.sock >= 0)
		close(w.sock);
	if (w.out >= 0)
		close(w.out);
	return rc;
}
