/*
 * The backend `local` against a broker of the test's own: each call asks for exactly what
 * broker_proto.h says, and every answer, good or odd, becomes what the reconciler expects.
 */
#include "tests/unit/engine/fake_broker.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/config.h"
#include "engine/backend.h"
#include "engine/backend_local.h"
#include "tests/unit/fake_http.h"

static struct fake_broker broker;
static struct backend backend = {.ops = &backend_local_ops};
static struct cl_err err;

#define CALL(op, ...) (err_clear(&err), backend.ops->op(&backend, __VA_ARGS__))

static bool serve_ok(struct fake_broker *b, int fd, struct ipc_in *m)
{
	fake_broker_ok(fd);
	return true;
}

static bool serve_text(struct fake_broker *b, int fd, struct ipc_in *m)
{
	fake_broker_ok_str(fd, b->arg);
	return true;
}

static bool serve_error(struct fake_broker *b, int fd, struct ipc_in *m)
{
	fake_broker_error(fd, CL_CONFLICT, "there is another", "rename it");
	return true;
}

static int setup(void **state)
{
	char *argv[] = {(char *)"test", NULL};
	int argc = 1;

	fake_broker_start(&broker, serve_ok);
	setenv("CODINGLAB_CONF", "/dev/null", 1);
	setenv("CODINGLAB_STATE", broker.dir, 1);
	setenv("CODINGLAB_RUNTIME_BROKER_SOCKET", broker.path, 1);
	setenv("CODINGLAB_IMAGES_DIR", "/usr/share/lab/images", 1);
	assert_int_equal(config_load(NULL, &argc, argv, &err), 0);
	err_clear(&err);
	return backend.ops->open(&backend, &err);
}

static int teardown(void **state)
{
	backend.ops->close(&backend);
	fake_broker_stop(&broker);
	return 0;
}

/* -- what was asked, field by field -- */

static void asked(uint32_t verb)
{
	if (broker.last.type != verb)
		fail_msg("asked %#x instead of %#x", broker.last.type, verb);
}

static void field(const char *want)
{
	char text[4096];

	ipc_get_str(&broker.last, text, sizeof(text));
	assert_false(broker.last.bad);
	assert_string_equal(text, want);
}

static void number(uint32_t want)
{
	assert_int_equal(ipc_get_u32(&broker.last), want);
}

static void wide(int64_t want)
{
	assert_int_equal(ipc_get_i64(&broker.last), want);
}

static void the_end(void)
{
	assert_int_equal(ipc_end(&broker.last), 0);
}

static char *words[] = {(char *)"sh", (char *)"-c", (char *)"echo $PORT", NULL};
static struct backend_kv vars[] = {{(char *)"PORT", (char *)"8000"}, {(char *)"PW", (char *)"a=b\n\xea\xb0\x80"}};

static void three_words(void)
{
	number(3);
	for (int i = 0; i < 3; i++)
		field(words[i]);
}

static void two_vars(void)
{
	number(2);
	for (int i = 0; i < 2; i++) {
		field(vars[i].name);
		field(vars[i].value);
	}
}

static const struct backend_spec spec = {
    .name = "p12-prod-was-3-r7", .project = 12, .env = "prod", .tier = "was", .n = 3, .release = 7,
    .image = "app/p12", .argv = words, .env_vars = vars, .nenv = 2,
    .mounts = {{BACKEND_MOUNT_VOLUME, "p12-data", "/data", false}, {BACKEND_MOUNT_EDGE, "4", "/run/edge", true}},
    .nmounts = 2, .network = "p12-prod", .alias = "was", .hostname = "was-3", .workdir = "/app",
    .uid = 200001, .gid = 300012, .user_name = "alice", .memory = 1LL << 33, .cpu_milli = 1500,
    .pids = 256, .read_only_root = true, .port = 8000, .health = "/healthz", .stop_grace_s = 10,
    .generation = 0xfedcba9876543210u,
};

static void the_spec(void)
{
	field("p12-prod-was-3-r7");
	wide(12);
	field("prod");
	field("was");
	number(3);
	number(7);
	field("app/p12");
	three_words();
	two_vars();
	number(2);
	number(BROKER_MOUNT_VOLUME);
	field("p12-data");
	field("/data");
	number(0);
	number(BROKER_MOUNT_EDGE);
	field("4");
	field("/run/edge");
	number(1);
	field("p12-prod");
	field("was");
	field("was-3");
	field("/app");
	number(200001);
	number(300012);
	field("alice");
	wide(1LL << 33);
	number(1500);
	number(256);
	number(1);
	number(8000);
	field("/healthz");
	number(10);
	wide((int64_t)0xfedcba9876543210u);
}

static void test_a_container_is_asked_for(void **state)
{
	assert_int_equal(CALL(apply, &spec, &err), 0);
	asked(BROKER_APPLY);
	the_spec();
	the_end();
}

static void test_the_least_spec(void **state)
{
	static const struct backend_spec least = {.name = "p1-dev"};

	assert_int_equal(CALL(apply, &least, &err), 0);
	asked(BROKER_APPLY);
	field("p1-dev");
	wide(0);
	for (int i = 0; i < 2; i++)
		field("");
	number(0);
	number(0);
	field("");
	for (int i = 0; i < 3; i++)
		number(0); /* no words, no variables, no mounts */
	for (int i = 0; i < 4; i++)
		field("");
	number(0);
	number(0);
	field("");
	wide(0);
	for (int i = 0; i < 4; i++)
		number(0);
	field("");
	number(0);
	wide(0);
	the_end();
}

static void test_short_requests(void **state)
{
	assert_int_equal(CALL(remove, "p12-dev", 25, &err), 0);
	asked(BROKER_REMOVE);
	field("p12-dev");
	number(25);
	the_end();
	assert_int_equal(CALL(image_remove, "app/p12", &err), 0);
	asked(BROKER_IMAGE_REMOVE);
	field("app/p12");
	the_end();
	assert_int_equal(CALL(volume_remove, "p12-prod-db", &err), 0);
	asked(BROKER_VOLUME_REMOVE);
	field("p12-prod-db");
	the_end();
	assert_int_equal(CALL(network_remove, "p12-prod", &err), 0);
	asked(BROKER_NETWORK_REMOVE);
	field("p12-prod");
	the_end();
	assert_int_equal(CALL(user_home, 200007, true, &err), 0);
	asked(BROKER_USER_HOME);
	number(200007);
	number(1);
	the_end();
	assert_int_equal(CALL(user_home, 200007, false, &err), 0);
	number(200007);
	number(0);
	the_end();
	assert_int_equal(CALL(workspace_remove, 12, 200007, &err), 0);
	asked(BROKER_WORKSPACE_REMOVE);
	wide(12);
	number(200007);
	the_end();
}

static void test_a_failure_is_the_brokers_own_words(void **state)
{
	struct backend_list list = {0};
	struct backend_images images = {0};
	struct backend_job job = {0};
	struct backend_exec e = {.name = "p1-dev", .argv = words};
	struct backend_build build = {.id = "app/p1"};
	struct backend_instance i = {.name = "p1-dev"};
	struct buf out;
	char text[128];
	int status = 77, failed = 0;

	broker.serve = serve_error;
	buf_init(&out, 100);
#define FAILS(op, ...)                                                                       \
	do {                                                                                 \
		if (CALL(op, __VA_ARGS__) != -1 || err.code != CL_CONFLICT)                   \
			fail_msg(#op ": %d %s", err.code, err.message);                       \
		assert_string_equal(err.message, "there is another");                        \
		assert_string_equal(err.hint, "rename it");                                  \
		failed++;                                                                    \
	} while (0)
	FAILS(ping, &err);
	FAILS(apply, &spec, &err);
	FAILS(remove, "p1-dev", 1, &err);
	FAILS(observe, 0, true, &list, &err);
	FAILS(probe, &i, 0, "", &err);
	FAILS(run, &spec, &job, &status, &err);
	FAILS(logs, "p1-dev", 10, false, &job, &err);
	FAILS(exec, &e, text, sizeof(text), &err);
	FAILS(build, &build, &job, text, sizeof(text), &err);
	FAILS(image_build, "django", "Containerfile", "django", &job, &err);
	FAILS(image_list, &images, &err);
	FAILS(image_remove, "django", &err);
	FAILS(volume_remove, "p1-db", &err);
	FAILS(network_remove, "p1-prod", &err);
	FAILS(workspace_create, 1, 200001, 300001, NULL, NULL, 0, &err);
	FAILS(workspace_remove, 1, 200001, &err);
	FAILS(workspace_read, 1, 200001, "a", 10, &out, &err);
	FAILS(user_home, 200001, true, &err);
	FAILS(watch, NULL, NULL, NULL, &err);
	assert_int_equal(failed, 19);
	assert_int_equal(status, 77);
	assert_int_equal(list.n, 0);
	assert_int_equal(images.n, 0);
	assert_int_equal(broker.count, 1);
	buf_clear(&out);
}

/* -- looking -- */

struct seen {
	const char *name;
	uint32_t state;
	int64_t cpu_ns, memory;
};

static const struct seen *seen;
static int nseen;
static uint32_t seen_type = BROKER_INSTANCE;

static bool serve_seen(struct fake_broker *b, int fd, struct ipc_in *m)
{
	struct ipc_out *out = mem_alloc(sizeof(*out));

	for (int i = 0; i < nseen; i++) {
		ipc_begin(out, seen_type);
		ipc_put_str(out, seen[i].name);
		ipc_put_i64(out, 12);
		ipc_put_str(out, "prod");
		ipc_put_str(out, "was");
		ipc_put_i32(out, i + 1);
		ipc_put_i32(out, 7);
		ipc_put_i64(out, -2);
		ipc_put_str(out, "sha256:abc");
		ipc_put_u32(out, seen[i].state);
		ipc_put_i32(out, 137);
		ipc_put_str(out, "10.89.0.4");
		ipc_put_i64(out, 1700000000123);
		ipc_put_i64(out, seen[i].cpu_ns);
		ipc_put_i64(out, seen[i].memory);
		fake_broker_send(fd, out);
	}
	mem_free(out);
	fake_broker_ok(fd);
	return true;
}

static int look(const struct seen *what, int n, struct backend_list *out)
{
	seen = what;
	nseen = n;
	broker.serve = serve_seen;
	return CALL(observe, 12, true, out, &err);
}

static void test_instances(void **state)
{
	static const struct seen two[] = {
	    {"p12-prod-was-1-r7", BROKER_RUNNING, 5, 1 << 20}, {"p12-prod-was-2-r7", BROKER_EXITED, -1, -1}};
	struct backend_list l;

	assert_int_equal(look(two, 2, &l), 0);
	asked(BROKER_OBSERVE);
	wide(12);
	number(1);
	the_end();
	assert_int_equal(l.n, 2);
	assert_string_equal(l.items[0].name, "p12-prod-was-1-r7");
	assert_int_equal(l.items[0].project, 12);
	assert_string_equal(l.items[0].env, "prod");
	assert_string_equal(l.items[0].tier, "was");
	assert_int_equal(l.items[1].n, 2);
	assert_int_equal(l.items[1].release, 7);
	assert_true(l.items[0].generation == (uint64_t)-2);
	assert_string_equal(l.items[0].image, "sha256:abc");
	assert_int_equal(l.items[0].state, BACKEND_RUNNING);
	assert_int_equal(l.items[1].state, BACKEND_EXITED);
	assert_int_equal(l.items[1].exit_code, 137);
	assert_string_equal(l.items[0].address, "10.89.0.4");
	assert_int_equal(l.items[0].started_ms, 1700000000123);
	assert_int_equal(l.items[0].memory, 1 << 20);
	assert_true(l.items[1].memory < 0);
	assert_true(l.items[1].cpu < 0);
	backend_list_clear(&l);
	assert_int_equal(look(NULL, 0, &l), 0);
	assert_int_equal(l.n, 0);
	backend_list_clear(&l);
}

static void test_processor_time_becomes_a_share(void **state)
{
	struct seen one = {"p12-prod-was-1-r7", BROKER_RUNNING, 1000000000, 1};
	struct backend_list l;
	double first;

	assert_int_equal(look(&one, 1, &l), 0);
	assert_true(l.items[0].cpu < 0); /* nothing to compare with */
	backend_list_clear(&l);
	usleep(50000);
	one.cpu_ns += 25000000; /* 25 ms of a core in 50 ms or more */
	assert_int_equal(look(&one, 1, &l), 0);
	first = l.items[0].cpu;
	assert_true(first > 0 && first <= 50.0);
	backend_list_clear(&l);
	/* idle */
	assert_int_equal(look(&one, 1, &l), 0);
	assert_true(l.items[0].cpu == 0);
	backend_list_clear(&l);
	/* restarted: its count began again, which is no negative share */
	one.cpu_ns = 10;
	assert_int_equal(look(&one, 1, &l), 0);
	assert_true(l.items[0].cpu == -1);
	backend_list_clear(&l);
	one.cpu_ns += 1000;
	assert_int_equal(look(&one, 1, &l), 0);
	assert_true(l.items[0].cpu > 0);
	backend_list_clear(&l);
	/* another container's time is not taken for this one's */
	one.name = "p12-prod-was-2-r7";
	assert_int_equal(look(&one, 1, &l), 0);
	assert_true(l.items[0].cpu < 0);
	backend_list_clear(&l);
}

static void test_states_that_nobody_knows(void **state)
{
	static const struct seen three[] = {
	    {"a", BROKER_UNKNOWN + 1, -1, -1}, {"b", 0xffffffffu, -1, -1}, {"c", BROKER_STARTING, -1, -1}};
	struct backend_list l;

	assert_int_equal(look(three, 3, &l), 0);
	assert_int_equal(l.items[0].state, BACKEND_UNKNOWN);
	assert_int_equal(l.items[1].state, BACKEND_UNKNOWN);
	assert_int_equal(l.items[2].state, BACKEND_STARTING);
	backend_list_clear(&l);
}

static void test_a_list_is_whole_or_nothing(void **state)
{
	static const struct seen bad[] = {
	    {"a", BROKER_RUNNING, -1, -1},
	    {"a-name-that-is-longer-than-eighty-bytes-a-name-that-is-longer-than-eighty-bytes-xx",
		BROKER_RUNNING, -1, -1}};
	struct backend_list l = {.n = 9};

	assert_int_equal(look(bad, 2, &l), -1);
	assert_non_null(strstr(err.message, "makes no sense"));
	assert_int_equal(l.n, 0);
	assert_null(l.items);
	seen_type = BROKER_IMAGE;
	assert_int_equal(look(bad, 1, &l), -1);
	assert_int_equal(l.n, 0);
	seen_type = BROKER_INSTANCE;
	assert_int_equal(look(bad, 1, &l), 0);
	backend_list_clear(&l);
}

static int nimages;

static bool serve_images(struct fake_broker *b, int fd, struct ipc_in *m)
{
	struct ipc_out *out = mem_alloc(sizeof(*out));

	for (int i = 0; i < nimages; i++) {
		ipc_begin(out, BROKER_IMAGE);
		ipc_put_str(out, i ? "app/p12" : "django");
		ipc_put_str(out, i ? "op3" : "latest");
		ipc_put_str(out, "sha256:1");
		ipc_put_str(out, "python");
		ipc_put_i64(out, 5LL << 30);
		ipc_put_i64(out, 1700000000000);
		ipc_put_i32(out, i);
		ipc_put_u32(out, i && i % 2 == 0);
		ipc_put_str(out, i ? "" : "{\"base\":\"debian-13\"}");
		fake_broker_send(fd, out);
	}
	mem_free(out);
	if (b->arg)
		fake_broker_bytes(fd, BROKER_IMAGE, "?", 1);
	fake_broker_ok(fd);
	return true;
}

static void test_images(void **state)
{
	struct backend_images l;
	int yes;

	broker.serve = serve_images;
	nimages = 300;
	assert_int_equal(CALL(image_list, &l, &err), 0);
	asked(BROKER_IMAGE_LIST);
	the_end();
	assert_int_equal(l.n, 300);
	assert_string_equal(l.items[0].id, "django");
	assert_string_equal(l.items[299].id, "app/p12");
	assert_string_equal(l.items[299].tag, "op3");
	assert_int_equal(l.items[299].containers, 299);
	assert_string_equal(l.items[0].parent, "python");
	assert_string_equal(l.items[0].digest, "sha256:1");
	assert_int_equal(l.items[0].size, 5LL << 30);
	assert_int_equal(l.items[0].created_ms, 1700000000000);
	assert_false(l.items[0].current);
	assert_true(l.items[298].current);
	assert_string_equal(l.items[0].labels, "{\"base\":\"debian-13\"}");
	assert_null(l.items[1].labels);
	backend_images_clear(&l);
	broker.arg = &yes;
	assert_int_equal(CALL(image_list, &l, &err), -1);
	assert_int_equal(l.n, 0);
}

/* -- readiness -- */

static void test_readiness_by_the_images_own_check(void **state)
{
	struct backend_instance i = {.name = "p12-prod-db-1-r7", .address = "127.0.0.1"};

	assert_int_equal(CALL(probe, &i, 0, "/healthz", &err), 0); /* no port */
	asked(BROKER_PROBE);
	field("p12-prod-db-1-r7");
	the_end();
	assert_int_equal(CALL(probe, &i, 5432, NULL, &err), 0);
	assert_int_equal(CALL(probe, &i, 5432, "", &err), 0);
	assert_int_equal(broker.requests, 3);
}

struct web {
	int fd, port, status;
	volatile bool stop;
	pthread_t thread;
};

static void *web_cb(void *arg)
{
	struct web *w = arg;
	struct pollfd p = {.fd = w->fd, .events = POLLIN};
	char text[2048];

	while (!w->stop) {
		int c = poll(&p, 1, 20) > 0 ? accept(w->fd, NULL, NULL) : -1;

		if (c < 0)
			continue;
		if (recv(c, text, sizeof(text), 0) > 0)
			fake_reply(c, w->status, w->status == 500 ? "database is down" : "fine");
		close(c);
	}
	return NULL;
}


static void web_start(struct web *w)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);

	memset(w, 0, sizeof(*w));
	w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(w->fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(w->fd, 8), 0);
	getsockname(w->fd, (struct sockaddr *)&sa, &len);
	w->port = ntohs(sa.sin_port);
	pthread_create(&w->thread, NULL, web_cb, w);
}

static void web_stop(struct web *w)
{
	w->stop = true;
	pthread_join(w->thread, NULL);
	close(w->fd);
}

static void test_readiness_by_a_page(void **state)
{
	static const struct {
		int status, rc;
	} cases[] = {{200, 0}, {204, 0}, {302, 0}, {399, 0}, {404, -1}, {500, -1}, {503, -1}};
	struct backend_instance i = {.name = "p12-prod-was-1-r7", .address = "127.0.0.1"};
	struct web w;

	web_start(&w);
	for (size_t k = 0; k < CL_COUNT(cases); k++) {
		w.status = cases[k].status;
		if (CALL(probe, &i, w.port, "/healthz", &err) != cases[k].rc)
			fail_msg("%d: %s", cases[k].status, err.message);
		if (cases[k].status == 500)
			assert_string_equal(err.message, "/healthz answered 500: database is down");
	}
	web_stop(&w);
	/* nobody listens there any more */
	assert_int_equal(CALL(probe, &i, w.port, "/healthz", &err), -1);
	assert_true(err.code != CL_OK);
	i.address[0] = '\0';
	assert_int_equal(CALL(probe, &i, w.port, "/healthz", &err), -1);
	assert_string_equal(err.message, "p12-prod-was-1-r7 has no address yet");
	assert_int_equal(broker.requests, 0);
}

/* -- long requests -- */

static struct buf heard;

static void line_cb(void *arg, const char *line, size_t len)
{
	buf_add(&heard, line, len);
	buf_add_str(&heard, "|");
}

static bool serve_job(struct fake_broker *b, int fd, struct ipc_in *m)
{
	fake_broker_bytes(fd, BROKER_LINE, "Collecting flask", 16);
	fake_broker_bytes(fd, BROKER_LINE, "", 0);
	fake_broker_bytes(fd, BROKER_LINE, "\x1b[1mdone\x1b[0m", 12);
	if (m->type == BROKER_RUN)
		fake_broker_ok_i32(fd, 143);
	else if (m->type == BROKER_LOGS)
		fake_broker_ok(fd);
	else
		fake_broker_ok_str(fd, b->arg);
	return true;
}

static const struct backend_job job = {.line = line_cb, .timeout_s = 900};

static void expect_lines(void)
{
	/* as they came: making them safe is for who shows them */
	assert_string_equal(heard.data, "Collecting flask||\x1b[1mdone\x1b[0m|");
	buf_clear(&heard);
}

static void test_a_job_runs_to_its_end(void **state)
{
	int status = 0;

	broker.serve = serve_job;
	buf_init(&heard, 4096);
	assert_int_equal(CALL(run, &spec, &job, &status, &err), 0);
	asked(BROKER_RUN);
	the_spec();
	number(900);
	the_end();
	assert_int_equal(status, 143);
	expect_lines();
}

static void test_a_build(void **state)
{
	static const char digest[] =
	    "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	const struct backend_build b = {.id = "app/p12", .project = 12, .op = 31, .from = "django",
	    .onto = "django-run", .build = words, .uid = 200001, .gid = 300012, .labels = vars,
	    .nlabels = 2, .memory = 2LL << 30};
	char text[128], tiny[16];

	broker.serve = serve_job;
	broker.arg = (void *)digest;
	buf_init(&heard, 4096);
	assert_int_equal(CALL(build, &b, &job, text, sizeof(text), &err), 0);
	asked(BROKER_BUILD);
	field("app/p12");
	wide(12);
	wide(31);
	field("django");
	field("django-run");
	three_words();
	number(0);
	number(200001);
	number(300012);
	two_vars();
	wide(2LL << 30);
	number(900);
	the_end();
	assert_string_equal(text, digest);
	expect_lines();
	/* an answer that does not fit is no answer */
	assert_int_equal(CALL(build, &b, &job, tiny, sizeof(tiny), &err), -1);
	buf_clear(&heard);
}

static void test_a_stacks_image(void **state)
{
	broker.serve = serve_job;
	broker.arg = (void *)"sha256:1";
	buf_init(&heard, 4096);
	assert_int_equal(CALL(image_build, "django", "Containerfile.run", "django-run", &job, &err), 0);
	asked(BROKER_IMAGE_BUILD);
	field("django");
	field("Containerfile.run");
	field("django-run");
	number(900);
	the_end();
	expect_lines();
}

static void test_logs(void **state)
{
	broker.serve = serve_job;
	buf_init(&heard, 4096);
	assert_int_equal(CALL(logs, "p12-dev", -1, true, &job, &err), 0);
	asked(BROKER_LOGS);
	field("p12-dev");
	number((uint32_t)-1);
	number(1);
	the_end();
	expect_lines();
}

static bool serve_data_as_line(struct fake_broker *b, int fd, struct ipc_in *m)
{
	fake_broker_bytes(fd, BROKER_DATA, "not a line", 10);
	fake_broker_ok(fd);
	return true;
}

static void test_a_part_of_another_kind(void **state)
{
	broker.serve = serve_data_as_line;
	buf_init(&heard, 4096);
	assert_int_equal(CALL(logs, "p12-dev", 5, false, &job, &err), -1);
	assert_non_null(strstr(err.message, "makes no sense"));
	assert_int_equal(heard.len, 0);
	buf_clear(&heard);
}

static bool cancelled;

static bool is_cancelled(void *arg)
{
	return cancelled;
}

static bool serve_until_cancelled(struct fake_broker *b, int fd, struct ipc_in *m)
{
	if (m->type == BROKER_CANCEL)
		fake_broker_error(fd, CL_FAILED, "cancelled", "");
	else
		cancelled = true;
	return true;
}

static void test_a_build_is_cancelled(void **state)
{
	const struct backend_job stopped = {.cancelled = is_cancelled, .timeout_s = 900};
	const struct backend_build b = {.id = "app/p12"};
	char text[128];

	cancelled = false;
	broker.serve = serve_until_cancelled;
	assert_int_equal(CALL(build, &b, &stopped, text, sizeof(text), &err), -1);
	assert_string_equal(err.message, "cancelled");
	assert_int_equal(broker.cancels, 1);
}

/* -- executions and files -- */

static void test_an_execution(void **state)
{
	static const char ticket[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	const struct backend_exec e = {.name = "p12-dev", .argv = words, .env_vars = vars, .nenv = 2,
	    .workdir = "/workspace", .uid = 200001, .gid = 300012, .tty = true, .rows = 40, .cols = 132,
	    .peer_uid = 200009};
	char text[65];

	broker.serve = serve_text;
	broker.arg = (void *)ticket;
	assert_int_equal(CALL(exec, &e, text, sizeof(text), &err), 0);
	assert_string_equal(text, ticket);
	asked(BROKER_EXEC);
	field("p12-dev");
	three_words();
	two_vars();
	field("/workspace");
	number(200001);
	number(300012);
	number(1);
	number(40);
	number(132);
	number(200009);
	the_end();
}

static void test_a_workspace(void **state)
{
	static const struct {
		const char *given, *asked;
	} cases[] = {
	    {NULL, ""},
	    {"/usr/share/lab/images/django/template", "django/template"},
	    {"/usr/share/lab/images//django/template", "django/template"},
	    {"django/template", "django/template"},
	    {"/etc", "/etc"}, /* the broker refuses it */
	};

	for (size_t i = 0; i < CL_COUNT(cases); i++) {
		assert_int_equal(CALL(workspace_create, 12, 200001, 300012, cases[i].given, vars, 2, &err), 0);
		asked(BROKER_WORKSPACE_CREATE);
		wide(12);
		number(200001);
		number(300012);
		field(cases[i].asked);
		two_vars();
		the_end();
	}
}

static bool serve_file(struct fake_broker *b, int fd, struct ipc_in *m)
{
	size_t n = *(size_t *)b->arg;
	char *data = mem_alloc(IPC_DATA_MAX);

	memset(data, 'd', IPC_DATA_MAX);
	for (size_t use; n > 0; n -= use) {
		use = n < IPC_DATA_MAX ? n : IPC_DATA_MAX;
		fake_broker_bytes(fd, BROKER_DATA, data, use);
	}
	mem_free(data);
	fake_broker_ok(fd);
	return true;
}

static void test_a_file_comes_in_pieces(void **state)
{
	static const size_t sizes[] = {0, 1, IPC_DATA_MAX, IPC_DATA_MAX + 1, 100000};
	struct buf out;
	size_t n;

	broker.serve = serve_file;
	broker.arg = &n;
	for (size_t i = 0; i < CL_COUNT(sizes); i++) {
		buf_init(&out, 100000);
		n = sizes[i];
		assert_int_equal(CALL(workspace_read, 12, 200001, "a b/.codinglab.json", 4096, &out, &err), 0);
		asked(BROKER_WORKSPACE_READ);
		wide(12);
		number(200001);
		field("a b/.codinglab.json");
		wide(4096);
		the_end();
		assert_int_equal(out.len, n);
		buf_clear(&out);
	}
	/* a broker that sends more than the caller takes */
	buf_init(&out, 99999);
	n = 100000;
	assert_int_equal(CALL(workspace_read, 12, 200001, "x", 4096, &out, &err), -1);
	buf_clear(&out);
}

/* -- changes -- */

static char changes[512];

static void change_cb(void *arg, const struct backend_change *c)
{
	size_t n = strlen(changes);

	snprintf(changes + n, sizeof(changes) - n, "%s %s %d|", c->name, c->what, c->exit_code);
}

static bool serve_changes(struct fake_broker *b, int fd, struct ipc_in *m)
{
	static const struct {
		const char *name, *what;
		int code;
	} all[] = {{"", "resync", 0}, {"p12-dev", "start", 0}, {"p12-dev", "die", 137}, {"p12-dev", "remove", 0}};
	struct ipc_out *out = mem_alloc(sizeof(*out));

	for (size_t i = 0; i < CL_COUNT(all); i++) {
		ipc_begin(out, BROKER_CHANGE);
		ipc_put_str(out, all[i].name);
		ipc_put_str(out, all[i].what);
		ipc_put_i32(out, all[i].code);
		fake_broker_send(fd, out);
	}
	if (b->arg) {
		ipc_begin(out, BROKER_CHANGE);
		ipc_put_str(out, "p12-dev");
		ipc_put_str(out, "a word that is too long");
		ipc_put_i32(out, 0);
		fake_broker_send(fd, out);
	}
	mem_free(out);
	fake_broker_error(fd, CL_UNAVAILABLE, "the container engine's event stream ended", "");
	return true;
}

static void test_changes(void **state)
{
	static const char want[] = " resync 0|p12-dev start 0|p12-dev die 137|p12-dev remove 0|";
	int yes;

	changes[0] = '\0';
	broker.serve = serve_changes;
	assert_int_equal(CALL(watch, change_cb, NULL, NULL, &err), -1);
	asked(BROKER_WATCH);
	the_end();
	assert_int_equal(err.code, CL_UNAVAILABLE);
	assert_string_equal(changes, want);
	changes[0] = '\0';
	broker.arg = &yes;
	assert_int_equal(CALL(watch, change_cb, NULL, NULL, &err), -1);
	assert_string_equal(changes, want); /* the odd one is not told */
}

static void test_is_it_there(void **state)
{
	broker.serve = serve_text;
	broker.arg = (void *)"podman 4.3.1";
	assert_int_equal(CALL(ping, &err), 0);
	asked(BROKER_PING);
	the_end();
	fake_broker_down(&broker);
	assert_int_equal(CALL(ping, &err), -1);
	assert_int_equal(err.code, CL_UNAVAILABLE);
	assert_non_null(strstr(err.hint, "broker"));
	fake_broker_up(&broker);
	assert_int_equal(CALL(ping, &err), 0);
}

static void test_it_is_found_by_name(void **state)
{
	assert_ptr_equal(backend_find("local"), &backend_local_ops);
	assert_non_null(backend_find("sim"));
	assert_null(backend_find("Local"));
	assert_null(backend_find(""));
	/* no hook is missing: the reconciler calls them without looking; but for those about clusters and whole
	 * environments, which this backend makes instance by instance */
	const void *const *first = (const void *const *)(const void *)&backend_local_ops.env_apply;
	const void *const *last = (const void *const *)(const void *)&backend_local_ops.watch_end;
	for (const void *const *hook = (const void *const *)(const void *)&backend_local_ops.open;
	    hook < (const void *const *)(&backend_local_ops + 1); hook++)
		assert_int_equal(*hook != NULL, hook < first || hook > last);
	for (int i = 0; backend_table[i]; i++)
		assert_ptr_equal(backend_find(backend_table[i]->name), backend_table[i]);
}

static void test_closing_twice(void **state)
{
	struct backend b = {.ops = &backend_local_ops};

	assert_int_equal(b.ops->open(&b, &err), 0);
	b.ops->close(&b);
	b.ops->close(&b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_a_container_is_asked_for), T(test_the_least_spec), T(test_short_requests),
	    T(test_a_failure_is_the_brokers_own_words), T(test_instances),
	    T(test_processor_time_becomes_a_share), T(test_states_that_nobody_knows),
	    T(test_a_list_is_whole_or_nothing), T(test_images),
	    T(test_readiness_by_the_images_own_check), T(test_readiness_by_a_page),
	    T(test_a_job_runs_to_its_end), T(test_a_build), T(test_a_stacks_image), T(test_logs),
	    T(test_a_part_of_another_kind), T(test_a_build_is_cancelled), T(test_an_execution),
	    T(test_a_workspace), T(test_a_file_comes_in_pieces), T(test_changes), T(test_is_it_there),
	    T(test_it_is_found_by_name), T(test_closing_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
