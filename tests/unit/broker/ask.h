/* A request through the broker's real dispatcher, and everything that it answered. */
#ifndef TESTS_UNIT_BROKER_ASK_H
#define TESTS_UNIT_BROKER_ASK_H

#include "tests/unit/broker/head.h"

#include <pthread.h>

#include "base/buf.h"
#include "engine/broker/broker.h"
#include "engine/broker/serve.h"

struct answer {
	int rc;               /* 0 answered, -1 the connection ended */
	int parts;            /* before the end */
	uint32_t part_type;   /* of the last part */
	struct buf text;      /* LINEs each with "|" behind it, DATA as it is */
	struct ipc_in end;    /* OK, read up to its type */
	struct cl_err err;    /* of ERROR */
	bool ended;           /* OK or ERROR came */
	void (*part)(struct ipc_in *m, void *arg); /* for other parts */
	void *arg;
	int sock;
	pthread_t reader;
};

/* As the engine reads: until the end, so that many parts do not fill the socket. */
static inline void *answer_read(void *arg)
{
	struct answer *a = arg;
	struct ipc_in *m = mem_alloc(sizeof(*m));

	while (ipc_recv(a->sock, m) == 1) {
		size_t n;
		const void *p;

		if (m->type == BROKER_OK) {
			a->end = *m;
			a->ended = true;
		} else if (m->type == BROKER_ERROR) {
			ipc_get_err(m, &a->err);
			a->ended = true;
		} else {
			a->parts++;
			a->part_type = m->type;
			if (m->type == BROKER_LINE || m->type == BROKER_DATA) {
				p = ipc_get_bytes(m, &n, IPC_DATA_MAX);
				buf_add(&a->text, p, n);
				if (m->type == BROKER_LINE)
					buf_add_str(&a->text, "|");
			} else if (a->part) {
				a->part(m, a->arg);
			}
		}
	}
	mem_free(m);
	return NULL;
}

static inline struct answer *ask_with(const struct broker *b, const struct ipc_out *request,
    void (*part)(struct ipc_in *m, void *arg), void *arg)
{
	struct answer *a = mem_alloc(sizeof(*a));
	struct serve *s = mem_alloc(sizeof(*s));
	int fds[2];

	buf_init(&a->text, 32 << 20);
	a->part = part;
	a->arg = arg;
	assert_int_equal(ipc_pair(fds, NULL), 0);
	a->sock = fds[1];
	pthread_create(&a->reader, NULL, answer_read, a);
	s->b = b;
	s->sock = fds[0];
	head_turn(request, &s->in);
	a->rc = serve_request(s);
	close(fds[0]);
	pthread_join(a->reader, NULL);
	close(fds[1]);
	mem_free(s);
	return a;
}

static inline struct answer *ask(const struct broker *b, const struct ipc_out *request)
{
	return ask_with(b, request, NULL, NULL);
}

static inline void answer_free(struct answer *a)
{
	buf_clear(&a->text);
	mem_free(a);
}

/* It must have gone well. */
static inline void ask_ok(const struct broker *b, struct ipc_out *request)
{
	struct answer *a = ask(b, request);

	if (a->rc < 0 || a->err.code)
		fail_msg("%d %s", a->rc, a->err.message);
	assert_int_equal(a->end.type, BROKER_OK);
	assert_int_equal(ipc_end(&a->end), 0);
	answer_free(a);
	mem_free(request);
}

/* It must have failed; the reason is given back. */
static inline struct cl_err ask_fails(const struct broker *b, struct ipc_out *request)
{
	struct answer *a = ask(b, request);
	struct cl_err err = a->err;

	if (a->rc == 0 && !err.code)
		fail_msg("it was done");
	answer_free(a);
	mem_free(request);
	return err;
}

static inline struct ipc_out *ask_begin(uint32_t verb)
{
	struct ipc_out *m = mem_alloc(sizeof(*m));

	ipc_begin(m, verb);
	return m;
}

#endif
