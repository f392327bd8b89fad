/* Manifests and releases: what each container gets, and that nothing harmful can be said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "engine/manifest.h"

static struct stack_var stack_env[] = { { (char *)"PYTHONUNBUFFERED", (char *)"1" },
	{ (char *)"CODINGLAB_PROJECT", (char *)"forged" } };
static struct stack app = { .id = "django", .dev = { .id = "django" }, .run = { .id = "django-run" },
	.port = 8000, .env = stack_env, .nenv = 2 };
static struct stack web = { .id = "web", .run = { .id = "web" }, .port = 8080, .health = "/-/healthz",
	.uid = 10101, .tmp = { "/tmp" }, .ntmp = 1 };
static struct stack db = { .id = "postgresql", .run = { .id = "postgresql" }, .port = 5432,
	.database = { "postgres", 5432 },
	.uid = 10103, .volume = "/var/lib/postgresql/data", .tmp = { "/tmp", "/run/postgresql" },
	.ntmp = 2 };
static struct release rel = { .version = 7, .digest = "sha256:abc", .port = 8000,
	.health = "/healthz" };

static struct manifest base(void)
{
	return (struct manifest){ .project = 12, .name = "shop", .owner = "alice", .env = "prod",
		.stack = &app, .web = &web, .db = &db, .release = &rel, .db_password = "s3cret",
		.slot = 4, .uid = 200001, .gid = 300012 };
}

static const char *var(const struct backend_spec *s, const char *name)
{
	for (size_t i = 0; i < s->nenv; i++)
		if (strcmp(s->env_vars[i].name, name) == 0)
			return s->env_vars[i].value;
	return "";
}

static void test_was(void **state)
{
	struct manifest m = base();
	struct backend_spec s;
	struct cl_err err = { 0 };

	(void)state;
	assert_int_equal(manifest_was(&m, 3, &s, &err), 0);
	assert_string_equal(s.name, "p12-prod-was-3-r7");
	assert_string_equal(s.network, "p12-prod");
	assert_string_equal(s.image, "sha256:abc");
	assert_string_equal(s.workdir, "/app");
	assert_string_equal(var(&s, "DATABASE_URL"), "postgres://app:s3cret@db:5432/app");
	assert_string_equal(var(&s, "PORT"), "8000");
	assert_string_equal(var(&s, "CODINGLAB_PROJECT"), "shop");
	assert_string_equal(var(&s, "CODINGLAB_INSTANCE"), "was-3");
	assert_string_equal(var(&s, "CODINGLAB_RELEASE"), "7");
	assert_string_equal(var(&s, "CODINGLAB_TIER"), "was");
	assert_string_equal(var(&s, "PYTHONUNBUFFERED"), "1");
	assert_int_equal(s.uid, MANIFEST_UID_WAS);
	assert_string_equal(s.health, "/healthz");
	for (size_t i = 0; i < s.nmounts; i++)
		assert_int_equal(s.mounts[i].kind, BACKEND_MOUNT_TMP);
	manifest_clear(&s);
}

static void test_web(void **state)
{
	struct manifest m = base();
	struct backend_spec s, later;
	struct release newer = rel;
	bool edge = false;

	(void)state;
	assert_int_equal(manifest_web(&m, 1, &s, NULL), 0);
	assert_true(s.read_only_root);
	assert_string_equal(var(&s, "PORT"), "8080");
	assert_string_equal(var(&s, "DATABASE_URL"), "");
	assert_int_equal(s.uid, 10101);
	for (size_t i = 0; i < s.nmounts; i++)
		edge = edge || (s.mounts[i].kind == BACKEND_MOUNT_EDGE &&
		    strcmp(s.mounts[i].source, "4") == 0 &&
		    strcmp(s.mounts[i].target, "/run/edge") == 0);
	assert_true(edge);
	/* a release of the application is no reason to replace nginx; another slot is */
	newer.version = 8;
	m.release = &newer;
	assert_int_equal(manifest_web(&m, 1, &later, NULL), 0);
	assert_string_equal(later.name, s.name);
	manifest_clear(&later);
	m.slot = 5;
	assert_int_equal(manifest_web(&m, 1, &later, NULL), 0);
	assert_string_not_equal(later.name, s.name);
	manifest_clear(&later);
	manifest_clear(&s);
}

static void test_db(void **state)
{
	struct manifest m = base();
	struct backend_spec s;

	(void)state;
	assert_int_equal(manifest_db(&m, &s, NULL), 0);
	assert_string_equal(s.name, "p12-prod-db-1-r0");
	assert_string_equal(s.alias, "db");
	assert_string_equal(var(&s, "DATABASE_PASSWORD"), "s3cret");
	assert_int_equal(s.mounts[s.nmounts - 1].kind, BACKEND_MOUNT_VOLUME);
	assert_string_equal(s.mounts[s.nmounts - 1].source, "p12-prod-db");
	assert_true(s.read_only_root);
	manifest_clear(&s);
}

/* A release that enters by the other name: its instances are others, the database is not. */
static void test_login(void **state)
{
	struct manifest m = base();
	struct release newer = rel;
	struct backend_spec s, later;

	(void)state;
	(void)mem_copy_str(newer.db_user, sizeof(newer.db_user), "app2");
	(void)mem_copy_str(newer.db_password, sizeof(newer.db_password), "n3xt");
	assert_int_equal(manifest_db(&m, &s, NULL), 0);
	assert_string_equal(var(&s, "DATABASE_USER"), "app");
	m.release = &newer;
	assert_int_equal(manifest_db(&m, &later, NULL), 0);
	assert_string_equal(var(&later, "DATABASE_USER"), "app2");
	assert_string_equal(var(&later, "DATABASE_PASSWORD"), "n3xt");
	assert_true(s.generation == later.generation);
	manifest_clear(&later);
	manifest_clear(&s);
	assert_int_equal(manifest_was(&m, 1, &later, NULL), 0);
	assert_non_null(strstr(var(&later, "DATABASE_URL"), "://app2:n3xt@db:"));
	m.release = &rel;
	assert_int_equal(manifest_was(&m, 1, &s, NULL), 0);
	assert_non_null(strstr(var(&s, "DATABASE_URL"), "://app:s3cret@db:"));
	assert_true(s.generation != later.generation);
	manifest_clear(&later);
	manifest_clear(&s);
}

/* The job that changes it: nothing of either password in its arguments. */
static void test_login_job(void **state)
{
	struct manifest m = base();
	struct release newer = rel;
	struct backend_spec s;

	(void)state;
	(void)mem_copy_str(newer.db_user, sizeof(newer.db_user), "app2");
	(void)mem_copy_str(newer.db_password, sizeof(newer.db_password), "n3xt");
	m.release = &newer;
	for (int let = 0; let < 2; let++) {
		assert_int_equal(manifest_login(&m, &rel, let, 31, &s, NULL), 0);
		assert_string_equal(s.name, let ? "op31-login-let" : "op31-login-keep");
		assert_string_equal(s.env, "job");
		assert_string_equal(s.image, m.db->run.id);
		assert_int_equal(s.uid, m.db->uid);
		assert_string_equal(s.argv[0], "codinglab-login");
		assert_string_equal(s.argv[1], let ? "let" : "keep");
		assert_null(s.argv[2]);
		assert_string_equal(var(&s, "DATABASE_HOST"), "db");
		assert_string_equal(var(&s, "DATABASE_USER"), "app");
		assert_string_equal(var(&s, "DATABASE_PASSWORD"), "s3cret");
		assert_string_equal(var(&s, "NEXT_USER"), "app2");
		assert_string_equal(var(&s, "NEXT_PASSWORD"), "n3xt");
		for (size_t i = 0; i < s.nmounts; i++)
			assert_int_equal(s.mounts[i].kind, BACKEND_MOUNT_TMP);
		manifest_clear(&s);
	}
}

static void test_dev(void **state)
{
	struct manifest m = base();
	struct backend_spec s;

	(void)state;
	assert_int_equal(manifest_dev(&m, 0, &s, NULL), 0);
	assert_string_equal(s.name, "p12-dev");
	assert_string_equal(s.env, "ide");
	assert_string_equal(s.hostname, "shop");
	assert_string_equal(s.user_name, "alice");
	assert_string_equal(s.workdir, "/workspace");
	assert_string_equal(s.network, "p12-ide");
	assert_int_equal(s.uid, 200001);
	assert_int_equal(s.gid, 300012);
	assert_string_equal(var(&s, "HOME"), "/home/dev");
	assert_string_equal(var(&s, "PORT"), "8000");
	assert_string_equal(var(&s, "DATABASE_URL"), "");
	manifest_clear(&s);
	m.uid = 0;
	assert_int_equal(manifest_dev(&m, 0, &s, NULL), -1);
}

static void test_migrate(void **state)
{
	char *argv[] = { (char *)"python3", (char *)"migrate.py", NULL };
	struct manifest m = base();
	struct release r = rel;
	struct backend_spec s;

	(void)state;
	r.migrate = argv;
	m.release = &r;
	assert_int_equal(manifest_migrate(&m, 31, &s, NULL), 0);
	assert_string_equal(s.name, "op31-migrate");
	assert_string_equal(s.env, "job");
	assert_string_equal(s.argv[1], "migrate.py");
	assert_string_equal(s.network, "p12-prod");
	assert_non_null(strstr(var(&s, "DATABASE_URL"), "@db:"));
	manifest_clear(&s);
}

static void test_generation(void **state)
{
	struct manifest m = base();
	struct release r = rel;
	struct backend_spec a, b;

	(void)state;
	assert_int_equal(manifest_was(&m, 1, &a, NULL), 0);
	assert_int_equal(manifest_was(&m, 2, &b, NULL), 0);
	assert_true(a.generation == b.generation);
	manifest_clear(&b);
	memset(&r.vars, 0, sizeof(r.vars));
	assert_int_equal(release_set_var(&r, "COLOUR", "red", NULL), 0);
	m.release = &r;
	assert_int_equal(manifest_was(&m, 1, &b, NULL), 0);
	assert_false(a.generation == b.generation);
	assert_string_equal(var(&b, "COLOUR"), "red");
	manifest_clear(&a);
	manifest_clear(&b);
	release_clear(&r);
}

/* A project's variables cannot pretend to be the platform's. */
static void test_platform_wins(void **state)
{
	struct manifest m = base();
	struct release r = rel;
	struct backend_spec s;

	(void)state;
	assert_int_equal(release_set_var(&r, "CODINGLAB_ENV", "dev", NULL), 0);
	assert_int_equal(release_set_var(&r, "PORT", "22", NULL), 0);
	assert_int_equal(release_set_var(&r, "DATABASE_URL", "postgres://other", NULL), 0);
	m.release = &r;
	assert_int_equal(manifest_was(&m, 1, &s, NULL), 0);
	assert_string_equal(var(&s, "CODINGLAB_ENV"), "prod");
	assert_string_equal(var(&s, "PORT"), "8000");
	assert_string_equal(var(&s, "DATABASE_URL"), "postgres://app:s3cret@db:5432/app");
	manifest_clear(&s);
	release_clear(&r);
}

/* Each row spoils one thing of a good manifest. */
static void test_check(void **state)
{
	struct manifest m = base();
	struct backend_spec good, s;

	(void)state;
	assert_int_equal(manifest_web(&m, 1, &good, NULL), 0);
	assert_int_equal(manifest_check(&good, NULL), 0);
#define SPOILED(change) do { \
		s = good; \
		change; \
		if (manifest_check(&s, NULL) == 0) \
			fail_msg("accepted: %s", #change); \
	} while (0)
	SPOILED(s.uid = 0);
	SPOILED(s.gid = 0);
	SPOILED(s.uid = 33);
	SPOILED(s.memory = 0);
	SPOILED(s.pids = 0);
	SPOILED(s.project = 0);
	SPOILED(s.project = 13);
	SPOILED(s.port = 70000);
	SPOILED((void)mem_copy_str(s.name, sizeof(s.name), "p12-../x"));
	SPOILED((void)mem_copy_str(s.network, sizeof(s.network), "p13-prod"));
	SPOILED((void)mem_copy_str(s.network, sizeof(s.network), "host"));
	SPOILED((void)mem_copy_str(s.image, sizeof(s.image), "a b"));
	SPOILED((void)mem_copy_str(s.image, sizeof(s.image), ""));
	SPOILED((void)mem_copy_str(s.hostname, sizeof(s.hostname), "-x"));
	SPOILED((void)mem_copy_str(s.health, sizeof(s.health), "/a b"));
	SPOILED((void)mem_copy_str(s.health, sizeof(s.health), "http://x/"));
	SPOILED((void)mem_copy_str(s.workdir, sizeof(s.workdir), "app"));
	SPOILED((void)mem_copy_str(s.mounts[0].target, sizeof(s.mounts[0].target), "/etc"));
	SPOILED((void)mem_copy_str(s.mounts[0].target, sizeof(s.mounts[0].target), "/proc/1"));
	SPOILED((void)mem_copy_str(s.mounts[0].target, sizeof(s.mounts[0].target), "/"));
	SPOILED((void)mem_copy_str(s.mounts[0].target, sizeof(s.mounts[0].target), "/tmp/../etc"));
	SPOILED((void)mem_copy_str(s.mounts[0].target, sizeof(s.mounts[0].target), "/a:/b"));
	SPOILED(s.mounts[0].kind = BACKEND_MOUNT_WORKSPACE);
	SPOILED(s.mounts[0].kind = BACKEND_MOUNT_HOME);
	SPOILED((s.mounts[0].kind = BACKEND_MOUNT_VOLUME,
	    mem_copy_str(s.mounts[0].source, sizeof(s.mounts[0].source), "p13-prod-db")));
	SPOILED((s.mounts[0].kind = BACKEND_MOUNT_VOLUME,
	    mem_copy_str(s.mounts[0].source, sizeof(s.mounts[0].source), "/etc")));
	SPOILED((void)mem_copy_str(s.mounts[1].source, sizeof(s.mounts[1].source), "../4"));
	SPOILED((void)mem_copy_str(s.tier, sizeof(s.tier), "was"));
#undef SPOILED
	manifest_clear(&good);
}

static void test_hosts(void **state)
{
	char host[254], url[300];

	(void)state;
	assert_int_equal(manifest_host(host, sizeof(host), "shop", "alice", "prod", "lab.localhost"), 0);
	assert_string_equal(host, "shop.alice.lab.localhost");
	manifest_url(url, sizeof(url), host, 8080);
	assert_string_equal(url, "http://shop.alice.lab.localhost:8080/");
	assert_int_equal(manifest_host(host, sizeof(host), "shop", "alice", "dev", "lab.localhost"), 0);
	assert_string_equal(host, "shop-dev.alice.lab.localhost");
	manifest_url(url, sizeof(url), host, 80);
	assert_string_equal(url, "http://shop-dev.alice.lab.localhost/");
	assert_int_equal(manifest_host(host, 10, "shop", "alice", "dev", "lab.localhost"), -1);
}

static void test_release_round_trip(void **state)
{
	static const char text[] = "{\"health\":\"/up\",\"migrate\":[\"a\",\"b c\"],\"migrated\":true,"
	    "\"port\":81,\"vars\":{\"A\":\"1\\n2\",\"B\":\"\"}}";
	struct release r;
	struct cl_err err = { 0 };
	char *again;

	(void)state;
	release_init(&r);
	assert_int_equal(release_parse(&r, text, strlen(text), &err), 0);
	assert_int_equal(r.nvars, 2);
	assert_true(r.migrated);
	again = release_print(&r);
	assert_string_equal(again, text);
	mem_free(again);
	release_clear(&r);
}

static void test_release_with_a_login(void **state)
{
	static const char text[] = "{\"db\":{\"password\":\"n3xt\",\"user\":\"app2\"},\"health\":\"/up\","
	    "\"migrate\":null,\"migrated\":true,\"port\":81,\"vars\":{}}";
	struct release r;
	struct cl_err err = { 0 };
	char *again;

	(void)state;
	release_init(&r);
	assert_int_equal(release_parse(&r, text, strlen(text), &err), 0);
	assert_string_equal(r.db_user, "app2");
	assert_string_equal(r.db_password, "n3xt");
	again = release_print(&r);
	assert_string_equal(again, text);
	mem_free(again);
	release_clear(&r);
	assert_string_equal(r.db_password, "");
}

static void test_release_refused(void **state)
{
	static const char *const bad[] = { "", "{}", "{\"port\":0,\"health\":\"\"}",
		"{\"port\":1,\"health\":\"x\"}", "{\"port\":1,\"health\":\"\",\"zz\":1}",
		"{\"port\":1,\"health\":\"\",\"vars\":{\"A=B\":\"\"}}",
		"{\"port\":1,\"health\":\"\",\"vars\":{\"1A\":\"\"}}",
		"{\"port\":1,\"health\":\"\",\"vars\":{\"A\":1}}",
		"{\"port\":1,\"health\":\"\",\"vars\":[]}",
		"{\"port\":1,\"health\":\"\",\"migrate\":[]}",
		"{\"port\":1,\"health\":\"\",\"db\":{\"user\":\"app2\"}}",
		"{\"port\":1,\"health\":\"\",\"db\":{\"user\":\"a@b\",\"password\":\"x\"}}",
		"{\"port\":1,\"health\":\"\",\"db\":{\"user\":\"app\",\"password\":\"x'; y\"}}",
		"{\"port\":1,\"health\":\"\",\"db\":\"app\"}" };
	struct release r;

	(void)state;
	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		release_init(&r);
		if (release_parse(&r, bad[i], strlen(bad[i]), NULL) == 0)
			fail_msg("accepted: %s", bad[i]);
		release_clear(&r);
	}
	assert_int_equal(release_check_var("A_1", "x", NULL), 0);
	assert_int_equal(release_check_var("A", NULL, NULL), 0);
	assert_int_equal(release_check_var("PORT", "x", NULL), -1);
	assert_int_equal(release_check_var("DATABASE_URL", "x", NULL), -1);
	assert_int_equal(release_check_var("CODINGLAB_X", "x", NULL), -1);
	assert_int_equal(release_check_var("LD_PRELOAD", "x", NULL), -1);
	assert_int_equal(release_check_var("A B", "x", NULL), -1);
	assert_int_equal(release_check_var("", "x", NULL), -1);
	assert_int_equal(release_check_var("A", "\xff", NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_was),
		cmocka_unit_test(test_web),
		cmocka_unit_test(test_db),
		cmocka_unit_test(test_dev),
		cmocka_unit_test(test_migrate),
		cmocka_unit_test(test_generation),
		cmocka_unit_test(test_platform_wins),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_login_job),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_release_round_trip),
		cmocka_unit_test(test_release_with_a_login),
		cmocka_unit_test(test_release_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
