/* What every unit test of the broker needs. */
#ifndef TESTS_UNIT_BROKER_HEAD_H
#define TESTS_UNIT_BROKER_HEAD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/ipc.h"
#include "base/mem.h"
#include "engine/broker/broker_proto.h"
#include "engine/broker/place.h"
#include "engine/broker/spec.h"

static inline void head_place(struct place *p)
{
	memset(p, 0, sizeof(*p));
	mem_copy_str(p->state, sizeof(p->state), "/var/tmp/lab");
	mem_copy_str(p->run, sizeof(p->run), "/var/tmp/lab/run");
	mem_copy_str(p->edge, sizeof(p->edge), "/var/tmp/lab/run/edge");
	mem_copy_str(p->images, sizeof(p->images), "/var/tmp/lab/images");
	mem_copy_str(p->log_driver, sizeof(p->log_driver), "k8s-file");
	p->slots = 128;
	place_identify(p);
}

/* The container that a request asks for, to be bent by each test. */
struct head_spec {
	const char *name, *env, *tier, *image, *network, *alias, *hostname, *workdir, *user, *health;
	int64_t project, memory, generation;
	const char *argv[8];
	const char *vars[8][2];
	struct {
		uint32_t kind;
		const char *source, *target;
		uint32_t read_only;
	} mounts[10];
	size_t nmounts;
	uint32_t uid, gid, read_only_root;
	int32_t cpu, pids, port, grace;
};

static inline struct head_spec head_good(void)
{
	return (struct head_spec){
	    .name = "p12-prod-was-3-r7", .env = "prod", .tier = "was", .image = "python-run",
	    .network = "p12-prod", .alias = "was", .hostname = "was-3", .workdir = "/app", .user = "",
	    .health = "/healthz", .project = 12, .memory = 512LL << 20, .generation = -5,
	    .argv = {"sh", "-c", "echo \"$PORT\""}, .vars = {{"PORT", "8000"}, {"PW", "a\"b\\c\n"}},
	    .uid = 10102, .gid = 10102, .read_only_root = 1, .cpu = 1500, .pids = 256, .port = 8000,
	    .grace = 10,
	};
}

static inline void head_put(struct ipc_out *m, const struct head_spec *s)
{
	size_t n = 0;

	ipc_put_str(m, s->name);
	ipc_put_i64(m, s->project);
	ipc_put_str(m, s->env);
	ipc_put_str(m, s->tier);
	ipc_put_i32(m, 3);
	ipc_put_i32(m, 7);
	ipc_put_str(m, s->image);
	while (n < 8 && s->argv[n])
		n++;
	ipc_put_u32(m, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		ipc_put_str(m, s->argv[i]);
	for (n = 0; n < 8 && s->vars[n][0];)
		n++;
	ipc_put_u32(m, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		ipc_put_str(m, s->vars[i][0]);
		ipc_put_str(m, s->vars[i][1]);
	}
	ipc_put_u32(m, (uint32_t)s->nmounts);
	for (size_t i = 0; i < s->nmounts; i++) {
		ipc_put_u32(m, s->mounts[i].kind);
		ipc_put_str(m, s->mounts[i].source);
		ipc_put_str(m, s->mounts[i].target);
		ipc_put_u32(m, s->mounts[i].read_only);
	}
	ipc_put_str(m, s->network);
	ipc_put_str(m, s->alias);
	ipc_put_str(m, s->hostname);
	ipc_put_str(m, s->workdir);
	ipc_put_u32(m, s->uid);
	ipc_put_u32(m, s->gid);
	ipc_put_str(m, s->user);
	ipc_put_i64(m, s->memory);
	ipc_put_i32(m, s->cpu);
	ipc_put_i32(m, s->pids);
	ipc_put_u32(m, s->read_only_root);
	ipc_put_i32(m, s->port);
	ipc_put_str(m, s->health);
	ipc_put_i32(m, s->grace);
	ipc_put_i64(m, s->generation);
}

/* What was put into out, as its reader gets it. */
static inline void head_turn(const struct ipc_out *out, struct ipc_in *in)
{
	memset(in, 0, sizeof(*in));
	assert_false(out->bad);
	in->len = out->len;
	memcpy(in->data, out->data, out->len);
	in->type = ipc_get_u32(in);
}

/* The spec that this message is read as; spec_clear() it in any case. */
static inline int head_parse(const struct head_spec *h, const struct place *place, struct spec *s,
    struct cl_err *err)
{
	struct ipc_out *out = mem_alloc(sizeof(*out));
	struct ipc_in *in = mem_alloc(sizeof(*in));
	int rc;

	ipc_begin(out, BROKER_APPLY);
	head_put(out, h);
	head_turn(out, in);
	rc = spec_read(s, in, place, err);
	if (rc == 0)
		assert_int_equal(ipc_end(in), 0);
	mem_free(out);
	mem_free(in);
	return rc;
}

#endif
