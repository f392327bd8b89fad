/*
 * Requests that read from the container engine: looking, images, networks, checks, jobs, logs,
 * builds, changes; with an engine of the test's own that answers by rules.
 */
#include "tests/unit/broker/ask.h"

#include <fcntl.h>

#include "engine/broker/build.h"
#include "engine/broker/docker.h"
#include "tests/unit/fake_http.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OURS "\"codinglab.instance\":\"@\"" /* @ becomes our instance id */
#define STREAM -1                           /* the answer is a stream, as it is */

struct rule {
	const char *request; /* part of "METHOD PATH" */
	int status;
	const char *reply;
	size_t len;          /* of a stream */
	int times;           /* it holds so often; 0 = always */
};

static struct fake engine;
static struct broker broker;
static struct rule rules[24];
static char dir[] = "/var/tmp/cl-calls-XXXXXX";

static void expand(const char *text, char *out, size_t size)
{
	size_t n = 0;

	for (; *text && n + 20 < size; text++)
		if (*text == '@')
			n += (size_t)snprintf(out + n, size - n, "%s", broker.place.instance);
		else
			out[n++] = *text;
	out[n] = '\0';
}

static void serve(struct fake *f, int fd, const char *request, const char *body)
{
	static const char upgrade[] = "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n"
	    "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
	char text[8192], line[512];

	snprintf(line, sizeof(line), "%.*s ", (int)(strstr(request, " HTTP/") - request), request);
	for (struct rule *r = rules; r < rules + CL_COUNT(rules) && r->request; r++) {
		if (!strstr(line, r->request) || r->times < 0)
			continue;
		if (r->times && --r->times == 0)
			r->times = -1;
		if (r->status == STREAM) {
			fake_write(fd, upgrade, sizeof(upgrade) - 1);
			fake_write(fd, r->reply, r->len);
		} else {
			expand(r->reply, text, sizeof(text));
			fake_reply(fd, r->status, text);
		}
		return;
	}
	fake_reply(fd, 404, "{\"message\":\"no such thing\"}");
}

static int setup(void **state)
{
	mem_copy_str(dir, sizeof(dir), "/var/tmp/cl-calls-XXXXXX");
	if (!mkdtemp(dir) || chmod(dir, 0755) < 0)
		return -1;
	fake_start(&engine, serve);
	memset(rules, 0, sizeof(rules));
	head_place(&broker.place);
	mem_copy_str(broker.place.state, sizeof(broker.place.state), dir);
	snprintf(broker.place.images, sizeof(broker.place.images), "%s/images", dir);
	place_identify(&broker.place);
	broker.docker.socket = engine.path;
	return 0;
}

static int teardown(void **state)
{
	char command[128];
	FILE *f;

	fake_stop(&engine);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	f = popen(command, "r");
	return f ? pclose(f) : -1;
}

static void rule_times(const char *request, int status, const char *reply, int times)
{
	struct rule *r = rules;

	while (r->request)
		r++;
	assert_true(r + 1 < rules + CL_COUNT(rules));
	*r = (struct rule){.request = request, .status = status, .reply = reply, .len = strlen(reply), .times = times};
}

static void rule(const char *request, int status, const char *reply)
{
	rule_times(request, status, reply, 0);
}

static void stream(const char *request, const char *bytes, size_t len)
{
	struct rule *r = rules;

	while (r->request)
		r++;
	*r = (struct rule){.request = request, .status = STREAM, .reply = bytes, .len = len};
}

static int asked(const char *text)
{
	int n = 0;

	for (const char *at = engine.log; (at = strstr(at, text)); at += strlen(text))
		n++;
	return n;
}

static struct ipc_out *named(uint32_t verb, const char *name)
{
	struct ipc_out *m = ask_begin(verb);

	ipc_put_str(m, name);
	return m;
}

/* -- looking -- */

struct seen {
	char text[2048];
};

static void instance_part(struct ipc_in *m, void *arg)
{
	struct seen *s = arg;
	char name[128], env[16], tier[16], image[128], address[64];
	int64_t project, generation, started, cpu, memory;
	int n, release, state, code;

	assert_int_equal(m->type, BROKER_INSTANCE);
	ipc_get_str(m, name, sizeof(name));
	project = ipc_get_i64(m);
	ipc_get_str(m, env, sizeof(env));
	ipc_get_str(m, tier, sizeof(tier));
	n = ipc_get_i32(m);
	release = ipc_get_i32(m);
	generation = ipc_get_i64(m);
	ipc_get_str(m, image, sizeof(image));
	state = (int)ipc_get_u32(m);
	code = ipc_get_i32(m);
	ipc_get_str(m, address, sizeof(address));
	started = ipc_get_i64(m);
	cpu = ipc_get_i64(m);
	memory = ipc_get_i64(m);
	assert_int_equal(ipc_end(m), 0);
	snprintf(s->text + strlen(s->text), sizeof(s->text) - strlen(s->text),
	    "%s %lld %s %s %d %d %lld %s %d %d %s %lld %lld %lld|", name, (long long)project, env, tier, n, release,
	    (long long)generation, image, state, code, address, (long long)started, (long long)cpu, (long long)memory);
}

static struct answer *observe(int64_t project, struct seen *s)
{
	struct ipc_out *m = ask_begin(BROKER_OBSERVE);
	struct answer *a;

	memset(s, 0, sizeof(*s));
	ipc_put_i64(m, project);
	ipc_put_u32(m, 0);
	a = ask_with(&broker, m, instance_part, s);
	mem_free(m);
	return a;
}

#define LABELS(name, n) "\"Labels\":{" OURS ",\"codinglab.name\":\"" name "\",\"codinglab.project\":\"12\"," \
	"\"codinglab.env\":\"prod\",\"codinglab.tier\":\"was\",\"codinglab.n\":\"" n "\",\"codinglab.release\":\"7\"," \
	"\"codinglab.generation\":\"-5\"}"

static void test_looking(void **state)
{
	struct seen s;
	struct answer *a;

	rule("GET /v1.41/containers/json", 200, "["
	    "{\"Id\":\"aaa1\",\"State\":\"running\",\"ImageID\":\"sha256:i\"," LABELS("p12-prod-was-1-r7", "1")
	    ",\"NetworkSettings\":{\"Networks\":{\"x\":{\"IPAddress\":\"10.89.0.4\"}}}},"
	    "{\"Id\":\"bbb1\",\"State\":\"exited\",\"ImageID\":\"sha256:i\"," LABELS("p12-prod-was-2-r7", "2")
	    ",\"NetworkSettings\":{\"Networks\":{\"x\":{\"IPAddress\":\"10.89.0.5\"}}}},"
	    "{\"Id\":\"ccc1\",\"State\":\"created\",\"Labels\":{" OURS "}},"
	    "{\"Id\":\"ddd1\",\"State\":\"paused\",\"Labels\":{" OURS "}},"
	    "{\"Id\":\"eee1\",\"State\":\"running\",\"Labels\":{\"codinglab.instance\":\"0000000000000000\"}},"
	    "{\"Id\":\"fff1\",\"State\":\"running\",\"Labels\":{}}, 7, null]");
	rule("containers/aaa1/json", 200, "{\"State\":{\"Pid\":1,\"ExitCode\":99,\"StartedAt\":\"2026-11-23T01:13:36.65Z\"}}");
	rule("containers/bbb1/json", 200, "{\"State\":{\"Pid\":0,\"ExitCode\":137,\"StartedAt\":\"2026-11-23T01:13:36Z\"}}");
	a = observe(12, &s);
	assert_int_equal(a->err.code, CL_OK);
	assert_int_equal(a->end.type, BROKER_OK);
	assert_string_equal(s.text,
	    "p12-prod-was-1-r7 12 prod was 1 7 -5 sha256:i 1 0 10.89.0.4 1795396416650 -1 -1|"
	    "p12-prod-was-2-r7 12 prod was 2 7 -5 sha256:i 2 137  1795396416000 -1 -1|"
	    " 0   0 0 0  0 0  0 -1 -1|"
	    " 0   0 0 0  3 0  0 -1 -1|");
	assert_int_equal(asked("codinglab.project%3D12"), 1);
	assert_int_equal(asked("/aaa1/json"), 1);
	answer_free(a);
	/* what does not change is not asked again */
	engine.log[0] = '\0';
	a = observe(0, &s);
	assert_int_equal(a->parts, 4);
	assert_int_equal(asked("/aaa1/json"), 0);
	assert_int_equal(asked("/bbb1/json"), 0);
	assert_int_equal(asked("codinglab.project"), 0);
	answer_free(a);
	/* containers of others are not even looked at */
	assert_int_equal(asked("/eee1/json") + asked("/fff1/json"), 0);
}

static void test_an_engine_that_does_not_list(void **state)
{
	struct seen s;
	struct answer *a;

	/* a removal at the same moment spoils podman's list: it is asked for again */
	rule_times("containers/json", 500, "{\"message\":\"no such container\"}", 1);
	rule_times("containers/json", 200, "[{\"Id\":\"ggg1\",\"State\":\"created\",\"Labels\":{" OURS "}}]", 1);
	rule_times("containers/json", 200, "{\"not\":\"a list\"}", 1);
	rule("containers/json", 500, "{\"message\":\"no space left\"}");
	a = observe(0, &s);
	assert_int_equal(a->err.code, CL_OK);
	assert_int_equal(a->parts, 1);
	answer_free(a);
	a = observe(0, &s);
	assert_int_equal(a->parts, 0);
	answer_free(a);
	a = observe(0, &s);
	assert_non_null(strstr(a->err.message, "no space left"));
	assert_int_equal(a->parts, 0);
	answer_free(a);
}

/* -- images -- */

static void image_part(struct ipc_in *m, void *arg)
{
	struct seen *s = arg;
	char id[64], tag[64], digest[128], parent[64], labels[256];
	int64_t size, created;
	int containers;

	assert_int_equal(m->type, BROKER_IMAGE);
	ipc_get_str(m, id, sizeof(id));
	ipc_get_str(m, tag, sizeof(tag));
	ipc_get_str(m, digest, sizeof(digest));
	ipc_get_str(m, parent, sizeof(parent));
	size = ipc_get_i64(m);
	created = ipc_get_i64(m);
	containers = ipc_get_i32(m);
	assert_int_equal(ipc_get_u32(m), 0); /* none has the labels of a recipe */
	ipc_get_str(m, labels, sizeof(labels));
	assert_string_equal(labels, strcmp(id, "python") == 0 ?
	    "{\"image\":\"python\",\"packages\":\"2\",\"parent\":\"base\"}" : "");
	assert_int_equal(ipc_end(m), 0);
	snprintf(s->text + strlen(s->text), sizeof(s->text) - strlen(s->text), "%s:%s %s %s %lld %lld %d|", id, tag,
	    digest, parent, (long long)size, (long long)created, containers);
}

static void test_images(void **state)
{
	char list[2048];
	struct ipc_out *m = ask_begin(BROKER_IMAGE_LIST);
	struct seen s = {0};
	struct answer *a;

	snprintf(list, sizeof(list), "["
	    "{\"Id\":\"sha256:1\",\"RepoTags\":[\"localhost/codinglab/python:latest\"],\"Size\":5000000000,\"Created\":1700000000,"
	    "\"Labels\":{\"codinglab.image\":\"python\",\"codinglab.parent\":\"base\",\"other\":\"x\","
	    "\"codinglab.packages\":\"tini=0.19 zlib1g=1.3\"}},"
	    "{\"Id\":\"sha256:2\",\"RepoTags\":[\"localhost/codinglab/i%.8s/app/p1:op3\"],\"Labels\":{\"codinglab.image\":\"app/p1\"}},"
	    "{\"Id\":\"sha256:3\",\"RepoTags\":[\"localhost/codinglab/i00000000/app/p1:op3\"],\"Labels\":{\"codinglab.image\":\"app/p1\"}},"
	    "{\"Id\":\"sha256:4\",\"RepoTags\":[],\"Labels\":{\"codinglab.image\":\"python\"}},"
	    "{\"Id\":\"sha256:5\",\"RepoTags\":[\"debian:13\"],\"Labels\":{\"codinglab.image\":\"python\"}},"
	    "{\"Id\":\"sha256:6\",\"RepoTags\":[\"localhost/codinglab/x:latest\"],\"Labels\":{}},"
	    "{\"Id\":\"sha256:7\",\"RepoTags\":null,\"Labels\":null}, null]", broker.place.instance);
	rule("GET /v1.41/images/json", 200, list);
	rule("GET /v1.41/containers/json", 200, "[{\"ImageID\":\"sha256:2\"},{\"ImageID\":\"2\"},{\"ImageID\":\"9\"}]");
	a = ask_with(&broker, m, image_part, &s);
	assert_int_equal(a->err.code, CL_OK);
	assert_string_equal(s.text, "python:latest sha256:1 base 5000000000 1700000000000 0|app/p1:op3 sha256:2  0 0 2|");
	answer_free(a);
	mem_free(m);
}

static void test_removing_images(void **state)
{
	struct cl_err err;

	rule("GET /v1.41/images/localhost/codinglab/python:latest/json", 200,
	    "{\"RepoTags\":[\"localhost/codinglab/python:latest\"],\"Config\":{\"Labels\":{\"codinglab.image\":\"python\"}}}");
	rule("GET /v1.41/images/" DIGEST "/json", 200, "{\"RepoTags\":[\"debian:13\"],\"Config\":{\"Labels\":{}}}");
	rule_times("DELETE /v1.41/images/localhost/codinglab/python:latest ", 200, "[]", 1);
	rule("DELETE /v1.41/images/", 409, "{\"message\":\"image is in use by p12\"}");
	ask_ok(&broker, named(BROKER_IMAGE_REMOVE, "python"));
	assert_int_equal(asked("DELETE"), 1);
	err = ask_fails(&broker, named(BROKER_IMAGE_REMOVE, "python"));
	assert_int_equal(err.code, CL_CONFLICT);
	assert_non_null(strstr(err.message, "in use"));
	engine.log[0] = '\0';
	assert_int_equal(ask_fails(&broker, named(BROKER_IMAGE_REMOVE, DIGEST)).code, CL_NOT_FOUND); /* not ours */
	assert_int_equal(ask_fails(&broker, named(BROKER_IMAGE_REMOVE, "django")).code, CL_NOT_FOUND);
	assert_int_equal(asked("DELETE"), 0);
	engine.log[0] = '\0';
	assert_int_equal(ask_fails(&broker, named(BROKER_IMAGE_REMOVE, "python:latest?force=1")).code, CL_USAGE);
	assert_string_equal(engine.log, "");
}

/* -- networks and volumes -- */

static void test_networks_and_volumes(void **state)
{
	static const struct {
		uint32_t verb;
		const char *get, *delete;
	} kinds[] = {
	    {BROKER_NETWORK_REMOVE, "GET /v1.41/networks/", "DELETE /v1.41/networks/"},
	    {BROKER_VOLUME_REMOVE, "GET /v1.41/volumes/", "DELETE /v1.41/volumes/"}};

	for (size_t i = 0; i < CL_COUNT(kinds); i++) {
		memset(rules, 0, sizeof(rules));
		engine.log[0] = '\0';
		ask_ok(&broker, named(kinds[i].verb, "p12-prod")); /* absent is done */
		assert_int_equal(asked("DELETE"), 0);
		rule_times(kinds[i].get, 200, "{\"Labels\":{}}", 1);
		rule_times(kinds[i].get, 200, "{\"Labels\":{\"codinglab.instance\":\"0000000000000000\"}}", 1);
		rule(kinds[i].get, 200, "{\"Labels\":{" OURS "}}");
		rule_times(kinds[i].delete, 204, "", 1);
		rule_times(kinds[i].delete, 404, "{\"message\":\"gone\"}", 1);
		rule(kinds[i].delete, 409, "{\"message\":\"has active endpoints\"}");
		for (int other = 0; other < 2; other++) {
			assert_int_equal(ask_fails(&broker, named(kinds[i].verb, "p12-prod")).code, CL_CONFLICT);
			assert_int_equal(asked("DELETE"), 0);
		}
		ask_ok(&broker, named(kinds[i].verb, "p12-prod"));
		assert_int_equal(asked("DELETE"), 1);
		ask_ok(&broker, named(kinds[i].verb, "p12-prod")); /* somebody was faster */
		assert_non_null(strstr(ask_fails(&broker, named(kinds[i].verb, "p12-prod")).message, "active endpoints"));
		engine.log[0] = '\0';
		assert_int_equal(ask_fails(&broker, named(kinds[i].verb, "../x")).code, CL_USAGE);
		assert_int_equal(ask_fails(&broker, named(kinds[i].verb, "")).code, CL_USAGE);
		assert_string_equal(engine.log, "");
	}
}

/* -- checks -- */

static void test_readiness(void **state)
{
	struct cl_err err;

	rule_times("db-1/json", 200, "{\"State\":{\"Running\":false},\"Config\":{\"Labels\":{" OURS "}}}", 1);
	rule_times("db-1/json", 200, "{\"State\":{\"Running\":true},\"Config\":{\"Labels\":{" OURS "}}}", 1);
	rule("db-1/json", 200, "{\"State\":{\"Running\":true},\"Config\":{\"Labels\":{" OURS ",\"codinglab.ready\":\"pg_isready -q\"}}}");
	rule("db-1/exec", 201, "{\"Id\":\"e1\"}");
	stream("exec/e1/start", "\1\0\0\0\0\0\0\3no\n", 11);
	rule_times("exec/e1/json", 200, "{\"Running\":true}", 2); /* its status comes a little later */
	rule_times("exec/e1/json", 200, "{\"Running\":false,\"ExitCode\":0}", 1);
	rule("exec/e1/json", 200, "{\"Running\":false,\"ExitCode\":2}");
	err = ask_fails(&broker, named(BROKER_PROBE, "p12-prod-db-1"));
	assert_int_equal(err.code, CL_PRECONDITION);
	assert_string_equal(err.message, "p12-prod-db-1: not running");
	ask_ok(&broker, named(BROKER_PROBE, "p12-prod-db-1")); /* no check: it runs */
	assert_int_equal(asked("exec"), 0);
	ask_ok(&broker, named(BROKER_PROBE, "p12-prod-db-1"));
	assert_int_equal(asked("\"Cmd\":[\"/bin/sh\",\"-c\",\"pg_isready -q\"]"), 1);
	err = ask_fails(&broker, named(BROKER_PROBE, "p12-prod-db-1"));
	assert_string_equal(err.message, "p12-prod-db-1: its check (pg_isready -q) says 2");
	assert_int_equal(ask_fails(&broker, named(BROKER_PROBE, "p12-none")).code, CL_NOT_FOUND);
}

/* -- jobs and logs -- */

#define FRAMES "\1\0\0\0\0\0\0\11hello\nwor\2\0\0\0\0\0\0\5oops\n\1\0\0\0\0\0\0\3ld\n"

static struct ipc_out *job(void)
{
	struct ipc_out *m = ask_begin(BROKER_RUN);
	struct head_spec h = head_good();

	h.name = "op31-job";
	head_put(m, &h);
	ipc_put_i32(m, 60);
	return m;
}

static void job_rules(void)
{
	rule("GET /v1.41/images/", 200, "{\"Id\":\"sha256:1\",\"Config\":{\"Labels\":{\"codinglab.image\":\"python-run\"}}}");
	rule("networks/create", 201, "{}");
	rule("containers/create", 201, "{\"Id\":\"c1\"}");
	rule("/start", 204, "");
}

static void test_a_job(void **state)
{
	struct ipc_out *m = job();
	struct answer *a;

	rule_times("op31-job/json", 404, "{}", 1);
	rule("op31-job/json", 200, "{\"State\":{\"Running\":false},\"Config\":{\"Labels\":{" OURS "}}}");
	stream("op31-job/attach", FRAMES, sizeof(FRAMES) - 1);
	rule("op31-job/wait", 200, "{\"StatusCode\":3}");
	rule("DELETE /v1.41/containers/", 204, "");
	job_rules();
	a = ask(&broker, m);
	if (a->err.code)
		fail_msg("%s\n%s", a->err.message, engine.log);
	assert_int_equal(ipc_get_i32(&a->end), 3);
	assert_int_equal(ipc_end(&a->end), 0);
	assert_string_equal(a->text.data, "hello|oops|world|");
	/* it was attached to before it began, and it is gone */
	assert_true(strstr(engine.log, "/attach") < strstr(engine.log, "/start"));
	assert_int_equal(asked("DELETE /v1.41/containers/"), 1);
	answer_free(a);
	mem_free(m);
}

static void test_a_job_that_goes_wrong(void **state)
{
	static const struct {
		const char *request;
		int status;
		const char *reply, *says;
		bool left; /* something to be removed */
	} cases[] = {
	    {"containers/create", 500, "{\"message\":\"no space left\"}", "no space left", false},
	    {"GET /v1.41/images/", 404, "{}", "not built yet", false},
	    {"GET /v1.41/images/", 200, "{\"Config\":{\"Labels\":{}}}", "not one of this platform's", false},
	    {"networks/create", 403, "{\"message\":\"no more subnets\"}", "no more subnets", false},
	    {"/attach", 409, "{\"message\":\"cannot attach\"}", "cannot attach", true},
	    {"/attach", STREAM, "HTTP/1.1 nonsense", "garbled", true},
	    {"/start", 500, "{\"message\":\"crun: no\"}", "crun: no", true},
	    {"/wait", 500, "{\"message\":\"lost it\"}", "lost it", true},
	};

	for (size_t i = 0; i < CL_COUNT(cases); i++) {
		struct ipc_out *m = job();
		struct answer *a;

		memset(rules, 0, sizeof(rules));
		engine.log[0] = '\0';
		rule(cases[i].request, cases[i].status, cases[i].reply);
		rule_times("op31-job/json", 404, "{}", 1);
		if (cases[i].left)
			rule("op31-job/json", 200, "{\"State\":{\"Running\":true},\"Config\":{\"Labels\":{" OURS "}}}");
		stream("op31-job/attach", FRAMES, sizeof(FRAMES) - 1);
		rule("op31-job/wait", 200, "{\"StatusCode\":0}");
		rule("DELETE /v1.41/containers/", 204, "");
		job_rules();
		a = ask(&broker, m);
		if (!strstr(a->err.message, cases[i].says))
			fail_msg("%zu: %s", i, a->err.message);
		assert_int_equal(asked("DELETE /v1.41/containers/"), cases[i].left);
		answer_free(a);
		mem_free(m);
	}
}

static void test_logs(void **state)
{
	struct ipc_out *m = named(BROKER_LOGS, "p12-dev");
	struct answer *a;

	ipc_put_i32(m, 25);
	ipc_put_u32(m, 0);
	rule("p12-dev/json", 200, "{\"State\":{\"Running\":true},\"Config\":{\"Labels\":{" OURS "}}}");
	rule_times("p12-dev/logs", 200, "", 1);
	rule("p12-dev/logs", 500, "{\"message\":\"no journal\"}");
	a = ask(&broker, m);
	assert_int_equal(a->err.code, CL_OK);
	assert_int_equal(a->parts, 0);
	assert_int_equal(asked("follow=0&tail=25"), 1);
	answer_free(a);
	a = ask(&broker, m);
	assert_non_null(strstr(a->err.message, "no journal"));
	answer_free(a);
	mem_free(m);
	for (int tail = -2; tail < 1000002; tail += 1000003) {
		m = named(BROKER_LOGS, "p12-dev");
		ipc_put_i32(m, tail);
		ipc_put_u32(m, 0);
		assert_int_equal(ask_fails(&broker, m).code, CL_USAGE);
	}
	m = named(BROKER_LOGS, "p12-none");
	ipc_put_i32(m, 1);
	ipc_put_u32(m, 0);
	assert_int_equal(ask_fails(&broker, m).code, CL_NOT_FOUND);
}

/* -- builds -- */

struct wish {
	const char *id, *from, *onto, *label, *value;
	int64_t project, op, memory;
	uint32_t uid, gid;
	int32_t timeout;
};

static struct wish good(void)
{
	return (struct wish){"app/p12", "python", "python-run", "codinglab.commit", "say \"hi\"", 12, 31, 0, 200001,
	    300012, 600};
}

static struct ipc_out *build(const struct wish *w)
{
	struct ipc_out *m = ask_begin(BROKER_BUILD);

	ipc_put_str(m, w->id);
	ipc_put_i64(m, w->project);
	ipc_put_i64(m, w->op);
	ipc_put_str(m, w->from);
	ipc_put_str(m, w->onto);
	ipc_put_u32(m, 2);
	ipc_put_str(m, "make");
	ipc_put_str(m, "all in one");
	ipc_put_u32(m, 2);
	ipc_put_str(m, "./app");
	ipc_put_str(m, "--name=\"x\"");
	ipc_put_u32(m, w->uid);
	ipc_put_u32(m, w->gid);
	ipc_put_u32(m, 1);
	ipc_put_str(m, w->label);
	ipc_put_str(m, w->value);
	ipc_put_i64(m, w->memory);
	ipc_put_i32(m, w->timeout);
	return m;
}

#define REFUSED(field, bad)                                                                  \
	do {                                                                                 \
		struct wish w = good();                                                      \
		w.field = bad;                                                               \
		ask_fails(&broker, build(&w));                                               \
		if (engine.log[0])                                                           \
			fail_msg(#field " = " #bad ": %s", engine.log);                       \
	} while (0)

static void test_builds_that_are_refused(void **state)
{
	REFUSED(id, "python");
	REFUSED(id, "../p12");
	REFUSED(id, "app/p12:latest");
	REFUSED(id, "");
	REFUSED(from, "registry.example/evil");
	REFUSED(from, "");
	REFUSED(onto, "python:1");
	REFUSED(onto, "sha256:1");
	REFUSED(project, 0);
	REFUSED(project, -12);
	REFUSED(op, 0);
	REFUSED(op, 1LL << 40);
	REFUSED(uid, 0);
	REFUSED(uid, 999);
	REFUSED(gid, 0);
	REFUSED(label, "a=b");
	REFUSED(label, "");
	REFUSED(label, "a\nUSER root");
	REFUSED(value, "x\nUSER 0");
	REFUSED(value, "\x1b");
	REFUSED(memory, -1);
	REFUSED(memory, INT64_MAX);
	REFUSED(timeout, -1);
	REFUSED(timeout, 86401);
}

static void build_rules(int build_status, int copy_status)
{
	static char one[64], two[64];

	snprintf(one, sizeof(one), "{\"StatusCode\":%d}", build_status);
	snprintf(two, sizeof(two), "{\"StatusCode\":%d}", copy_status);
	memset(rules, 0, sizeof(rules));
	engine.log[0] = '\0';
	rule_times("op31-build/json", 404, "{}", 1);
	rule_times("op31-copy/json", 404, "{}", 1);
	rule("op31-build/json", 200, "{\"State\":{},\"Config\":{\"Labels\":{" OURS "}}}");
	rule("op31-copy/json", 200, "{\"State\":{},\"Config\":{\"Labels\":{" OURS "}}}");
	stream("/attach", FRAMES, sizeof(FRAMES) - 1);
	rule("op31-build/wait", 200, one);
	rule("op31-copy/wait", 200, two);
	rule("DELETE /v1.41/containers/", 204, "");
	job_rules();
}

static bool folder_left(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/builds/31", dir);
	return access(path, F_OK) == 0;
}

static void test_a_build(void **state)
{
	struct wish w = good();
	struct ipc_out *m = build(&w);
	char digest[128], want[256], *first, *second;
	struct answer *a;

	build_rules(0, 0);
	rule("POST /v1.41/commit", 201, "{\"Id\":\"" DIGEST "\"}");
	a = ask(&broker, m);
	if (a->err.code)
		fail_msg("%s\n%s", a->err.message, engine.log);
	ipc_get_str(&a->end, digest, sizeof(digest));
	assert_string_equal(digest, DIGEST);
	first = strstr(engine.log, "POST /v1.41/containers/create");
	assert_non_null(first);
	second = strstr(first + 1, "POST /v1.41/containers/create");
	assert_non_null(second);
	/* the sources cannot be written by the build, nor its result by the copy */
	snprintf(want, sizeof(want), "\"Source\":\"%s/projects/12/work\",\"Target\":\"/src\",\"ReadOnly\":true", dir);
	assert_non_null(strstr(first, want));
	snprintf(want, sizeof(want), "\"Source\":\"%s/builds/31\",\"Target\":\"/app\",\"ReadOnly\":false", dir);
	assert_true(strstr(first, want) && strstr(first, want) < second);
	snprintf(want, sizeof(want), "\"Source\":\"%s/builds/31\",\"Target\":\"/src\",\"ReadOnly\":true", dir);
	assert_non_null(strstr(second, want));
	assert_non_null(strstr(second, "\"NetworkMode\":\"none\"")); /* nothing is fetched while copying */
	assert_non_null(strstr(first, "\"User\":\"200001:300012\""));
	assert_int_equal(asked("\"Privileged\":true"), 0);
	assert_non_null(strstr(first, "\"make\",\"all in one\"]"));
	/* what is kept of it; quoted, so that a value cannot be another instruction */
	assert_int_equal(asked("tag=op31"), 1);
	assert_int_equal(asked("CMD%20%5B%22./app%22%2C%22--name%3D%5C%22x%5C%22%22%5D"), 1);
	assert_int_equal(asked("LABEL%20codinglab.commit%3D%22say%20%5C%22hi%5C%22%22"), 1);
	assert_int_equal(asked("LABEL%20codinglab.parent%3D%22python-run%22"), 1);
	assert_int_equal(asked("USER"), 0);
	assert_string_equal(a->text.data, "network: open, since there is no package proxy here to keep it to the registries|"
	    "hello|oops|world|hello|oops|world|");
	assert_false(folder_left());
	answer_free(a);
	mem_free(m);
}

static void test_builds_that_fail(void **state)
{
	static const struct {
		int build, copy, commit;
		const char *reply, *says;
	} cases[] = {
	    {2, 0, 201, "{}", "the command ended with status 2"},
	    {0, 1, 201, "{}", "the command ended with status 1"},
	    {0, 0, 500, "{\"message\":\"disk quota\"}", "disk quota"},
	    {0, 0, 201, "{}", "no image came of it"},
	    {0, 0, 201, "{\"Id\":\"../../x\"}", "no image came of it"},
	};
	struct wish w = good();

	for (size_t i = 0; i < CL_COUNT(cases); i++) {
		struct ipc_out *m = build(&w);
		struct answer *a;

		build_rules(cases[i].build, cases[i].copy);
		rule("POST /v1.41/commit", cases[i].commit, cases[i].reply);
		a = ask(&broker, m);
		if (!strstr(a->err.message, cases[i].says))
			fail_msg("%zu: %s", i, a->err.message);
		assert_int_equal(asked("/commit"), cases[i].build == 0 && cases[i].copy == 0);
		assert_true(asked("DELETE /v1.41/containers/") >= 1);
		assert_false(folder_left());
		answer_free(a);
		mem_free(m);
	}
}

/* -- changes -- */

static void change_part(struct ipc_in *m, void *arg)
{
	struct seen *s = arg;
	char name[128], what[32];
	int code;

	assert_int_equal(m->type, BROKER_CHANGE);
	ipc_get_str(m, name, sizeof(name));
	ipc_get_str(m, what, sizeof(what));
	code = ipc_get_i32(m);
	assert_int_equal(ipc_end(m), 0);
	snprintf(s->text + strlen(s->text), sizeof(s->text) - strlen(s->text), "%s %s %d|", name, what, code);
}

#define EVENT(action, more) "{\"Action\":\"" action "\",\"Actor\":{\"Attributes\":{" OURS \
	",\"codinglab.name\":\"p12-dev\"" more "}}}\n"

static void test_changes(void **state)
{
	struct ipc_out *m = ask_begin(BROKER_WATCH);
	struct seen s = {0};
	struct answer *a;

	rule("GET /v1.41/events", 200,
	    EVENT("start", "") EVENT("die", ",\"exitCode\":\"137\"") EVENT("died", ",\"containerExitCode\":\"3\"")
	    EVENT("oom", "") EVENT("exec_create", "") EVENT("destroy", "") EVENT("remove", "")
	    "{\"Action\":\"start\",\"Actor\":{\"Attributes\":{\"codinglab.name\":\"p12-dev\"}}}\n"
	    "not json\n\n7\n{}\n" EVENT("restart", "") "{\"Action\":\"start\"");
	a = ask_with(&broker, m, change_part, &s);
	assert_string_equal(s.text, " resync 0|p12-dev start 0|p12-dev die 137|p12-dev die 3|p12-dev oom 0|"
	    "p12-dev remove 0|p12-dev remove 0|p12-dev start 0|");
	assert_int_equal(a->err.code, CL_UNAVAILABLE);
	answer_free(a);
	mem_free(m);
}

static void hang(struct fake *f, int fd, const char *request, const char *body)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
	char c;

	fake_write(fd, head, sizeof(head) - 1);
	recv(fd, &c, 1, 0); /* until the other side is gone */
}

static void cancel_part(struct ipc_in *m, void *arg)
{
	struct ipc_out *out = ask_begin(BROKER_CANCEL);

	ipc_send(*(int *)arg, out);
	mem_free(out);
}

static void test_watching_is_cancelled(void **state)
{
	struct ipc_out *m = ask_begin(BROKER_WATCH), *again = ask_begin(BROKER_CANCEL);
	struct serve *s = mem_alloc(sizeof(*s));
	struct answer *a = mem_alloc(sizeof(*a));
	int fds[2];

	engine.serve = hang;
	buf_init(&a->text, 1 << 20);
	assert_int_equal(ipc_pair(fds, NULL), 0);
	a->sock = fds[1];
	a->part = cancel_part;
	a->arg = &a->sock;
	pthread_create(&a->reader, NULL, answer_read, a);
	s->b = &broker;
	s->sock = fds[0];
	head_turn(m, &s->in);
	assert_int_equal(serve_request(s), 0); /* the connection is still good */
	head_turn(again, &s->in);
	assert_int_equal(serve_request(s), 0); /* one that comes too late is nobody's */
	close(fds[0]);
	pthread_join(a->reader, NULL);
	close(fds[1]);
	assert_string_equal(a->err.message, "cancelled");
	answer_free(a);
	mem_free(s);
	mem_free(m);
	mem_free(again);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_looking), T(test_an_engine_that_does_not_list), T(test_images), T(test_removing_images),
	    T(test_networks_and_volumes), T(test_readiness), T(test_a_job), T(test_a_job_that_goes_wrong),
	    T(test_logs), T(test_builds_that_are_refused), T(test_a_build), T(test_builds_that_fail),
	    T(test_changes), T(test_watching_is_cancelled),
	};

	if (geteuid() != 0) {
		puts("folders of other users need root");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
