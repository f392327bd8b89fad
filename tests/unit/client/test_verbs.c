/*
 * Every verb against an engine of the test's own: what it asks, what it prints, how it ends; and
 * text of strangers, which must not reach a terminal as it came.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "engine/client/verb.h"
#include "tests/unit/fake_call.h"

static struct fake engine;
static struct bridge bridge;
static int looks; /* at the running operation */

#define OP(id, kind, state, more) "{\"id\":" id ",\"kind\":\"" kind "\",\"state\":\"" state "\",\"step\":\"building\"" more "}"

static const struct {
	const char *request;
	int status;
	const char *reply;
} replies[] = {
    {"GET /v1/info ", 200, "{\"version\":\"9\",\"backend\":\"sim\",\"edge_port\":8080,\"users\":1,\"projects\":2}"},
    {"GET /v1/whoami ", 200, "{\"name\":\"alice\",\"role\":\"admin\"}"},
    {"GET /v1/users ", 200, "{\"users\":[{\"name\":\"alice\",\"role\":\"admin\",\"keys\":2},{\"name\":\"bob\",\"role\":\"\\u001b[31m\"}]}"},
    {"POST /v1/users ", 201, "{\"name\":\"bob\",\"role\":\"student\"}"},
    {"DELETE /v1/users/bob", 200, "{\"ok\":true}"},
    {"PUT /v1/users/bob/role ", 200, "{\"name\":\"bob\",\"role\":\"teacher\"}"},
    {"PUT /v1/users/alice/password ", 200, "{\"ok\":true}"},
    {"GET /v1/users/alice/keys ", 200, "{\"keys\":[{\"id\":3,\"type\":\"ssh-ed25519\",\"fingerprint\":\"SHA256:x\",\"comment\":\"a\\u202eb\"}]}"},
    {"POST /v1/users/alice/keys ", 201, "{\"id\":4,\"type\":\"ssh-ed25519\",\"fingerprint\":\"SHA256:y\",\"comment\":\"c\"}"},
    {"DELETE /v1/users/alice/keys/SHA256%3Ax ", 200, "{\"ok\":true}"},
    {"POST /v1/invites ", 201, "{\"code\":\"abc\",\"role\":\"student\",\"uses\":3,\"expires\":\"soon\"}"},
    {"GET /v1/audit?limit=5&user=bob ", 200, "{\"audit\":[{\"at\":\"t\",\"user\":\"bob\",\"verb\":\"ship\",\"object\":\"o\",\"result\":\"ok\",\"detail\":\"\"}]}"},
    {"GET /v1/stacks ", 200, "{\"stacks\":[{\"id\":\"django\",\"kind\":\"framework\",\"state\":\"ready\",\"title\":\"Django\",\"summary\":\"s\"}]}"},
    {"GET /v1/stacks/django ", 200, "{\"id\":\"django\",\"dbs\":[\"postgresql\",\"mariadb\"],"
	"\"commands\":{\"run\":[\"python3\",\"manage.py\"],\"serve\":[\"sh\",\"-c\",\"exec x\"]},"
	"\"images\":[{\"id\":\"django\",\"state\":\"ready\",\"size\":2048,\"digest\":\"sha256:ab\"}],"
	"\"added\":false,\"port\":8000}"},
    {"GET /v1/images?all=1 ", 200, "{\"images\":[{\"id\":\"base\",\"tag\":\"latest\",\"kind\":\"stack\",\"state\":\"ready\",\"size\":123456789,"
	"\"digest\":null,\"used\":\"3 images on it\"},{\"id\":\"app/p1\",\"tag\":\"op3\",\"kind\":\"release\",\"state\":\"stored\",\"size\":5,"
	"\"stored\":4,\"parent\":\"a\\u001bb\",\"digest\":\"sha256:0123456789abcdef\",\"used\":\"\"}],\"note\":\"away\"}"},
    {"POST /v1/images/push ", 202, OP("5", "image push", "done", "")},
    {"POST /v1/images/gc ", 202, OP("5", "image gc", "done", ",\"result\":\"removed 2 images\"")},
    {"POST /v1/images/rm ", 202, OP("5", "image rm", "done", "")},
    {"POST /v1/images/build ", 202, OP("5", "image build", "done", "")},
    {"GET /v1/projects ", 200, "{\"projects\":[{\"name\":\"shop\",\"owner\":\"alice\",\"stack\":\"django\",\"role\":\"owner\",\"dev\":\"running\",\"running\":null}]}"},
    {"POST /v1/projects ", 201, "{\"name\":\"shop\",\"stack\":\"django\"}"},
    {"GET /v1/projects/shop ", 200, "{\"name\":\"shop\",\"description\":\"a\\nb\",\"members\":1}"},
    {"DELETE /v1/projects/shop ", 202, OP("6", "project rm", "done", "")},
    {"PUT /v1/projects/shop/members/bob ", 200, "{\"user\":\"bob\",\"role\":\"editor\"}"},
    {"DELETE /v1/projects/shop/members/bob ", 200, "{\"ok\":true}"},
    {"GET /v1/projects/shop/members ", 200, "{\"members\":[{\"user\":\"alice\",\"role\":\"owner\",\"online\":true}]}"},
    {"POST /v1/projects/shop/dev ", 202, OP("7", "up", "done", "")},
    {"POST /v1/projects/shop/ship ", 202, OP("20", "ship", "running", "")},
    {"POST /v1/projects/shop/deploy ", 202, OP("21", "deploy", "queued", "")},
    {"POST /v1/projects/shop/promote ", 200, "{\"id\":0,\"kind\":\"promote\",\"state\":\"done\",\"step\":\"start was-1\"}"},
    {"PUT /v1/projects/shop/scale ", 202, OP("8", "scale", "done", ",\"result\":\"http://x/\"")},
    {"POST /v1/projects/shop/rollback ", 202, OP("9", "rollback", "done", ",\"result\":\"http://x/\"")},
    {"PUT /v1/projects/shop/config ", 202, OP("10", "config", "done", "")},
    {"GET /v1/projects/shop/config ", 200, "{\"config\":[{\"name\":\"A\",\"value\":\"1\",\"secret\":false},{\"name\":\"K\",\"value\":\"***\",\"secret\":true}]}"},
    {"GET /v1/projects/shop/releases ", 200, "{\"releases\":[{\"version\":2,\"env\":\"prod\",\"result\":\"serving\",\"by\":\"alice\"}]}"},
    {"GET /v1/projects/shop/status ", 200, "{\"project\":\"shop\",\"owner\":\"alice\",\"env\":\"prod\",\"state\":\"serving\",\"url\":\"http://x/\",\"tiers\":[{\"tier\":\"was\",\"want\":2,\"ready\":1,\"cpu\":12.4,\"memory\":21000000,\"instances\":[{\"name\":\"was-1\",\"state\":\"ready\",\"release\":2}]}]}"},
    {"GET /v1/projects/shop/status?env=dev ", 200, "{\"env\":\"dev\",\"url\":null,\"state\":\"absent\",\"tiers\":[]}"},
    {"GET /v1/projects/shop/logs?n=5&tier=was ", 200, "{\"lines\":[{\"instance\":\"was-1\",\"at\":null,\"text\":\"\\u001b[2Jhello\\u009b\"}]}"},
    {"GET /v1/projects/shop/events?limit=100 ", 200, "{\"events\":[{\"id\":1,\"at\":\"t\",\"env\":\"prod\",\"text\":\"was-3 ready\"}]}"},
    {"POST /v1/projects/shop/chat ", 201, "{\"id\":1}"},
    {"GET /v1/projects/shop/chat?limit=20 ", 200, "{\"messages\":[{\"id\":1,\"at\":\"t\",\"user\":\"bob\",\"text\":\"one\\ntwo\\u001b]0;x\\u0007\"}]}"},
    {"GET /v1/ops?limit=20&project=shop ", 200, "{\"ops\":[" OP("5", "ship", "done", "") "]}"},
    {"GET /v1/ops/20/log?since=0 ", 200, "{\"lines\":[{\"seq\":1,\"text\":\"pip install\\u001b[0m\"}]}"},
    {"GET /v1/ops/20/log?since=1 ", 200, "{\"lines\":[]}"},
    {"GET /v1/ops/21 ", 200, OP("21", "deploy", "running", "")},
    {"GET /v1/ops/22 ", 200, OP("22", "ship", "failed", ",\"error\":{\"code\":\"precondition\",\"message\":\"build: exit status 1\",\"hint\":\"look\"}")},
    {"GET /v1/ops/23 ", 200, OP("23", "ship", "cancelled", ",\"error\":null")},
    {"POST /v1/ops/21/cancel ", 200, OP("21", "deploy", "cancelled", "")},
};

static void serve(struct fake *f, int fd, const char *request, const char *body)
{
	if (strncmp(request, "GET /v1/ops/20 ", 15) == 0) {
		fake_reply(fd, 200, ++looks < 3 ? OP("20", "ship", "running", "")
		    : OP("20", "ship", "done", ",\"result\":\"http://shop.alice.lab.localhost/\""));
		return;
	}
	for (size_t i = 0; i < CL_COUNT(replies); i++) {
		if (strncmp(request, replies[i].request, strlen(replies[i].request)) == 0) {
			fake_reply(fd, replies[i].status, replies[i].reply);
			return;
		}
	}
	fake_reply(fd, 404, "{\"error\":{\"code\":\"not_found\",\"message\":\"nothing \\u001b here\",\"hint\":\"look\"}}");
}

static struct buf got_out, got_err;
static struct verb_ctx base;

static void out_cb(void *arg, const char *text, size_t len, bool raw)
{
	buf_add(&got_out, text, len);
}

static void err_cb(void *arg, const char *text, size_t len)
{
	buf_add(&got_err, text, len);
}

static int setup(void **state)
{
	fake_start(&engine, serve);
	bridge_start(&bridge, &engine);
	looks = 0;
	buf_init(&got_out, 1 << 20);
	buf_init(&got_err, 1 << 20);
	base = (struct verb_ctx){.socket = engine.path, .project = "shop", .wait = true, .in = -1,
	    .out = out_cb, .err = err_cb};
	return 0;
}

static int teardown(void **state)
{
	bridge_stop(&bridge);
	fake_stop(&engine);
	buf_clear(&got_out);
	buf_clear(&got_err);
	return 0;
}

static int run(const char *line)
{
	struct verb_ctx ctx = base;

	buf_drop(&got_out, got_out.len);
	buf_drop(&got_err, got_err.len);
	engine.log[0] = '\0';
	return verb_run_line(&ctx, line);
}

static const char *out(void)
{
	return got_out.data ? got_out.data : "";
}

static const char *err(void)
{
	return got_err.data ? got_err.data : "";
}

/* line ends with rc, prints this on stdout and (if given) has asked that. */
#define SHOWN "id        app/p1\ntag       op3\nkind      release\nstate     stored\ndigest    sha256:0123456789abcdef\n" \
	"parent    a^[b\nsize      5 B\nstored    4 B\n"

static void check(const char *line, int rc, const char *text, const char *asks)
{
	int got = run(line);

	if (got != rc)
		fail_msg("%s: exit %d: %s", line, got, err());
	if (text && strcmp(out(), text) != 0)
		fail_msg("%s: printed\n%s", line, out());
	if (asks && !strstr(engine.log, asks))
		fail_msg("%s: asked\n%s", line, engine.log);
}

static void people(void **state)
{
	check("whoami", 0, "alice (admin)\n", NULL);
	check("user ls", 0, "NAME   ROLE    KEYS  CREATED\nalice  admin   2\nbob    ^[[31m\n", NULL);
	check("user add bob --role student", 0, "user bob: added as student\n",
	    "POST /v1/users {\"name\":\"bob\",\"role\":\"student\"}");
	check("user add Bob", 2, "", NULL);
	check("user rm bob", 3, "", NULL);
	assert_string_equal(engine.log, "");
	assert_string_equal(err(), "codinglab: user bob: removing the account cannot be undone. Say -y to mean it\n");
	check("user rm bob -y", 0, "user bob: removed\n", "DELETE /v1/users/bob ");
	check("user rm bob -y -q", 0, "", "DELETE /v1/users/bob ");
	check("user rm bob -y --json", 0, "{\n  \"ok\": true\n}\n", NULL);
	check("user rm bob -y --force", 0, NULL, "DELETE /v1/users/bob?force=1");
	check("user role bob teacher", 0, "user bob: is teacher now\n", "{\"role\":\"teacher\"}");
	check("invite --uses 3 --role student", 0, "abc\n", "{\"role\":\"student\",\"uses\":3}");
	check("audit -n 5 --user bob", 0, NULL, NULL);
	assert_non_null(strstr(out(), "bob   ship  o       ok"));
	check("key ls", 0, NULL, NULL);
	assert_non_null(strstr(out(), "a\\u{202e}b"));
	check("key rm SHA256:x", 0, "key SHA256:x: removed\n", "DELETE /v1/users/alice/keys/SHA256%3Ax");
	check("key add ssh-ed25519 AAAA me@host", 0, "key 4: added ssh-ed25519 SHA256:y c\n",
	    "{\"key\":\"ssh-ed25519 AAAA me@host\"}");
}

static void input_is(const char *text)
{
	int p[2];

	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], text, strlen(text)), strlen(text));
	close(p[1]);
	base.in = p[0];
}

static void plain_menu(void **state)
{
	base.in_tty = true;
	base.project = "";
	input_is("1\n9\nfrob x\nb\n7\nq\nnever\n");
	check("menu", 0, NULL, NULL);
	assert_non_null(strstr(out(), "CodingLab: projects\n  1  alice.shop"));
	assert_non_null(strstr(out(), "CodingLab: project alice.shop\n  1  run"));
	assert_non_null(strstr(out(), "7: no such number")); /* one project, so 7 is none */
	assert_null(strstr(out(), "never"));
	close(base.in);
	input_is(""); /* the end of the input leaves as well */
	check("menu", 0, NULL, NULL);
	close(base.in);
	base.project = "shop";
	input_is("  releases\nnosuch\n");
	check("menu", 0, NULL, NULL);
	assert_non_null(strstr(out(), "CodingLab: project shop"));
	assert_non_null(strstr(out(), "[status ")); /* of what could not run */
	close(base.in);
}

static void standard_input(void **state)
{
	input_is("# mine\nssh-ed25519 AAAA two words\nssh-rsa other\n");
	check("key add", 0, NULL, "{\"key\":\"ssh-ed25519 AAAA two words\"}");
	close(base.in);
	input_is("");
	check("key add", 2, "", NULL);
	close(base.in);
	input_is("correct horse\n");
	check("user passwd", 0, "", "PUT /v1/users/alice/password {\"password\":\"correct horse\"}");
	close(base.in);
	input_is("short\n");
	check("user passwd", 2, "", NULL);
	assert_null(strstr(err(), "short"));
	close(base.in);
	input_is("said by a pipe\n\n");
	check("chat say", 0, "", "{\"text\":\"said by a pipe\"}");
	close(base.in);
	base.in_tty = true;
	input_is("shop\n");
	check("project rm shop", 0, "", "DELETE /v1/projects/shop");
	close(base.in);
	input_is("y\n");
	check("project rm shop", 3, "", NULL);
	assert_string_equal(engine.log, "");
	close(base.in);
	input_is("y\n");
	check("user rm bob", 0, "user bob: removed\n", "DELETE");
	close(base.in);
}

static void projects(void **state)
{
	check("project create shop --stack django --description 'a b'", 0,
	    "project shop: created from django\n",
	    "{\"name\":\"shop\",\"stack\":\"django\",\"description\":\"a b\"}");
	check("apps:create shop --stack=django", 0, NULL, "POST /v1/projects ");
	check("project create shop --stack django --db mariadb", 0, NULL,
	    "{\"name\":\"shop\",\"stack\":\"django\",\"db\":\"mariadb\"}");
	check("project create ../x --stack django", 2, "", NULL);
	check("project create x", 2, "", NULL);
	assert_string_equal(engine.log, "");
	check("project ls", 0, "NAME  OWNER  STACK   ROLE   DEV      URL\nshop  alice  django  owner  running\n", NULL);
	check("project ls -q", 0, "shop  alice  django  owner  running\n", NULL);
	check("project show", 0, "name         shop\ndescription  a^Jb\nmembers      1\n", NULL);
	check("project member add bob", 0, "project shop: bob is editor\n", "{\"role\":\"editor\"}");
	check("project member ls", 0, "USER   ROLE   ONLINE\nalice  owner  yes\n", NULL);
	check("project member rm bob", 0, "project shop: member bob: removed\n", NULL);
	check("project rm shop -y", 0, "", "DELETE /v1/projects/shop ");
	check("project rm shop -y -n", 2, "", NULL);
	check("stack ls", 0, NULL, NULL);
	check("stack show django", 0, NULL, NULL);
	assert_non_null(strstr(out(), "run       python3 manage.py\n"));
	assert_non_null(strstr(out(), "serve     sh -c 'exec x'\n"));
	assert_non_null(strstr(out(), "databases postgresql mariadb\n"));
	assert_non_null(strstr(out(), "image     django ready 2.0 kB sha256:ab\n"));
	assert_non_null(strstr(out(), "from      the platform\n"));
	check("image ls", 0,
	    "ID          KIND     STATE   SIZE    PARENT  CREATED  DIGEST               USED BY\n"
	    "base        stack    ready   123 MB                                        3 images on it\n"
	    "app/p1:op3  release  stored  5 B     a^[b             sha256:0123456789ab\n"
	    "(away)\n", NULL);
	check("image show base", 0, "id        base\ntag       latest\nkind      stack\nstate     ready\n"
	    "used      3 images on it\nsize      123 MB\nstored    no\n", NULL);
	check("image show app/p1:op3", 0, SHOWN, NULL);
	check("image show sha256:01234567", 0, SHOWN, NULL);
	check("image show app/p1:op4", 4, "", NULL);
	check("image show sha256:f", 4, "", NULL);
	check("image push base web", 0, "", "{\"ids\":[\"base\",\"web\"]}");
	check("image gc", 0, NULL, "POST /v1/images/gc {}");
	check("image gc -n", 0, NULL, "POST /v1/images/gc {\"dry_run\":true}");
	check("image rm app/p1:op3", 0, "", "{\"id\":\"app/p1:op3\"}");
	check("image build base --force", 0, "", "{\"ids\":[\"base\"],\"force\":true}");
	check("up", 0, "", "{\"action\":\"up\"}");
	check("-- up", 2, "", NULL);
}

static void tiers(void **state)
{
	check("scale was=4", 0, "", "PUT /v1/projects/shop/scale {\"was\":4}");
	check("ps:scale web=2 was=3", 0, "", "{\"web\":2,\"was\":3}");
	check("scale --replicas=4 was --env dev", 0, "", "{\"was\":4,\"env\":\"dev\"}");
	check("scale db=2", 2, "", NULL);
	check("scale --replicas 4", 2, "", NULL);
	check("scale", 0, NULL, NULL);
	assert_non_null(strstr(out(), "was   2     1      12 %  21 MB"));
	assert_null(strstr(out(), "was-1"));
	check("status", 0, NULL, NULL);
	assert_non_null(strstr(out(), "was-1     ready  v2"));
	check("url", 0, "http://x/\n", NULL);
	check("url --env dev", 3, "", NULL);
	check("releases", 0, NULL, NULL);
	assert_non_null(strstr(out(), "v2       prod  serving  alice"));
	check("rollback v3", 0, "http://x/\n", "{\"version\":3}");
	check("rollback", 0, NULL, "/rollback {}");
	check("rollback three", 2, "", NULL);
	check("promote -n", 0, "start was-1\n", "{\"dry_run\":true}");
	check("config set A=1 B='x y' --env prod", 0, "", "{\"set\":{\"A\":\"1\",\"B\":\"x y\"},\"env\":\"prod\"}");
	check("config set S3CRET", 2, "", NULL);
	assert_null(strstr(err(), "S3CRET"));
	check("config:unset A", 0, "", "{\"set\":{\"A\":null}}");
	check("config get", 0, "A=1\nK=***\n", NULL);
	check("config get A", 0, "1\n", NULL);
	check("config get Z", 4, "", NULL);
}

static void long_work(void **state)
{
	check("ship", 0, "http://shop.alice.lab.localhost/\n", NULL);
	assert_string_equal(err(), "building\n  pip install^[[0m\n");
	assert_int_equal(looks, 3);
	looks = 0;
	check("ship -q", 0, "http://shop.alice.lab.localhost/\n", NULL);
	assert_string_equal(err(), "");
	check("ship --no-wait", 0, "20\n", NULL);
	check("deploy --timeout 1s", 124, "", NULL);
	assert_non_null(strstr(err(), "operation 21: not done after 1 s"));
	check("op 22", 3, "", NULL);
	assert_string_equal(err(), "codinglab: build: exit status 1. look\n");
	check("op 23", 1, "", NULL);
	check("cancel 21", 0, "", NULL);
	check("op ls", 0, NULL, NULL);
	check("ship --json", 0, NULL, NULL);
	assert_non_null(strstr(out(), "\"result\": \"http://shop.alice.lab.localhost/\""));
}

static void interrupted_work_goes_on(void **state)
{
	volatile int cancelled = 1;

	base.cancelled = &cancelled;
	check("deploy", 130, "", NULL);
	assert_non_null(strstr(err(), "operation 21 goes on"));
}

static void strangers_text(void **state)
{
	check("logs --tail 5 -t was", 0, "was-1 ^[[2Jhello\\x9b\n", NULL);
	check("chat tail", 0, "t bob: one^Jtwo^[]0;x^G\n", NULL);
	check("events", 0, "t prod was-3 ready\n", NULL);
	check("project show 'x\x1b[2J'", 4, "", NULL);
	assert_string_equal(err(), "codinglab: nothing ^[ here. look\n");
	check("'\x1b[2J'", 2, "", NULL);
	assert_null(strchr(err(), '\x1b'));
	check("chat say hello 'two  words'", 0, "", "{\"text\":\"hello two  words\"}");
	check("chat say '\xff'", 2, "", NULL);
}

static void json_everywhere(void **state)
{
	json_t *j;

	for (const char *const *line = (const char *const[]){"info", "whoami", "user ls", "key ls", "stack ls",
	    "image ls", "project ls", "project show", "status", "scale was=1", "releases", "config get",
	    "chat tail", "events", "op ls", "version", "url", "up", NULL}; *line; line++) {
		char with[64];

		snprintf(with, sizeof(with), "%s --json", *line);
		check(with, 0, NULL, NULL);
		j = json_loads(out(), 0, NULL);
		if (!j)
			fail_msg("%s: %s", with, out());
		json_decref(j);
	}
	check("--json project show nothing", 4, "", NULL);
	j = json_loads(err(), 0, NULL);
	assert_string_equal(json_string_value(json_object_get(json_object_get(j, "error"), "code")), "not_found");
	json_decref(j);
	check("board ls --json", 10, "", NULL);
	assert_non_null(strstr(err(), "\"not_implemented\""));
}

static void usage_and_help(void **state)
{
	check("nonsense", 2, "", NULL);
	assert_non_null(strstr(err(), "nonsense: no such verb"));
	check("user nonsense", 2, "", NULL);
	assert_non_null(strstr(err(), "user nonsense: no such verb"));
	check("", 2, "", NULL);
	check("'open", 2, "", NULL);
	check("scale was=x", 2, "", NULL);
	assert_non_null(strstr(err(), "Usage: scale [web=N] [was=N]"));
	check("help", 0, NULL, NULL);
	for (const struct verb *v = verb_table; v->name; v++) {
		char line[64];

		assert_non_null(strstr(out(), v->name));
		if (!v->run) {
			struct verb_ctx ctx = base;

			assert_int_equal(verb_run_line(&ctx, v->name), 10);
		}
		snprintf(line, sizeof(line), "%s --help", v->name);
		check(line, 0, NULL, NULL);
		assert_non_null(strstr(out(), v->example));
		check("help", 0, NULL, NULL);
	}
	check("help user", 0, NULL, NULL);
	assert_non_null(strstr(out(), "user add NAME"));
	check("help scale", 0, NULL, NULL);
	check("help nonsense", 2, "", NULL);
	base.project = "";
	check("status", 2, "", NULL);
	check("status -p shop", 0, NULL, "/v1/projects/shop/status");
	check("completion bash", 0, NULL, NULL);
	check("completion zsh", 10, "", NULL);
	check("ssh-config lab.example.org", 0, NULL, NULL);
	assert_non_null(strstr(out(), "HostName lab.example.org\n"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(people), T(plain_menu), T(standard_input), T(projects), T(tiers), T(long_work), T(interrupted_work_goes_on),
	    T(strangers_text), T(json_everywhere), T(usage_and_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
