/*
 * The broker against a mock of the container engine: what it sends, what it never sends, and what
 * it makes of an engine that fails, hangs up or talks nonsense (SECURITY rows H8 and H11).
 */
#include "tests/unit/broker/head.h"

#include <pthread.h>

#include "engine/broker/broker.h"
#include "engine/broker/serve.h"
#include "tests/unit/fake_http.h"

static struct fake engine;
static struct broker broker;
static int status_of_all;          /* 0: a sensible engine */
static const char *body_of_all;
static char label[64];

/* An engine with one container that is ours ("p12-mine") and one that is not. */
static void serve(struct fake *f, int fd, const char *request, const char *body)
{
	char reply[1024];

	if (status_of_all) {
		fake_reply(fd, status_of_all, body_of_all);
	} else if (strstr(request, "/images/")) {
		fake_reply(fd, 200, "{\"Id\":\"sha256:1\",\"Config\":{\"Labels\":{\"codinglab.image\":\"x\"}}}");
	} else if (strstr(request, "p12-mine/json")) {
		snprintf(reply, sizeof(reply), "{\"State\":{\"Running\":true,\"Status\":\"running\"},"
		    "\"Config\":{\"Labels\":{\"%s\":\"%s\"}}}", PLACE_LABEL, label);
		fake_reply(fd, 200, reply);
	} else if (strstr(request, "p12-foreign/json")) {
		fake_reply(fd, 200, "{\"State\":{\"Running\":true},\"Config\":{\"Labels\":{}}}");
	} else if (strncmp(request, "GET", 3) == 0) {
		fake_reply(fd, 404, "{\"message\":\"no such thing\"}");
	} else {
		fake_reply(fd, strstr(request, "/start") ? 204 : 201, "{\"Id\":\"abc\"}");
	}
}

/* One request through the real dispatcher; its last answer in *in.  0 or -1 as serve_request(). */
static int ask(const struct ipc_out *request, struct ipc_in *in)
{
	struct serve *s = mem_alloc(sizeof(*s));
	int fds[2], rc;

	assert_int_equal(ipc_pair(fds, NULL), 0);
	s->b = &broker;
	s->sock = fds[0];
	head_turn(request, &s->in);
	rc = serve_request(s);
	close(fds[0]);
	if (rc == 0)
		assert_int_equal(ipc_recv(fds[1], in), 1);
	close(fds[1]);
	mem_free(s);
	return rc;
}

static int apply(const struct head_spec *h, struct cl_err *err)
{
	struct ipc_out *out = mem_alloc(sizeof(*out));
	struct ipc_in *in = mem_alloc(sizeof(*in));
	int rc;

	memset(err, 0, sizeof(*err));
	ipc_begin(out, BROKER_APPLY);
	head_put(out, h);
	rc = ask(out, in);
	if (rc == 0 && in->type == BROKER_ERROR) {
		ipc_get_err(in, err);
		rc = -1;
	}
	mem_free(out);
	mem_free(in);
	return rc;
}

static void forget(void)
{
	pthread_mutex_lock(&engine.lock);
	engine.log[0] = '\0';
	pthread_mutex_unlock(&engine.lock);
	status_of_all = 0;
}

static void test_a_container_is_created_and_started(void **state)
{
	struct head_spec h = head_good();
	struct cl_err err;
	char *create;

	forget();
	if (apply(&h, &err) != 0)
		fail_msg("%s", err.message);
	create = strstr(engine.log, "POST /v1.41/containers/create?name=cl-");
	assert_non_null(create);
	assert_non_null(strstr(create, "\"Privileged\":false"));
	assert_non_null(strstr(create, "\"CapDrop\":[\"ALL\"]"));
	assert_non_null(strstr(create, "p12-prod-was-3-r7/start"));
	assert_non_null(strstr(engine.log, "POST /v1.41/networks/create"));
}

static void test_one_that_runs_is_left_alone(void **state)
{
	struct head_spec h = head_good();
	struct cl_err err;

	forget();
	h.name = "p12-mine";
	assert_int_equal(apply(&h, &err), 0);
	assert_null(strstr(engine.log, "POST"));
}

/* What a request cannot ask for never reaches the engine. */
static void test_the_engine_never_sees_what_is_forbidden(void **state)
{
	struct cl_err err;
	struct head_spec bad[10];

	for (size_t i = 0; i < CL_COUNT(bad); i++)
		bad[i] = head_good();
	bad[0].uid = 0;
	bad[1].network = "host";
	bad[2].image = "registry.example/evil";
	bad[3].name = "p13-prod-was-1-r1";
	bad[4].mounts[0].kind = BROKER_MOUNT_WORKSPACE;
	bad[4].mounts[0].source = "/";
	bad[4].mounts[0].target = "/host";
	bad[4].nmounts = 1;
	bad[5].mounts[0].kind = BROKER_MOUNT_VOLUME;
	bad[5].mounts[0].source = "p13-prod-db";
	bad[5].mounts[0].target = "/x";
	bad[5].nmounts = 1;
	bad[6].name = "x?force=true";
	bad[7].vars[0][0] = "A\nB";
	bad[8].user = "x:x:0:0";
	bad[9].workdir = "/../..";
	forget();
	for (size_t i = 0; i < CL_COUNT(bad); i++)
		if (apply(&bad[i], &err) == 0)
			fail_msg("%zu was taken", i);
	assert_string_equal(engine.log, "");
}

static void remove_one(const char *name, struct cl_err *err)
{
	struct ipc_out *out = mem_alloc(sizeof(*out));
	struct ipc_in *in = mem_alloc(sizeof(*in));

	memset(err, 0, sizeof(*err));
	ipc_begin(out, BROKER_REMOVE);
	ipc_put_str(out, name);
	ipc_put_u32(out, 0);
	assert_int_equal(ask(out, in), 0);
	if (in->type == BROKER_ERROR)
		ipc_get_err(in, err);
	mem_free(out);
	mem_free(in);
}

static void test_a_container_of_somebody_elses_is_not_touched(void **state)
{
	struct cl_err err;

	forget();
	remove_one("p12-foreign", &err);
	assert_null(strstr(engine.log, "DELETE"));
	assert_null(strstr(engine.log, "POST"));
	remove_one("p12-mine", &err);
	assert_non_null(strstr(engine.log, "DELETE /v1.41/containers/cl-"));
}

static void test_an_engine_that_fails(void **state)
{
	static const struct {
		int status;
		const char *body, *says;
	} cases[] = {
	    {500, "{\"message\":\"disk on fire\"}", "disk on fire"},
	    {500, "", "answered 500"},
	    {500, "<html>", "answered 500"},
	    {200, "not json", "no JSON"},
	    {200, "[1,2", "no JSON"},
	    {403, "{\"message\":7}", "answered 403"},
	};
	struct head_spec h = head_good();
	struct cl_err err;

	for (size_t i = 0; i < CL_COUNT(cases); i++) {
		forget();
		status_of_all = cases[i].status;
		body_of_all = cases[i].body;
		assert_int_equal(apply(&h, &err), -1);
		if (!strstr(err.message, cases[i].says))
			fail_msg("%d %s: %s", cases[i].status, cases[i].body, err.message);
	}
	forget();
}

static void test_no_engine_at_all(void **state)
{
	struct head_spec h = head_good();
	struct cl_err err;

	broker.docker.socket = "/nonexistent/engine.sock";
	assert_int_equal(apply(&h, &err), -1);
	broker.docker.socket = engine.path;
	assert_int_equal(err.code, CL_UNAVAILABLE);
	assert_non_null(strstr(err.message, "no container engine answers on /nonexistent/engine.sock"));
	assert_non_null(strstr(err.hint, "podman"));
}

/* Unknown verbs, and every verb with random bytes behind it: the connection ends or the request is
 * refused; nothing is created. */
static void test_noise(void **state)
{
	struct ipc_out *out = mem_alloc(sizeof(*out));
	struct ipc_in *in = mem_alloc(sizeof(*in));
	unsigned seed = 7;

	forget();
	for (int round = 0; round < 3000; round++) {
		uint8_t noise[64];
		size_t n = (size_t)rand_r(&seed) % sizeof(noise);

		for (size_t i = 0; i < n; i++)
			noise[i] = (uint8_t)(rand_r(&seed) % 4 ? rand_r(&seed) % 3 : rand_r(&seed));
		ipc_begin(out, (uint32_t)(BROKER_APPLY + rand_r(&seed) % (BROKER_VERBS_END - BROKER_APPLY + 3)));
		if (out->data[0] == (BROKER_CANCEL & 255) || out->data[0] == (BROKER_IMAGE_LIST & 255) ||
		    out->data[0] == (BROKER_WATCH & 255))
			continue;
		for (size_t i = 0; i < n; i++)
			out->data[out->len++] = noise[i];
		ask(out, in);
	}
	assert_null(strstr(engine.log, "create"));
	assert_null(strstr(engine.log, "DELETE"));
	mem_free(out);
	mem_free(in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_container_is_created_and_started),
	    cmocka_unit_test(test_one_that_runs_is_left_alone),
	    cmocka_unit_test(test_the_engine_never_sees_what_is_forbidden),
	    cmocka_unit_test(test_a_container_of_somebody_elses_is_not_touched),
	    cmocka_unit_test(test_an_engine_that_fails),
	    cmocka_unit_test(test_no_engine_at_all),
	    cmocka_unit_test(test_noise),
	};
	int rc;

	fake_start(&engine, serve);
	head_place(&broker.place);
	mem_copy_str(broker.place.run, sizeof(broker.place.run), engine.dir);
	mem_copy_str(broker.place.state, sizeof(broker.place.state), engine.dir);
	place_identify(&broker.place);
	snprintf(label, sizeof(label), "%s", broker.place.instance);
	broker.docker.socket = engine.path;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fake_stop(&engine);
	return rc;
}
