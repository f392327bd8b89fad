/* Programs in containers whose output we read: see run.h. */
#include "engine/broker/run.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fetch.h"
#include "base/mem.h"
#include "engine/broker/mux.h"

#define CHECK_MS 10000
#define EARLY_MAX (1u << 20)

static void drop_cb(void *arg, int stream, const char *data, size_t n)
{
}

/* Read a multiplexed stream to its end or the deadline (0 = none). */
static int drain(int fd, const struct buf *early, int64_t deadline, mux_cb *cb, void *arg,
    struct cl_err *err)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char data[65536];
	struct mux mux;
	ssize_t n;

	mux_init(&mux);
	if (early->len && mux_feed(&mux, early->data, early->len, cb, arg) < 0)
		return err_set(err, CL_FAILED, "container engine: its stream is garbled");
	for (;;) {
		int64_t wait = deadline ? deadline - clock_ms() : 60000;

		if (deadline && wait <= 0)
			return err_set(err, CL_TIMEOUT, "timed out");
		if (poll(&p, 1, (int)(wait < 60000 ? wait : 60000)) <= 0)
			continue;
		n = read(fd, data, sizeof(data));
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return 0;
		if (mux_feed(&mux, data, (size_t)n, cb, arg) < 0)
			return err_set(err, CL_FAILED, "container engine: its stream is garbled");
	}
}

int run_created(const struct broker *b, const char *name, struct line *out, int timeout_s,
    int *status, struct cl_err *err)
{
	char url[DOCKER_URL], full[PLACE_NAME];
	int64_t deadline = timeout_s > 0 ? clock_ms() + timeout_s * INT64_C(1000) : 0;
	cl_autoclose int fd = -1;
	struct buf early;
	int rc = -1;

	buf_init(&early, EARLY_MAX);
	place_container(&b->place, name, full);
	docker_url(url, "/containers/%s/attach?stream=1&stdout=1&stderr=1", full);
	fd = docker_upgrade(&b->docker, url, json_object(), &early, err);
	if (fd >= 0 && container_start(b, name, err) == 0)
		rc = drain(fd, &early, deadline, line_add, out, err);
	line_flush(out);
	buf_clear(&early);
	if (rc < 0)
		return -1;
	return container_wait(b, name, status, err);
}

int run_job(const struct broker *b, const struct spec *s, struct line *out, int timeout_s,
    int *status, struct cl_err *err)
{
	int rc = container_create(b, s, err);

	if (rc == 0)
		rc = run_created(b, s->name, out, timeout_s, status, err);
	container_remove(b, s->name, 0, NULL);
	return rc;
}

struct follow {
	struct mux mux;
	struct line *out;
};

static int log_cb(void *arg, const char *data, size_t n)
{
	struct follow *f = arg;

	return mux_feed(&f->mux, data, n, line_add, f->out);
}

int run_logs(const struct broker *b, const char *name, int tail, bool follow, struct line *out,
    struct cl_err *err)
{
	char url[DOCKER_URL], full[PLACE_NAME], lines[16] = "all";
	struct fetch_reply reply = {0};
	struct follow f = {.out = out};
	struct fetch_request req = {
	    .method = "GET", .url = url, .unix_path = b->docker.socket, .data_cb = log_cb, .arg = &f,
	    .timeout_ms = follow ? 0 : 60000,
	};
	json_t *j = container_inspect(b, name, err);
	int rc;

	if (!j)
		return -1;
	json_decref(j);
	mux_init(&f.mux);
	if (tail >= 0)
		snprintf(lines, sizeof(lines), "%d", tail);
	place_container(&b->place, name, full);
	docker_url(url, "/containers/%s/logs?stdout=1&stderr=1&follow=%d&tail=%s", full, follow,
	    lines);
	rc = fetch_run(&req, &reply, err);
	line_flush(out);
	if (rc == 0 && reply.status != 200)
		rc = docker_fail(err, reply.status, "logs", &reply.body);
	buf_clear(&reply.body);
	return rc;
}

/* Start body in the container and read its output to the deadline. */
static int exec_read(const struct broker *b, const char *name, json_t *body, int64_t deadline,
    mux_cb *cb, void *arg, int *status, struct cl_err *err)
{
	char url[DOCKER_URL], full[PLACE_NAME], id[128];
	cl_autoclose int fd = -1;
	struct buf early;
	json_t *j = NULL;
	int rc = -1;

	place_container(&b->place, name, full);
	docker_url(url, "/containers/%s/exec", full);
	if (docker_call(&b->docker, "POST", url, body, &j, err) != 201) {
		json_decref(j);
		return -1;
	}
	snprintf(id, sizeof(id), "%.100s", docker_str(j, "Id"));
	json_decref(j);
	buf_init(&early, EARLY_MAX);
	docker_url(url, "/exec/%s/start", id);
	fd = docker_upgrade(&b->docker, url, json_pack("{s:b, s:b}", "Detach", 0, "Tty", 0), &early,
	    err);
	if (fd >= 0)
		rc = drain(fd, &early, deadline, cb, arg, err);
	buf_clear(&early);
	return rc < 0 ? -1 : run_exit_status(b, id, status, err);
}

int run_check(const struct broker *b, const char *name, const char *command, int *status,
    struct cl_err *err)
{
	return exec_read(b, name, json_pack("{s:[s,s,s], s:b, s:b}", "Cmd", "/bin/sh", "-c", command,
	    "AttachStdout", 1, "AttachStderr", 1), clock_ms() + CHECK_MS, drop_cb, NULL, status, err);
}

int run_exec_raw(const struct broker *b, const char *name, json_t *body, int timeout_s, mux_cb *cb,
    void *arg, int *status, struct cl_err *err)
{
	return exec_read(b, name, body, clock_ms() + timeout_s * INT64_C(1000), cb, arg, status, err);
}

int run_exec(const struct broker *b, const char *name, json_t *body, struct line *out,
    int timeout_s, int *status, struct cl_err *err)
{
	int rc = exec_read(b, name, body, clock_ms() + timeout_s * INT64_C(1000), line_add, out, status,
	    err);

	line_flush(out);
	return rc;
}

int run_exit_status(const struct broker *b, const char *id, int *status, struct cl_err *err)
{
	int64_t deadline = clock_ms() + CHECK_MS;
	char url[DOCKER_URL];
	bool running = true;

	docker_url(url, "/exec/%s/json", id);
	for (int pause = 2000; running && clock_ms() < deadline; pause += pause < 50000 ? pause : 0) {
		json_t *j = NULL;

		if (docker_call(&b->docker, "GET", url, NULL, &j, err) != 200) {
			json_decref(j);
			return -1;
		}
		running = json_is_true(json_object_get(j, "Running"));
		*status = (int)docker_int(j, "ExitCode") & 255;
		json_decref(j);
		if (running)
			usleep((useconds_t)pause);
	}
	return running ? err_set(err, CL_TIMEOUT, "container engine: the program's end is not known") : 0;
}
