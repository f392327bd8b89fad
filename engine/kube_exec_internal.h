/* Between kube_exec.c, kube_command.c and kube_relay.c: what happens on the executions' loop. */
#ifndef ENGINE_KUBE_EXEC_INTERNAL_H
#define ENGINE_KUBE_EXEC_INTERNAL_H

#include <pthread.h>
#include <uv.h>
#include "base/buf.h"
#include "engine/kube_api.h"
#include "engine/kube_stream.h"

#define KUBE_EXEC_TICKET 69 /* BACKEND_TICKET_POD and 64 hex digits */

struct kube_exec;

struct kube_exec_ticket {        /* an execution that waits to be opened; heap */
	struct kube_exec_ticket *next;
	char id[KUBE_EXEC_TICKET];
	uint32_t peer_uid;
	int64_t expires_ms;
	struct kube_api_who who;
	char *path;
	bool helper;             /* codinglab-pty is at the other end: its frames go on channel 0 */
	bool tty;
	struct buf start;        /* its first frame */
	int rows, cols;
};

struct kube_exec_post {
	struct kube_exec_post *next;
	void (*fn)(struct kube_exec *x, void *arg);
	void *arg;
};

struct kube_relay;

struct kube_exec {
	uv_loop_t loop;
	uv_async_t async;
	uv_poll_t listen;
	pthread_t thread;
	int fd;
	struct kube_streams *streams;
	struct kube_relay *relays;   /* the loop's */
	size_t nrelays;
	bool stopping;
	char *helper;            /* path of codinglab-pty, and what it is: */
	char *program;
	size_t program_len;
	char name[32];           /* its name in a pod, by its contents */
	pthread_mutex_t lock;    /* of what follows */
	struct kube_exec_post *posts, **last;
	struct kube_exec_ticket *tickets;
	char *ready;             /* uids of pods that have the helper, "UID\n..." */
};

void kube_exec_post(struct kube_exec *x, void (*fn)(struct kube_exec *x, void *arg), void *arg);
void kube_exec_ticket_free(struct kube_exec_ticket *t);
/* NULL: none such for this uid. */
struct kube_exec_ticket *kube_exec_ticket_take(struct kube_exec *x, const char *id, uid_t peer);

/* A client on sock, from its first message to the end; takes sock. */
void kube_relay_begin(struct kube_exec *x, int sock, uid_t peer);
void kube_relay_end_all(struct kube_exec *x);

#endif
