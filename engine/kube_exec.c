/* Executions in pods: tickets, the loop and who connects to it.  See kube_exec.h. */
#include "engine/kube_exec.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sock.h"
#include "engine/kube_exec_internal.h"

#define RELAYS_MAX 2048
#define PROGRAM_MAX (4u << 20)

/* --- the loop --------------------------------------------------------------------------------- */

void kube_exec_post(struct kube_exec *x, void (*fn)(struct kube_exec *x, void *arg), void *arg)
{
	struct kube_exec_post *p = mem_alloc(sizeof(*p));

	p->fn = fn;
	p->arg = arg;
	pthread_mutex_lock(&x->lock);
	*x->last = p;
	x->last = &p->next;
	pthread_mutex_unlock(&x->lock);
	uv_async_send(&x->async);
}

static void posted_cb(uv_async_t *h)
{
	struct kube_exec *x = h->data;
	struct kube_exec_post *p, *next;

	pthread_mutex_lock(&x->lock);
	p = x->posts;
	x->posts = NULL;
	x->last = &x->posts;
	pthread_mutex_unlock(&x->lock);
	for (; p; p = next) {
		next = p->next;
		p->fn(x, p->arg);
		mem_free(p);
	}
}

static void accept_cb(uv_poll_t *h, int status, int events)
{
	struct kube_exec *x = h->data;
	uid_t uid;
	gid_t gid;
	pid_t pid;
	int fd;

	for (int i = 0; i < 64 && (fd = sock_accept(x->fd)) >= 0; i++)
		if (x->nrelays >= RELAYS_MAX || sock_peer(fd, &uid, &gid, &pid) < 0)
			close(fd);
		else
			kube_relay_begin(x, fd, uid);
}

static void *loop_run(void *arg)
{
	struct kube_exec *x = arg;

	(void)uv_run(&x->loop, UV_RUN_DEFAULT);
	return NULL;
}

static void stop_on_loop(struct kube_exec *x, void *arg)
{
	x->stopping = true;
	kube_relay_end_all(x);
	uv_poll_stop(&x->listen);
	uv_close((uv_handle_t *)&x->listen, NULL);
	uv_close((uv_handle_t *)&x->async, NULL);
	uv_stop(&x->loop);
}

/* --- opening ---------------------------------------------------------------------------------- */

static int program_read(struct kube_exec *x, struct cl_err *err)
{
	cl_autofclose FILE *f = fopen(x->helper, "re");
	unsigned char hash[8];
	char hex[17];

	x->program = mem_alloc(PROGRAM_MAX);
	x->program_len = f ? fread(x->program, 1, PROGRAM_MAX, f) : 0;
	if (x->program_len == 0 || x->program_len == PROGRAM_MAX)
		return err_set(err, CL_PRECONDITION, "%s: it cannot be read", x->helper);
	crypto_generichash(hash, sizeof(hash), (unsigned char *)x->program, x->program_len, NULL, 0);
	sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
	(void)snprintf(x->name, sizeof(x->name), "/tmp/.%s", hex);
	return 0;
}

struct kube_exec *kube_exec_new(const char *socket, const char *helper, struct cl_err *err)
{
	struct kube_exec *x = mem_alloc(sizeof(*x));

	x->helper = mem_strdup(helper);
	x->last = &x->posts;
	x->ready = mem_strdup("\n");
	pthread_mutex_init(&x->lock, NULL);
	x->fd = program_read(x, err) == 0 ? sock_listen(socket, SOCK_SEQPACKET, 0666, err) : -1;
	if (x->fd < 0 || uv_loop_init(&x->loop) != 0)
		return NULL; /* the engine does without, and says why */
	(void)uv_async_init(&x->loop, &x->async, posted_cb);
	(void)uv_poll_init(&x->loop, &x->listen, x->fd);
	x->async.data = x->listen.data = x;
	x->streams = kube_stream_begin(&x->loop, err);
	if (!x->streams)
		return NULL;
	(void)uv_poll_start(&x->listen, UV_READABLE, accept_cb);
	if (pthread_create(&x->thread, NULL, loop_run, x) == 0)
		return x;
	err_set(err, CL_FAILED, "execution: no thread could be made");
	return NULL;
}

void kube_exec_free(struct kube_exec *x)
{
	struct kube_exec_ticket *next;

	if (!x)
		return;
	kube_exec_post(x, stop_on_loop, NULL);
	(void)pthread_join(x->thread, NULL);
	kube_stream_end(x->streams);
	(void)uv_run(&x->loop, UV_RUN_NOWAIT);
	close(x->fd);
	for (struct kube_exec_ticket *t = x->tickets; t; t = next) {
		next = t->next;
		kube_exec_ticket_free(t);
	}
	mem_free(x->program);
	mem_free(x->helper);
	mem_free(x->ready);
	pthread_mutex_destroy(&x->lock);
	mem_free(x);
}

/* --- tickets ---------------------------------------------------------------------------------- */

void kube_exec_ticket_free(struct kube_exec_ticket *t)
{
	kube_api_who_clear(&t->who);
	mem_free(t->path);
	buf_clear(&t->start);
	mem_wipe(t->id, sizeof(t->id));
	mem_free(t);
}

struct kube_exec_ticket *kube_exec_ticket_take(struct kube_exec *x, const char *id, uid_t peer)
{
	struct kube_exec_ticket *t, **at;

	pthread_mutex_lock(&x->lock);
	for (at = &x->tickets; (t = *at) != NULL; at = &t->next)
		if (strlen(id) == KUBE_EXEC_TICKET - 1 && sodium_memcmp(t->id, id, KUBE_EXEC_TICKET - 1) == 0)
			break;
	if (t)
		*at = t->next;
	pthread_mutex_unlock(&x->lock);
	/* a wrong peer uses it up */
	if (t && (t->peer_uid != peer || t->expires_ms < clock_ms())) {
		kube_exec_ticket_free(t);
		return NULL;
	}
	return t;
}
