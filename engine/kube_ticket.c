/* Preparing an execution in a pod: see kube_ticket.h. */
#include "engine/kube_ticket.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/kube_command.h"
#include "engine/kube_exec_internal.h"
#include "engine/kube_frame.h"

#define TICKET_LIFE_MS 30000
#define TICKETS_MAX 1024
#define START_MAX (1u << 20)
#define READY_MAX 65536
#define PUT_S 20
#define CONTAINER_HELPER "/run/codinglab-pty" /* its name in containers of this machine */

static int ticket_keep(struct kube_exec *x, struct kube_exec_ticket *t, struct cl_err *err)
{
	struct kube_exec_ticket *old, **at;
	size_t n = 0;

	pthread_mutex_lock(&x->lock);
	for (at = &x->tickets; (old = *at) != NULL;) {
		if (old->expires_ms < clock_ms()) {
			*at = old->next;
			kube_exec_ticket_free(old);
			continue;
		}
		at = &old->next;
		n++;
	}
	if (n < TICKETS_MAX) {
		t->next = x->tickets;
		x->tickets = t;
	}
	pthread_mutex_unlock(&x->lock);
	return n < TICKETS_MAX ? 0 : err_set(err, CL_UNAVAILABLE, "execution: too many wait to begin");
}

/* --- the helper in the pod -------------------------------------------------------------------- */

static bool has_helper(struct kube_exec *x, const struct kube_exec_pod *pod)
{
	cl_autofree char *line = mem_printf("\n%s\n", pod->uid);
	bool has;

	pthread_mutex_lock(&x->lock);
	has = strstr(x->ready, line) != NULL;
	pthread_mutex_unlock(&x->lock);
	return has;
}

static void note_helper(struct kube_exec *x, const struct kube_exec_pod *pod, bool has)
{
	cl_autofree char *line = mem_printf("\n%s\n", pod->uid);
	char *next, *at;

	pthread_mutex_lock(&x->lock);
	at = strstr(x->ready, line);
	if (!has && at)
		memmove(at, at + strlen(line) - 1, strlen(at + strlen(line) - 1) + 1);
	if (has && !at) {
		next = mem_printf("%s%s\n", strlen(x->ready) < READY_MAX ? x->ready : "\n", pod->uid);
		mem_free(x->ready);
		x->ready = next;
	}
	pthread_mutex_unlock(&x->lock);
}

/* Put it there when it is not; 0 when it is there then. */
static int put_helper(struct kube_exec *x, struct kube_api *api, const struct kube_exec_pod *pod,
    struct cl_err *err)
{
	cl_autofree char *script = mem_printf("[ -x %s ] || { head -c %zu >%s.$$ && chmod 755 %s.$$ && "
	    "mv %s.$$ %s; }", x->name, x->program_len, x->name, x->name, x->name, x->name);
	char *argv[] = { (char *)"/bin/sh", (char *)"-c", script, NULL };
	int status = 0;

	if (has_helper(x, pod))
		return 0;
	if (kube_command_run(x, api, pod, argv, x->program, x->program_len, NULL, PUT_S, &status, err) != 0)
		return -1;
	if (status != 0)
		return err_set(err, CL_FAILED, "execution: %s has no folder for our helper (status %d)",
		    pod->pod, status);
	note_helper(x, pod, true);
	return 0;
}

/* A command that names the helper as it is called on this machine means ours in the pod. */
static void translate(const struct kube_exec *x, struct backend_exec *e, char **argv, size_t max)
{
	size_t n = 0;

	for (; e->argv[n] && n + 1 < max; n++)
		argv[n] = strcmp(e->argv[n], CONTAINER_HELPER) == 0 ? (char *)x->name : e->argv[n];
	argv[n] = NULL;
	e->argv = argv;
}

int kube_ticket_make(struct kube_exec *x, struct kube_api *api, const struct kube_exec_pod *pod,
    const struct backend_exec *given, char *ticket, size_t size, struct cl_err *err)
{
	struct kube_exec_ticket *t = mem_alloc(sizeof(*t));
	char *serve[] = { x->name, (char *)"serve", NULL }, *argv[512];
	struct backend_exec e = *given;
	struct cl_err why = { 0 };
	unsigned char secret[32];
	bool plain_size;

	translate(x, &e, argv, CL_COUNT(argv));
	t->tty = e.tty;
	t->rows = e.rows;
	t->cols = e.cols;
	t->peer_uid = e.peer_uid;
	t->helper = put_helper(x, api, pod, &why) == 0;
	buf_init(&t->start, START_MAX);
	if (t->helper)
		kube_frame_start(&t->start, &e);
	else if (why.code == CL_FAILED)
		log_info("%s: executions without the helper: %s", pod->pod, why.message);
	plain_size = t->start.full;
	t->path = kube_frame_path(pod->ns, pod->pod, pod->container, t->helper ? serve : e.argv,
	    e.tty && !t->helper, err);
	if ((why.code != CL_OK && why.code != CL_FAILED) || plain_size)
		err_set(err, plain_size ? CL_TOO_LARGE : why.code, "%s", plain_size ?
		    "execution: the command is too long" : why.message);
	else if (t->path && kube_api_who_take(api, &t->who, err) == 0) {
		randombytes_buf(secret, sizeof(secret));
		(void)snprintf(t->id, sizeof(t->id), BACKEND_TICKET_POD);
		sodium_bin2hex(t->id + strlen(t->id), sizeof(t->id) - strlen(t->id), secret, sizeof(secret));
		t->expires_ms = clock_ms() + TICKET_LIFE_MS;
		if (mem_copy_str(ticket, size, t->id) == 0 && ticket_keep(x, t, err) == 0)
			return 0;
	}
	kube_exec_ticket_free(t);
	return err_set(err, CL_FAILED, "execution: it could not be prepared");
}
