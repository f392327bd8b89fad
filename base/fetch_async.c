/*
 * Requests on a libuv loop: curl's socket interface.  curl says which descriptors to watch and
 * when to wake up; the loop tells it what happened; finished handles are then collected.  curl may
 * not be entered again from its own callbacks, so what a data_cb starts, cancels or frees is
 * done after curl has returned (depth).
 */
#include "base/fetch.h"

#include <string.h>
#include <uv.h>

#include "base/fetch_internal.h"
#include "base/log.h"
#include "base/mem.h"

struct fetch_async {
	uv_loop_t *loop;
	CURLM *multi;
	uv_timer_t timer;
	struct fetch_job *jobs;
	uint64_t last_id;
	int depth;  /* inside curl */
	bool dead;  /* freed; memory goes when the timer has closed */
};

struct watch {
	uv_poll_t poll;
	struct fetch_async *owner;
	curl_socket_t fd;
};

static void act(struct fetch_async *f, curl_socket_t fd, int events);

static void closed_watch_cb(uv_handle_t *h)
{
	mem_free(h->data);
}

static void poll_cb(uv_poll_t *poll, int status, int events)
{
	struct watch *w = poll->data;
	int bits = 0;

	if (status < 0)
		bits = CURL_CSELECT_ERR;
	if (events & UV_READABLE)
		bits |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		bits |= CURL_CSELECT_OUT;
	act(w->owner, w->fd, bits);
}

static int socket_cb(CURL *easy, curl_socket_t fd, int what, void *arg, void *socketp)
{
	struct fetch_async *f = arg;
	struct watch *w = socketp;
	int events = 0;

	if (what == CURL_POLL_REMOVE) {
		if (!w)
			return 0;
		curl_multi_assign(f->multi, fd, NULL);
		uv_poll_stop(&w->poll);
		uv_close((uv_handle_t *)&w->poll, closed_watch_cb);
		return 0;
	}
	if (!w) {
		w = mem_alloc(sizeof(*w));
		w->owner = f;
		w->fd = fd;
		if (uv_poll_init(f->loop, &w->poll, fd) < 0) {
			mem_free(w);
			return -1;
		}
		w->poll.data = w;
		curl_multi_assign(f->multi, fd, w);
	}
	if (what & CURL_POLL_IN)
		events |= UV_READABLE;
	if (what & CURL_POLL_OUT)
		events |= UV_WRITABLE;
	return uv_poll_start(&w->poll, events, poll_cb) < 0 ? -1 : 0;
}

static void timer_cb(uv_timer_t *t)
{
	act(t->data, CURL_SOCKET_TIMEOUT, 0);
}

static int timeout_cb(CURLM *multi, long ms, void *arg)
{
	struct fetch_async *f = arg;

	if (ms < 0)
		uv_timer_stop(&f->timer);
	else
		uv_timer_start(&f->timer, timer_cb, (uint64_t)ms, 0);
	return 0;
}

static void unlink_job(struct fetch_async *f, struct fetch_job *job)
{
	struct fetch_job **p = &f->jobs;

	while (*p && *p != job)
		p = &(*p)->next;
	if (*p)
		*p = job->next;
}

static void drop_job(struct fetch_async *f, struct fetch_job *job)
{
	unlink_job(f, job);
	curl_multi_remove_handle(f->multi, job->easy);
	fetch_internal_clear(job);
	mem_free(job);
}

static void finish_job(struct fetch_async *f, struct fetch_job *job, CURLcode code)
{
	struct cl_err err = {0};
	int rc;

	unlink_job(f, job);
	curl_multi_remove_handle(f->multi, job->easy);
	rc = fetch_internal_finish(job, code, &err);
	if (!job->cancelled && job->done)
		job->done(job->done_arg, &job->reply, rc < 0 ? &err : NULL);
	fetch_internal_clear(job);
	mem_free(job);
}

static void closed_timer_cb(uv_handle_t *h)
{
	mem_free(h->data);
}

static void bury(struct fetch_async *f)
{
	while (f->jobs)
		drop_job(f, f->jobs);
	curl_multi_cleanup(f->multi);
	f->multi = NULL;
	uv_close((uv_handle_t *)&f->timer, closed_timer_cb);
}

/* Let curl work, then hand out what is finished. */
static void act(struct fetch_async *f, curl_socket_t fd, int events)
{
	struct fetch_job *job, *next;
	CURLMsg *msg;
	CURLcode code;
	char *private;
	int running, left;

	if (f->dead)
		return;
	f->depth++;
	curl_multi_socket_action(f->multi, fd, events, &running);
	while (!f->dead && (msg = curl_multi_info_read(f->multi, &left))) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		code = msg->data.result;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
		finish_job(f, (struct fetch_job *)(void *)private, code);
	}
	f->depth--;
	if (f->dead) {
		bury(f);
		return;
	}
	for (job = f->jobs; job && f->depth == 0; job = next) {
		next = job->next;
		if (job->cancelled)
			drop_job(f, job);
		else if (job->waiting) {
			job->waiting = false;
			curl_multi_add_handle(f->multi, job->easy);
		}
	}
}

struct fetch_async *fetch_async_new(uv_loop_t *loop)
{
	struct fetch_async *f = mem_alloc(sizeof(*f));

	f->loop = loop;
	uv_timer_init(loop, &f->timer);
	f->timer.data = f;
	f->multi = curl_multi_init();
	if (!f->multi)
		log_fatal("libcurl: out of memory");
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, socket_cb);
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, timeout_cb);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
	return f;
}

void fetch_async_free(struct fetch_async *f)
{
	if (!f || f->dead)
		return;
	f->dead = true;
	for (struct fetch_job *job = f->jobs; job; job = job->next)
		job->cancelled = true;
	if (f->depth == 0)
		bury(f);
}

uint64_t fetch_async_start(struct fetch_async *f, const struct fetch_request *req,
    fetch_done_cb *done, void *arg)
{
	struct fetch_job *job = mem_alloc(sizeof(*job));

	fetch_internal_init(job, req);
	job->owner = f;
	job->id = ++f->last_id;
	job->done = done;
	job->done_arg = arg;
	job->next = f->jobs;
	f->jobs = job;
	/* asked for from inside a callback (an event that makes a view load): after curl returned */
	job->waiting = f->depth > 0;
	if (!job->waiting)
		curl_multi_add_handle(f->multi, job->easy);
	return job->id;
}

void fetch_async_cancel(struct fetch_async *f, uint64_t id)
{
	struct fetch_job *job = f->jobs;

	while (job && job->id != id)
		job = job->next;
	if (!job)
		return;
	job->cancelled = true;
	if (f->depth == 0)
		drop_job(f, job);
}
