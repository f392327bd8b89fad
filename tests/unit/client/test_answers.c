/*
 * Verbs and what the engine may answer: every kind of error with its exit status, in words and as
 * JSON; answers that are empty, odd or hostile; the exact requests; tables; completion as bash
 * runs it.
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
#include "base/config.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/client/verb.h"
#include "engine/client/verb_out.h"
#include "tests/unit/fake_call.h"

static struct fake engine;
static struct bridge bridge;
static int status;           /* of every answer */
static const char *reply;
static const char *log_reply; /* of /log */
static struct buf got_out, got_err;
static struct verb_ctx base;
static bool raw_seen;

static void serve(struct fake *f, int fd, const char *request, const char *body)
{
	if (log_reply && strstr(request, "/log?since="))
		fake_reply(fd, 200, log_reply);
	else
		fake_reply(fd, status, reply);
}

static void out_cb(void *arg, const char *text, size_t len, bool raw)
{
	raw_seen |= raw;
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
	status = 200;
	reply = "{}";
	log_reply = NULL;
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

/* Its connections are counted. */
static void fresh_engine(void)
{
	bridge_stop(&bridge);
	fake_stop(&engine);
	fake_start(&engine, serve);
	bridge_start(&bridge, &engine);
}

static int run(const char *line)
{
	struct verb_ctx ctx = base;

	buf_drop(&got_out, got_out.len);
	buf_drop(&got_err, got_err.len);
	engine.log[0] = '\0';
	raw_seen = false;
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

static void ends(const char *line, int rc)
{
	int got = run(line);

	if (got != rc)
		fail_msg("%s: exit %d instead of %d: %s%s", line, got, rc, out(), err());
}

static void prints(const char *line, const char *want)
{
	ends(line, 0);
	if (strcmp(out(), want) != 0)
		fail_msg("%s: printed\n%s", line, out());
}

static void asks(const char *line, const char *want)
{
	run(line);
	if (strcmp(engine.log, want) != 0)
		fail_msg("%s: asked\n%s", line, engine.log);
}

/* One line for each verb that there is. */
static const char *const every[] = {
    "project create shop --stack django", "project ls", "project show", "project rm shop -y",
    "project member add bob", "project member rm bob", "project member ls", "stack ls",
    "stack show django", "up", "stop", "restart", "deploy", "promote", "ship", "scale was=2", "scale",
    "releases", "rollback", "status", "logs", "events", "url", "top", "config get", "config set A=1",
    "config unset A", "op 5", "op ls", "cancel 5", "image ls", "image build", "chat say hello",
    "chat tail", "user add bob", "user ls", "user rm bob -y", "user role bob teacher", "key ls",
    "key add ssh-ed25519 AAAA", "key rm 3", "invite", "whoami", "audit", "info", "ssh-config",
    "project stack go", "stack rm mine -y", "save now -m text", "saves", "saves now", "saves rm now -y",
    "load now -y", "image show base", "image push", "image rm base", "image gc",
    "project import https://example.org/a.git",
};

/* -- errors -- */

static const struct {
	const char *code;
	int http, exit;
} errors[] = {
    {"failed", 500, 1}, {"usage", 400, 2}, {"precondition", 412, 3}, {"not_found", 404, 4},
    {"forbidden", 403, 5}, {"unauthenticated", 401, 5}, {"quota", 429, 6}, {"conflict", 409, 7},
    {"too_large", 413, 2}, {"not_implemented", 501, 10}, {"timeout", 504, 124},
};

static void every_error_has_its_exit_status(void **state)
{
	char text[256];
	json_t *j;

	reply = text;
	for (size_t e = 0; e < CL_COUNT(errors); e++) {
		snprintf(text, sizeof(text),
		    "{\"error\":{\"code\":\"%s\",\"message\":\"shop: a reason\",\"hint\":\"do this\"}}", errors[e].code);
		status = errors[e].http;
		fresh_engine();
		for (size_t i = 0; i < CL_COUNT(every); i++) {
			ends(every[i], errors[e].exit);
			assert_string_equal(out(), "");
			if (strcmp(err(), "codinglab: shop: a reason. do this\n") != 0)
				fail_msg("%s: %s", every[i], err());
		}
	}
	base.json = true;
	fresh_engine();
	for (size_t i = 0; i < CL_COUNT(every); i++) {
		ends(every[i], 124);
		j = json_loads(err(), 0, NULL);
		assert_string_equal(json_string_value(json_object_get(json_object_get(j, "error"), "code")), "timeout");
		assert_string_equal(json_string_value(json_object_get(json_object_get(j, "error"), "hint")), "do this");
		assert_string_equal(out(), "");
		json_decref(j);
	}
}

static void every_verb_without_an_engine(void **state)
{
	base.socket = "/nonexistent/engine.sock";
	base.timeout_s = 1; /* following an operation waits for the engine otherwise */
	for (size_t i = 0; i < CL_COUNT(every); i++) {
		if (strncmp(every[i], "op ", 3) == 0 && strcmp(every[i], "op ls") != 0)
			continue;
		ends(every[i], 75);
		assert_string_equal(out(), "");
		assert_int_equal(strncmp(err(), "codinglab: ", 11), 0);
	}
}

/* Answers of an engine that is not ours, or not well: no crash, and no success made of them. */
static void answers_that_are_none(void **state)
{
	static const char *const bad[] = {"", "not json", "[1,2", "\xff\xfe", "<html>502</html>"};

	for (size_t b = 0; b < CL_COUNT(bad); b++) {
		reply = bad[b];
		status = 500;
		fresh_engine();
		for (size_t i = 0; i < CL_COUNT(every); i++)
			ends(every[i], 1);
	}
	reply = "not json";
	status = 200;
	fresh_engine();
	for (size_t i = 0; i < CL_COUNT(every); i++)
		if (run(every[i]) == 0 && out()[0])
			fail_msg("%s made of nonsense: %s", every[i], out());
}

/* Fields that are missing or of another type are shown as nothing. */
static void answers_of_other_shapes(void **state)
{
	static const char *const odd[] = {
	    "{}", "[]", "{\"users\":7}", "{\"users\":[7,null,\"x\",[]],\"projects\":[{}],\"stacks\":[{\"id\":{}}],"
	    "\"images\":[{\"size\":\"big\"}],\"releases\":[{\"version\":\"x\"}],\"tiers\":[{\"instances\":7,\"cpu\":\"x\"}],"
	    "\"lines\":[{}],\"events\":[[]],\"config\":[{}],\"ops\":[{\"id\":null}],\"messages\":[1],\"keys\":[{}],"
	    "\"members\":[{\"online\":\"yes\"}],\"audit\":[{\"at\":1}],\"state\":7,\"error\":[],\"id\":\"5\"}",
	    "{\"state\":\"done\",\"result\":{\"a\":1}}"};

	for (size_t o = 0; o < CL_COUNT(odd); o++) {
		reply = odd[o];
		fresh_engine();
		for (size_t i = 0; i < CL_COUNT(every); i++) {
			int rc = run(every[i]);

			if (rc < 0 || rc > 130 || strstr(out(), "(null)") || strstr(err(), "(null)"))
				fail_msg("%s on %s: %d %s%s", every[i], odd[o], rc, out(), err());
		}
	}
}

/* What strangers wrote never reaches a terminal as it came, in any field of any verb. */
static void hostile_fields(void **state)
{
	static const char *const fields[] = {"name", "role", "title", "summary", "id", "kind", "state", "stack",
	    "owner", "dev", "running", "text", "user", "at", "instance", "env", "type", "step", "by", "reason",
	    "digest", "url", "project", "comment", "fingerprint", "verb", "object", "detail", "result", "value",
	    "description", "workspace", "parent", "created", "version", "backend", "domain", "code", "expires"};
	static const char evil[] = "\\u001b]0;pwned\\u0007\\u202e\\nfake line\\u009b2J";
	static const char *const lists[] = {"users", "projects", "stacks", "images", "releases", "tiers", "lines",
	    "events", "config", "ops", "messages", "keys", "members", "audit"};
	struct buf b, item;

	buf_init(&b, 1 << 20);
	buf_init(&item, 1 << 20);
	for (size_t i = 0; i < CL_COUNT(fields); i++)
		buf_printf(&item, "%s\"%s\":\"%s\"", i ? "," : "", fields[i], evil);
	buf_add_str(&b, "{");
	for (size_t i = 0; i < CL_COUNT(lists); i++)
		buf_printf(&b, "\"%s\":[{%s}],", lists[i], item.data);
	buf_printf(&b, "\"instances\":[{%s}],%s}", item.data, item.data);
	reply = b.data;
	for (int failed = 0; failed < 2; failed++) {
		status = failed ? 412 : 200;
		for (size_t i = 0; i < CL_COUNT(every); i++) {
			run(every[i]);
			for (const char *s = failed ? err() : out(); *s; s++)
				if (((unsigned char)*s < 0x20 && *s != '\n') || *s == 0x7f)
					fail_msg("%s: byte %#x", every[i], *s);
			if (strstr(out(), "\xe2\x80\xae") || strstr(out(), "\xc2\x9b") || strstr(err(), "\nfake"))
				fail_msg("%s: %s", every[i], out());
			if (strstr(out(), "\nfake line"))
				fail_msg("%s: a line was forged", every[i]);
		}
	}
	buf_clear(&b);
	buf_clear(&item);
}

/* -- requests -- */

static void exact_requests(void **state)
{
	static const struct {
		const char *line, *asks;
	} cases[] = {
	    {"project ls", "GET /v1/projects \n"},
	    {"project show bob.shop", "GET /v1/projects/bob.shop \n"},
	    {"project show bob:shop", "GET /v1/projects/bob.shop \n"},
	    {"project show 'a/../b?x=1#f'", "GET /v1/projects/a%2F..%2Fb%3Fx%3D1%23f \n"},
	    {"-p bob.shop status", NULL},
	    {"status -p bob.shop --env dev", "GET /v1/projects/bob.shop/status?env=dev \n"},
	    {"logs -n 7", "GET /v1/projects/shop/logs?n=7 \n"},
	    {"logs -n 7 --env prod -t 'a&b'", "GET /v1/projects/shop/logs?n=7&tier=a%26b&env=prod \n"},
	    {"logs --tail 999999999", "GET /v1/projects/shop/logs?n=10000 \n"},
	    {"events -n 0", "GET /v1/projects/shop/events?limit=1 \n"},
	    {"events", "GET /v1/projects/shop/events?limit=100 \n"},
	    {"audit -n 5 --verb ship", "GET /v1/audit?limit=5&verb=ship \n"},
	    {"audit -n 100000", "GET /v1/audit?limit=1000 \n"},
	    {"op ls -n 3", "GET /v1/ops?limit=3&project=shop \n"},
	    {"cancel 12", "POST /v1/ops/12/cancel \n"},
	    {"stop", "POST /v1/projects/shop/dev {\"action\":\"stop\"}\n"},
	    {"restart", "POST /v1/projects/shop/dev {\"action\":\"restart\"}\n"},
	    {"ship", "POST /v1/projects/shop/ship {}\n"},
	    {"ship -n", "POST /v1/projects/shop/ship {\"dry_run\":true}\n"},
	    {"deploy --env prod", "POST /v1/projects/shop/deploy {\"env\":\"prod\"}\n"},
	    {"promote --dry-run", "POST /v1/projects/shop/promote {\"dry_run\":true}\n"},
	    {"rollback", "POST /v1/projects/shop/rollback {}\n"},
	    {"rollback v3", "POST /v1/projects/shop/rollback {\"version\":3}\n"},
	    {"rollback 3 --env dev", "POST /v1/projects/shop/rollback {\"env\":\"dev\",\"version\":3}\n"},
	    {"scale web=0", "PUT /v1/projects/shop/scale {\"web\":0}\n"},
	    {"scale was=3 -n", "PUT /v1/projects/shop/scale {\"was\":3,\"dry_run\":true}\n"},
	    {"config set A=1 'B=x y=z' C=", "PUT /v1/projects/shop/config {\"set\":{\"A\":\"1\",\"B\":\"x y=z\",\"C\":\"\"}}\n"},
	    {"config set K=1 --secret --env prod", "PUT /v1/projects/shop/config {\"set\":{\"K\":\"1\"},\"secret\":true,\"env\":\"prod\"}\n"},
	    {"config unset A B", "PUT /v1/projects/shop/config {\"set\":{\"A\":null,\"B\":null}}\n"},
	    {"image build", "POST /v1/images/build {}\n"},
	    {"image build django flask", "POST /v1/images/build {\"ids\":[\"django\",\"flask\"]}\n"},
	    {"invite --days 2", "POST /v1/invites {\"days\":2}\n"},
	    {"user role 'a b' teacher", "PUT /v1/users/a%20b/role {\"role\":\"teacher\"}\n"},
	    {"project member rm '../x'", "DELETE /v1/projects/shop/members/..%2Fx \n"},
	    {"stack show ../x", "GET /v1/stacks/..%2Fx \n"},
	    {"config:set A=1", "PUT /v1/projects/shop/config {\"set\":{\"A\":\"1\"}}\n"},
	    {"ps:restart", "POST /v1/projects/shop/dev {\"action\":\"restart\"}\n"},
	};

	for (size_t i = 0; i < CL_COUNT(cases); i++)
		if (cases[i].asks)
			asks(cases[i].line, cases[i].asks);
		else
			ends(cases[i].line, 2);
}

/* What is wrong by itself is not asked. */
static void refused_before_it_is_asked(void **state)
{
	static const char *const lines[] = {
	    "rollback v0", "rollback x", "rollback v3x", "rollback -1", "rollback v99999999999", "scale was=-1",
	    "scale was=1.5", "scale was=", "scale db=1", "scale was", "config set A", "config set =x",
	    "config set A=\xff", "config set", "config unset", "op x", "op", "cancel", "logs -n x", "logs -n",
	    "status --env staging", "status --timeout soon", "user add", "user add UPPER", "user add a_b",
	    "user role bob", "project create", "project create x", "project create 1x --stack django",
	    "project create shop --stack", "key rm", "whoami extra", "up now", "status -n",
	    "user rm", "stack show", "image build -n", "whoami --nonsense", "completion", "op ls -n", "rollback 1 2"};

	for (size_t i = 0; i < CL_COUNT(lines); i++) {
		int rc = run(lines[i]);

		if (rc != 2 || engine.log[0] || out()[0])
			fail_msg("%s: %d, asked %s, printed %s", lines[i], rc, engine.log, out());
		assert_int_equal(strncmp(err(), "codinglab: ", 11), 0);
	}
}

static void verbs_need_a_project(void **state)
{
	base.project = "";
	for (const struct verb *v = verb_table; v->name; v++) {
		char line[64];

		if (!(v->flags & VERB_PROJECT) || !v->run || strchr(v->args, '.') || v->args[0] >= 'A')
			continue;
		snprintf(line, sizeof(line), "%s", v->name);
		if (strncmp(v->args, "USER", 4) == 0 || strncmp(v->args, "K", 1) == 0)
			continue;
		ends(line, 2);
		assert_non_null(strstr(err(), "no project is named. Say -p PROJECT"));
	}
	assert_string_equal(engine.log, "");
}

/* -- operations -- */

static void operations_by_their_end(void **state)
{
	static const struct {
		const char *op;
		int rc;
		const char *out, *err;
	} cases[] = {
	    {"{\"id\":5,\"kind\":\"ship\",\"state\":\"done\",\"result\":\"http://x/\"}", 0, "http://x/\n", ""},
	    {"{\"id\":5,\"kind\":\"scale\",\"state\":\"done\",\"result\":\"http://x/\"}", 0, "", "http://x/\n"},
	    {"{\"id\":5,\"kind\":\"ship\",\"state\":\"done\"}", 0, "", ""},
	    {"{\"id\":5,\"kind\":\"ship\",\"state\":\"failed\",\"error\":{\"code\":\"quota\",\"message\":\"too many\",\"hint\":\"\"}}", 6, "", "codinglab: too many\n"},
	    {"{\"id\":5,\"kind\":\"ship\",\"state\":\"failed\",\"error\":{\"code\":\"made_up\",\"message\":\"x.\",\"hint\":\"y\"}}", 1, "", "codinglab: x. y\n"},
	    {"{\"id\":5,\"kind\":\"ship\",\"state\":\"failed\",\"error\":null}", 1, "", "codinglab: ship: failed\n"},
	    {"{\"id\":5,\"kind\":\"ship\",\"state\":\"cancelled\"}", 1, "", "codinglab: ship: cancelled\n"},
	    {"{\"id\":5,\"kind\":\"ship\",\"state\":\"\\u001b[1m\"}", 1, "", "codinglab: ship: ^[[1m\n"},
	};

	for (size_t i = 0; i < CL_COUNT(cases); i++) {
		reply = cases[i].op;
		for (const char *const *line = (const char *const[]){"ship", "op 5", "ship --no-wait", NULL}; *line; line++) {
			ends(*line, cases[i].rc);
			assert_string_equal(out(), cases[i].out);
			assert_string_equal(err(), cases[i].err);
		}
	}
	log_reply = "{\"lines\":[{\"seq\":1,\"text\":\"one\"},{\"seq\":2,\"text\":\"t\\two\\u001b\"},{\"seq\":2,\"text\":\"again\"}]}";
	reply = cases[0].op;
	ends("op 5", 0);
	assert_string_equal(err(), "  one\n  t wo^[\n");
	ends("op 5 -q", 0);
	assert_string_equal(err(), "");
	assert_string_equal(out(), "http://x/\n");
}

static void dry_runs_show_their_plan(void **state)
{
	reply = "{\"id\":9,\"state\":\"running\",\"step\":\"start was-2, was-3\"}";
	prints("scale was=3 -n", "start was-2, was-3\n");
	reply = "{\"id\":9,\"state\":\"running\",\"step\":\"\"}";
	prints("ship -n", "");
	assert_null(strstr(engine.log, "/v1/ops")); /* nothing to follow */
}

/* -- what is printed -- */

static void tables(void **state)
{
	reply = "{\"projects\":[{\"name\":\"\xea\xb0\x80\xeb\x82\x98\",\"owner\":\"a\",\"stack\":\"s\",\"role\":\"r\",\"dev\":\"d\"},"
	    "{\"name\":\"bb\",\"owner\":\"longer\",\"stack\":\"\",\"role\":\"r\",\"dev\":\"d\",\"running\":\"http://x/\"}]}";
	/* columns line up by cells: a Hangul syllable takes two */
	prints("project ls", "NAME  OWNER   STACK  ROLE  DEV  URL\n"
	    "\xea\xb0\x80\xeb\x82\x98  a       s      r     d\n"
	    "bb    longer         r     d    http://x/\n");
	prints("project ls -q", "\xea\xb0\x80\xeb\x82\x98  a       s  r  d\nbb    longer     r  d  http://x/\n");
	reply = "{\"projects\":[],\"users\":[],\"releases\":[],\"ops\":[]}";
	prints("project ls", "");
	assert_string_equal(err(), "no projects yet; `project create NAME --stack ID` makes one\n");
	prints("releases", "");
	assert_non_null(strstr(err(), "`ship` makes one"));
	prints("project ls -q", "");
	assert_string_equal(err(), "");
}

static void sizes(void **state)
{
	static const struct {
		int64_t bytes;
		const char *text;
	} cases[] = {{0, "0 B"}, {1, "1 B"}, {999, "999 B"}, {1000, "1.0 kB"}, {9949, "9.9 kB"}, {12345, "12 kB"},
	    {999499, "999 kB"}, {1000000, "1.0 MB"}, {21000000, "21 MB"}, {123456789, "123 MB"},
	    {5000000000, "5.0 GB"}, {7000000000000, "7.0 TB"}, {INT64_C(7000000000000000), "7000 TB"}};
	char text[16];

	for (size_t i = 0; i < CL_COUNT(cases); i++) {
		verb_out_size(text, sizeof(text), cases[i].bytes);
		assert_string_equal(text, cases[i].text);
	}
}

static void status_in_full(void **state)
{
	reply = "{\"project\":\"shop\",\"owner\":\"alice\",\"env\":\"prod\",\"state\":\"serving\",\"url\":\"http://x/\","
	    "\"release\":{\"version\":7,\"by\":\"bob\",\"at\":\"10:02\"},\"op\":{\"id\":8,\"kind\":\"scale\",\"step\":\"start was-3\"},"
	    "\"tiers\":[{\"tier\":\"web\",\"want\":2,\"ready\":2,\"cpu\":4.4,\"memory\":14000000,\"rps\":411.6,\"image\":\"web@1f\","
	    "\"instances\":[{\"name\":\"web-1\",\"state\":\"ready\",\"release\":7,\"restarts\":1,\"cpu\":null,\"memory\":null,\"since\":\"10:01\"}]},"
	    "{\"tier\":\"db\",\"want\":1,\"ready\":0,\"cpu\":null,\"memory\":null,\"rps\":null,\"image\":\"\",\"instances\":[]}]}";
	prints("status",
	    "alice.shop prod: serving  http://x/\n"
	    "release v7 by bob at 10:02\n"
	    "operation 8 scale: start was-3\n"
	    "TIER  WANT  READY  CPU  MEMORY  REQ/S  IMAGE\n"
	    "web   2     2      4 %  14 MB   412    web@1f\n"
	    "db    1     0\n"
	    "\n"
	    "INSTANCE  STATE  RELEASE  RESTARTS  CPU  MEMORY  SINCE\n"
	    "web-1     ready  v7       1                      10:01\n");
	prints("url", "http://x/\n");
	prints("url --json", "{\n  \"url\": \"http://x/\"\n}\n");
	ends("top", 0); /* without a terminal: once */
}

static void json_for_programs_and_terminals(void **state)
{
	reply = "{\"name\":\"\xea\xb0\x80\",\"role\":\"\\u001b[2J\"}";
	prints("whoami --json", "{\n  \"name\": \"\xea\xb0\x80\",\n  \"role\": \"\\u001B[2J\"\n}\n");
	base.out_tty = true;
	prints("whoami --json", "{\n  \"name\": \"\\uAC00\",\n  \"role\": \"\\u001B[2J\"\n}\n");
	prints("--json whoami", "{\n  \"name\": \"\\uAC00\",\n  \"role\": \"\\u001B[2J\"\n}\n");
}

static void asking_first(void **state)
{
	static const struct {
		const char *line, *typed;
		int rc;
	} cases[] = {
	    {"project rm shop", "shop\n", 0}, {"project rm shop", "shop", 0}, {"project rm shop", "shop\r\n", 0},
	    {"project rm shop", "Shop\n", 3}, {"project rm shop", "yes\n", 3}, {"project rm shop", "\n", 3},
	    {"project rm shop", "", 3}, {"project rm bob.shop", "shop\n", 0}, {"project rm bob.shop", "bob.shop\n", 3},
	    {"user rm bob", "y\n", 0}, {"user rm bob", "Yes\n", 0}, {"user rm bob", "n\n", 3}, {"user rm bob", "\n", 3},
	};

	reply = "{\"id\":0}";
	for (size_t i = 0; i < CL_COUNT(cases); i++) {
		int p[2];

		assert_int_equal(pipe(p), 0);
		assert_int_equal(write(p[1], cases[i].typed, strlen(cases[i].typed)), (ssize_t)strlen(cases[i].typed));
		close(p[1]);
		base.in = p[0];
		base.in_tty = true;
		ends(cases[i].line, cases[i].rc);
		if ((strstr(engine.log, "DELETE") != NULL) != (cases[i].rc == 0))
			fail_msg("%s, \"%s\": asked %s", cases[i].line, cases[i].typed, engine.log);
		close(p[0]);
	}
}

/* -- help and completion -- */

static void help_of_every_verb(void **state)
{
	for (const struct verb *v = verb_table; v->name; v++) {
		char line[64], head[256];

		snprintf(line, sizeof(line), "%s --help", v->name);
		ends(line, 0);
		snprintf(head, sizeof(head), "%s: %s", v->name, v->help);
		assert_int_equal(strncmp(out(), head, strlen(head)), 0);
		snprintf(head, sizeof(head), "Usage:    codinglab %s%s%s\n", v->name, v->args[0] ? " " : "", v->args);
		assert_non_null(strstr(out(), head));
		assert_int_equal(strstr(out(), "not implemented yet") != NULL, v->run == NULL);
		assert_string_equal(err(), "");
	}
	assert_string_equal(engine.log, "");
}

static void help_fits_a_terminal(void **state)
{
	ends("help", 0);
	for (const char *line = out(); *line; line += strcspn(line, "\n") + 1) {
		size_t n = strcspn(line, "\n");

		if (n > 120)
			fail_msg("%zu columns: %.*s", n, (int)n, line);
	}
	for (const char *const *same = (const char *const[]){"--help", "-h", NULL}; *same; same++) {
		cl_autofree char *help = NULL;

		ends("help", 0);
		help = mem_strdup(out());
		prints(*same, help);
	}
}

/* What bash would offer after these words. */
static void offers(const char *words, const char *want, bool whole)
{
	char path[] = "/tmp/cl-completion-XXXXXX", command[256], text[4096];
	int fd = mkstemp(path);
	size_t n;
	FILE *f;

	ends("completion bash", 0);
	assert_int_equal(write(fd, got_out.data, got_out.len), (ssize_t)got_out.len);
	snprintf(command, sizeof(command), "\nCOMP_WORDS=(%s); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _codinglab; "
	    "echo \" ${COMPREPLY[*]} \"\n", words);
	assert_int_equal(write(fd, command, strlen(command)), (ssize_t)strlen(command));
	close(fd);
	snprintf(command, sizeof(command), "bash %s 2>&1", path);
	f = popen(command, "r");
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	assert_int_equal(pclose(f), 0);
	unlink(path);
	if (whole ? strcmp(text, want) != 0 : !strstr(text, want))
		fail_msg("%s: %s", words, text);
}

static void completion(void **state)
{
	offers("codinglab sca", " scale \n", true);
	offers("codinglab pro", " project promote \n", true);
	offers("codinglab project ''", " create ls show rm import export stack member \n", true);
	offers("codinglab user r", " rm role \n", true);
	offers("codinglab config ''", " get set rotate-db unset \n", true);
	offers("codinglab ''", " status ", false);
	offers("codinglab ''", " whoami ", false);
	offers("codinglab ship --no", " --no-wait \n", true);
	offers("codinglab board ''", "  \n", true); /* what is not there is not offered */
	offers("codinglab zzz", "  \n", true);
}

static void ssh_configuration(void **state)
{
	char *argv[] = {(char *)"test", NULL};
	int argc = 1;

	setenv("CODINGLAB_CONF", "/dev/null", 1);
	setenv("CODINGLAB_SSHD_PORT", "2299", 1);
	assert_int_equal(config_load(NULL, &argc, argv, NULL), 0);
	reply = "{\"name\":\"alice\",\"role\":\"admin\"}";
	prints("ssh-config lab.example.org",
	    "Host lab\n    HostName lab.example.org\n    Port 2299\n    User alice\n    ServerAliveInterval 30\n");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(every_error_has_its_exit_status), T(every_verb_without_an_engine),
	    T(answers_that_are_none),
	    T(answers_of_other_shapes), T(hostile_fields), T(exact_requests), T(refused_before_it_is_asked),
	    T(verbs_need_a_project), T(operations_by_their_end), T(dry_runs_show_their_plan), T(tables),
	    T(sizes), T(status_in_full), T(json_for_programs_and_terminals), T(asking_first),
	    T(help_of_every_verb), T(help_fits_a_terminal), T(completion), T(ssh_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
