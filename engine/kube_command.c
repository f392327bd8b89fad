/* One command in a pod to its end, asked for by a worker: see kube_command.h. */
#include "engine/kube_command.h"

#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "engine/kube_exec_internal.h"
#include "engine/kube_frame.h"

#define PIECE 32768
#define AHEAD (256u << 10)
#define STATUS_MAX 65536
#define SAID_MAX 400

struct command {                 /* the loop's, but for what the lock covers */
	struct kube_exec *x;
	struct kube_api_who who;
	char *path;
	const char *input;
	size_t len, at;
	struct buf *output;
	struct buf ended, said;  /* channel 3; the beginning of stderr */
	struct kube_stream *stream;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool done;               /* nothing on the loop touches it any more */
	bool cut;                /* cut_on_loop() has been: the loop knows it no more */
	bool known;              /* status is its own */
	int status;
	struct cl_err err;
};

static void finish(struct command *c)
{
	kube_stream_close(c->stream);
	c->stream = NULL;
	pthread_mutex_lock(&c->lock);
	c->done = true;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

static void send_more(struct command *c)
{
	while (c->at < c->len && kube_stream_waiting(c->stream) < AHEAD) {
		size_t n = c->len - c->at < PIECE ? c->len - c->at : PIECE;

		kube_stream_send(c->stream, KUBE_FRAME_IN, c->input + c->at, n);
		c->at += n;
	}
}

static void opened_cb(void *arg, bool v5)
{
	send_more(arg);
}

static void drained_cb(void *arg)
{
	send_more(arg);
}

static void data_cb(void *arg, int channel, const char *p, size_t n)
{
	struct command *c = arg;

	if (channel == KUBE_FRAME_STATUS)
		(void)buf_add(&c->ended, p, n);
	else if (channel == KUBE_FRAME_OUT && c->output)
		(void)buf_add(c->output, p, n);
	else if (channel == KUBE_FRAME_ERR)
		(void)buf_add(&c->said, p, n < SAID_MAX - c->said.len ? n : SAID_MAX - c->said.len);
}

static void closed_cb(void *arg, const struct cl_err *err)
{
	struct command *c = arg;

	if (c->ended.len > 0)
		c->known = kube_frame_status(c->ended.data, c->ended.len, &c->status, &c->err) == 0;
	else
		c->err = *err;
	finish(c);
}

static void begin_on_loop(struct kube_exec *x, void *arg)
{
	static const struct kube_stream_hooks hooks = { opened_cb, data_cb, drained_cb, closed_cb };
	struct command *c = arg;

	c->stream = x->stopping ? NULL : kube_stream_open(x->streams, &c->who, c->path, &hooks, c, &c->err);
	if (!c->stream) {
		err_set(&c->err, CL_UNAVAILABLE, "execution: the engine is stopping");
		finish(c);
	}
}

/* Its time is over: whatever it is doing. */
static void cut_on_loop(struct kube_exec *x, void *arg)
{
	struct command *c = arg;

	if (!c->done) {
		err_set(&c->err, CL_TIMEOUT, "execution: the pod does not answer");
		finish(c);
	}
	pthread_mutex_lock(&c->lock);
	c->cut = true;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

static void wait_for(struct command *c, int timeout_s)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += timeout_s;
	pthread_mutex_lock(&c->lock);
	while (!c->done && pthread_cond_timedwait(&c->changed, &c->lock, &until) == 0)
		;
	if (!c->done) {
		kube_exec_post(c->x, cut_on_loop, c);
		while (!c->cut)
			pthread_cond_wait(&c->changed, &c->lock);
	}
	pthread_mutex_unlock(&c->lock);
}

int kube_command_run(struct kube_exec *x, struct kube_api *api, const struct kube_exec_pod *pod,
    char *const *argv, const void *input, size_t len, struct buf *output, int timeout_s, int *status,
    struct cl_err *err)
{
	struct command c = { .x = x, .input = input, .len = len, .output = output };

	c.path = kube_frame_path(pod->ns, pod->pod, pod->container, argv, false, err);
	if (!c.path || kube_api_who_take(api, &c.who, err) != 0) {
		mem_free(c.path);
		return -1;
	}
	pthread_mutex_init(&c.lock, NULL);
	pthread_cond_init(&c.changed, NULL);
	buf_init(&c.ended, STATUS_MAX);
	buf_init(&c.said, SAID_MAX + 1);
	kube_exec_post(x, begin_on_loop, &c);
	wait_for(&c, timeout_s);
	*status = c.status;
	if (!c.known)
		err_set(err, c.err.code != CL_OK ? c.err.code : CL_FAILED, "%s", c.err.message);
	buf_clear(&c.ended);
	buf_clear(&c.said);
	kube_api_who_clear(&c.who);
	mem_free(c.path);
	pthread_cond_destroy(&c.changed);
	pthread_mutex_destroy(&c.lock);
	return c.known ? 0 : -1;
}
