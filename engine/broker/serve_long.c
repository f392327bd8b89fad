/*
 * Verbs that take long: a worker process does the work and sends its lines and its end, while
 * the connection's process listens for CANCEL or a closed connection and then kills the worker
 * and removes what it had begun.
 */
#include "engine/broker/serve_internal.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/broker/broker_proto.h"
#include "engine/broker/build.h"
#include "engine/broker/check.h"
#include "engine/broker/container.h"
#include "engine/broker/image.h"
#include "engine/broker/import.h"
#include "engine/broker/run.h"
#include "engine/broker/serve.h"
#include "engine/broker/watch.h"

#define PULSE_S 5
#define PULSE_WAIT_MS 15000

static void worker(struct serve *s, serve_body_fn *body, void *arg) __attribute__((noreturn));

static void worker(struct serve *s, serve_body_fn *body, void *arg)
{
	struct cl_err err = {0};
	int rc;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	rc = body(s, arg, &err);
	_exit(serve_end(s, rc, &err) < 0 ? 1 : 0);
}

/* A build may be silent for an hour, so silence says nothing about the container engine: it is
 * asked beside the work.  Ends when it did not answer twice. */
static void pulse(const struct broker *b) __attribute__((noreturn));

static void pulse(const struct broker *b)
{
	const struct docker *const engines[] = {&b->docker, &b->builder};
	int silent[CL_COUNT(engines)] = {0};
	char url[DOCKER_URL];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	docker_url(url, "/_ping");
	for (;;) {
		sleep(PULSE_S);
		for (size_t i = 0; i < CL_COUNT(engines); i++) {
			struct cl_err err = {0};

			if (!engines[i]->socket)
				continue;
			docker_call_timed(engines[i], "GET", url, NULL, PULSE_WAIT_MS, NULL, &err);
			silent[i] = err.code == CL_TIMEOUT ? silent[i] + 1 : 0;
			if (silent[i] >= 2)
				_exit(0);
		}
	}
}

/* 0 the worker ended by itself, 1 cancelled, 2 the container engine is silent, -1 the connection is
 * gone.  The engine may have the worker's answer, and send its next request, before the worker's
 * end is seen here: that request stays in the socket for serve_run(). */
static int supervise(int sock, pid_t pid, pid_t pulse_pid)
{
	cl_autoclose int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	cl_autoclose int pulse_fd = pulse_pid > 0 ? (int)syscall(SYS_pidfd_open, pulse_pid, 0) : -1;
	struct pollfd p[3] = {{.fd = fd, .events = POLLIN}, {.fd = sock, .events = POLLIN},
	    {.fd = pulse_fd, .events = POLLIN}};
	struct ipc_in *m;
	uint32_t type;
	int got;

	for (;;) {
		if (poll(p, 3, -1) < 0 && errno != EINTR)
			return -1;
		if (p[0].revents)
			return 0;
		if (p[2].revents)
			return 2;
		if (!p[1].revents)
			continue;
		if (recv(sock, &type, sizeof(type), MSG_PEEK | MSG_DONTWAIT) != sizeof(type))
			return -1;
		if (le32toh(type) != BROKER_CANCEL) {
			p[1].fd = -1;
			continue;
		}
		m = mem_alloc(sizeof(*m));
		got = ipc_recv(sock, m) == 1 && ipc_end(m) == 0;
		mem_free(m);
		return got ? 1 : -1;
	}
}

int serve_long_worker(struct serve *s, serve_body_fn *body, serve_clean_fn *clean, void *arg,
    struct cl_err *err)
{
	int status = 0, how;
	pid_t pid = fork(), pulse_pid;

	if (pid < 0)
		return err_errno(err, CL_FAILED, "fork");
	if (pid == 0)
		worker(s, body, arg);
	pulse_pid = fork();
	if (pulse_pid == 0)
		pulse(s->b);
	how = supervise(s->sock, pid, pulse_pid);
	if (how != 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (pulse_pid > 0) {
		kill(pulse_pid, SIGKILL);
		while (waitpid(pulse_pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	if (how == 2) { /* nothing can be cleaned up now; a repetition begins with that */
		err_set(err, CL_UNAVAILABLE, "the container engine stopped answering on %s",
		    s->b->docker.socket);
		return err_hint(err, "Look at podman.log; it is tried again");
	}
	if (how == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return SERVE_DONE;
	if (clean)
		clean(s->b, arg);
	if (how < 0) {
		s->in.bad = true;
		return -1;
	}
	return how ? err_set(err, CL_FAILED, "cancelled")
	    : err_set(err, CL_FAILED, "the broker's worker died");
}

struct job {
	struct spec spec;
	int timeout_s;
};

static int run_body(struct serve *s, void *arg, struct cl_err *err)
{
	struct line *out = mem_alloc(sizeof(*out));
	struct job *j = arg;
	int status = 0;

	line_init(out, s->sock);
	if (run_job(s->b, &j->spec, out, j->timeout_s, &status, err) < 0)
		return -1;
	ipc_put_i32(&s->out, status);
	return 0;
}

static void run_clean(const struct broker *b, void *arg)
{
	container_remove(b, ((struct job *)arg)->spec.name, 0, NULL);
}

int serve_long_run(struct serve *s, struct cl_err *err)
{
	struct job *j = mem_alloc(sizeof(*j));
	int rc = spec_read(&j->spec, &s->in, &s->b->place, err);

	if (rc == 0) {
		j->timeout_s = (int)ipc_get_range(&s->in, 0, 86400);
		rc = serve_parsed(s, err);
	}
	if (rc == 0 && strncmp(j->spec.name, "op", 2) != 0 &&
	    !check_owned(j->spec.name, j->spec.project))
		rc = err_set(err, CL_USAGE, "request: name: not allowed");
	if (rc == 0)
		rc = serve_long_worker(s, run_body, run_clean, j, err);
	spec_clear(&j->spec);
	mem_free(j);
	return rc;
}

struct logs {
	char name[80];
	int tail;
	bool follow;
};

static int logs_body(struct serve *s, void *arg, struct cl_err *err)
{
	struct line *out = mem_alloc(sizeof(*out));
	struct logs *l = arg;

	line_init(out, s->sock);
	return run_logs(s->b, l->name, l->tail, l->follow, out, err);
}

int serve_long_logs(struct serve *s, struct cl_err *err)
{
	struct logs l;

	ipc_get_str(&s->in, l.name, sizeof(l.name));
	l.tail = ipc_get_i32(&s->in);
	l.follow = ipc_get_range(&s->in, 0, 1);
	if (serve_parsed(s, err) < 0)
		return -1;
	if (!check_name(l.name) || l.tail < -1 || l.tail > 1000000)
		return err_set(err, CL_USAGE, "request: name or tail: not allowed");
	return serve_long_worker(s, logs_body, NULL, &l, err);
}

static int build_body(struct serve *s, void *arg, struct cl_err *err)
{
	struct line *out = mem_alloc(sizeof(*out));
	char digest[128];

	line_init(out, s->sock);
	if (build_run(s->b, arg, out, digest, sizeof(digest), err) < 0)
		return -1;
	ipc_put_str(&s->out, digest);
	return 0;
}

static void build_cleanup(const struct broker *b, void *arg)
{
	build_clean(b, ((struct build *)arg)->op);
}

int serve_long_build(struct serve *s, struct cl_err *err)
{
	struct build *a = mem_alloc(sizeof(*a));
	int rc = build_read(a, &s->in, err);

	if (rc == 0)
		rc = serve_parsed(s, err);
	if (rc == 0)
		rc = serve_long_worker(s, build_body, build_cleanup, a, err);
	build_clear(a);
	mem_free(a);
	return rc;
}

static int image_body(struct serve *s, void *arg, struct cl_err *err)
{
	struct line *out = mem_alloc(sizeof(*out));
	const struct image_wish *w = arg;
	char digest[128];

	line_init(out, s->sock);
	if (image_build(s->b, w, out, digest, sizeof(digest), err) < 0) {
		build_group_end(w->group); /* it may have run out of time */
		return -1;
	}
	ipc_put_str(&s->out, digest);
	return 0;
}

static void image_cleanup(const struct broker *b, void *arg)
{
	const struct image_wish *w = arg;

	build_group_end(w->group);
}

int serve_long_image_build(struct serve *s, struct cl_err *err)
{
	struct image_wish w;

	ipc_get_str(&s->in, w.folder, sizeof(w.folder));
	ipc_get_str(&s->in, w.file, sizeof(w.file));
	ipc_get_str(&s->in, w.id, sizeof(w.id));
	w.timeout_s = (int)ipc_get_range(&s->in, 0, 86400);
	if (serve_parsed(s, err) < 0)
		return -1;
	if (!check_folder(w.folder) || !check_file(w.file) || !check_folder(w.id))
		return err_set(err, CL_USAGE, "request: folder, file or id: not allowed");
	build_group_name(w.group);
	return serve_long_worker(s, image_body, image_cleanup, &w, err);
}

static int import_body(struct serve *s, void *arg, struct cl_err *err)
{
	struct line *out = mem_alloc(sizeof(*out));
	struct unpack_result *r = mem_alloc(sizeof(*r));

	line_init(out, s->sock);
	if (import_run(s->b, arg, out, r, err) < 0)
		return -1;
	ipc_put_i64(&s->out, r->bytes);
	ipc_put_i32(&s->out, r->files);
	ipc_put_str(&s->out, r->stack);
	ipc_put_str(&s->out, r->top);
	ipc_put_str(&s->out, r->note);
	return 0;
}

static void import_cleanup(const struct broker *b, void *arg)
{
	import_clean(b, arg);
}

int serve_long_import(struct serve *s, struct cl_err *err)
{
	struct import *a = mem_alloc(sizeof(*a));
	int rc = import_read(a, &s->in, err);

	if (rc == 0)
		rc = serve_parsed(s, err);
	mem_wipe(s->in.data, sizeof(s->in.data));
	if (rc == 0)
		rc = serve_long_worker(s, import_body, import_cleanup, a, err);
	mem_wipe(a, sizeof(*a));
	mem_free(a);
	return rc;
}

static int watch_body(struct serve *s, void *arg, struct cl_err *err)
{
	return watch_run(s->b, s->sock, err);
}

int serve_long_watch(struct serve *s, struct cl_err *err)
{
	return serve_parsed(s, err) < 0 ? -1 : serve_long_worker(s, watch_body, NULL, NULL, err);
}
