/* Names in requests: what passes and what does not. */
#include "tests/unit/broker/head.h"

#include "engine/broker/check.h"

struct sample {
	const char *text;
	bool good;
};

static void each(bool (*check)(const char *), const struct sample *samples, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (check(samples[i].text) != samples[i].good)
			fail_msg("%s: expected %d", samples[i].text, samples[i].good);
}

#define EACH(check, ...)                                                                     \
	do {                                                                                 \
		static const struct sample samples[] = {__VA_ARGS__};                        \
		each(check, samples, CL_COUNT(samples));                                     \
	} while (0)

static void test_names(void **state)
{
	EACH(check_name, {"p12-dev", true}, {"p12-prod-was-3-r7", true}, {"op31-build", true}, {"a", true},
	    {"", false}, {"-a", false}, {"a-", false}, {"A", false}, {"1a", false}, {"a/b", false},
	    {"a b", false}, {"a\n", false}, {"..", false}, {"a.b", false}, {"a?x=1", false}, {"a%2f", false},
	    {"a_b", false}, {"\xc3\xa4", false});
	EACH(check_word, {"dev", true}, {"prod", true}, {"ide", true}, {"", false}, {"toolong8", false},
	    {"Dev", false}, {"d1", false});
	EACH(check_alias, {"was", true}, {"db", true}, {"w-1", true}, {"a.b", false}, {"a,b", false}, {"", false});
	EACH(check_hostname, {"shop", true}, {"was-3", true}, {"a.b.c", true}, {"a..b", false}, {"a.", false},
	    {"-a", false}, {"a\nb", false}, {"", false});
	EACH(check_user, {"alice", true}, {"root:x:0:0", false}, {"a\nroot", false}, {"", false});
}

static void test_lengths(void **state)
{
	char s[300];

	memset(s, 'a', sizeof(s));
	s[79] = '\0';
	assert_true(check_name(s));
	s[79] = 'a';
	s[80] = '\0';
	assert_false(check_name(s));
	s[80] = 'a';
	s[64] = '\0';
	assert_false(check_image_id(s));
	assert_false(check_hostname(s));
	assert_true(check_env_name(s));
	s[64] = 'a';
	s[65] = '\0';
	assert_false(check_env_name(s));
	s[65] = 'a';
	s[0] = '/';
	s[128] = '\0';
	assert_false(check_target(s));
	s[127] = '\0';
	assert_true(check_target(s));
}

static void test_images(void **state)
{
	static const char hash[] =
	    "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

	EACH(check_image_id, {"python", true}, {"python-run", true}, {"app/p12", true}, {"a/b/c", true},
	    {"a/b/c/d", false}, {"/a", false}, {"a/", false}, {"a//b", false}, {"python:latest", false},
	    {"../x", false}, {"a/../b", false}, {"registry.example/x", false}, {"a@b", false}, {"", false});
	assert_true(check_digest(hash));
	assert_true(check_image(hash));
	assert_false(check_image_id(hash));
	EACH(check_digest, {"sha256:", false}, {"sha256:zz", false}, {"md5:0123", false},
	    {"sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", false},
	    {"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0", false});
	EACH(check_file, {"Containerfile", true}, {"Containerfile.run", true}, {"Containerfile.", false},
	    {"Containerfile.a/b", false}, {"../Containerfile", false}, {"Dockerfile", false}, {"", false},
	    {"Containerfile&x=1", false});
	EACH(check_template, {"django/template", true}, {"a/b/c", true}, {"django", false}, {"/etc/x", false},
	    {"a/../b", false}, {"a/./b", false}, {"a//b", false}, {"", false});
}

static void test_paths_in_containers(void **state)
{
	EACH(check_target, {"/app", true}, {"/var/lib/postgresql/data", true}, {"/run/edge", true},
	    {"/home/dev", true}, {"/", false}, {"", false}, {"app", false}, {"/a/../b", false}, {"/a/./b", false},
	    {"/a//b", false}, {"/a/", false}, {"/proc", false}, {"/proc/1", false}, {"/sys/fs/cgroup", false},
	    {"/dev/sda", false}, {"/dev", false}, {"/device", true}, {"/a b", false}, {"/a:b", false},
	    {"/a,b", false}, {"/a\n", false});
	EACH(check_workdir, {"/", true}, {"/app", true}, {"app", false}, {"/..", false});
}

static void test_the_rest(void **state)
{
	EACH(check_env_name, {"PATH", true}, {"_x1", true}, {"", false}, {"1A", false}, {"A=B", false},
	    {"A-B", false}, {"A B", false});
	EACH(check_text, {"", true}, {"plain \xea\xb0\x80 text\tand\nlines", true}, {"\x1b[2J", false},
	    {"\x7f", false}, {"\xff", false}, {"\r", false});
	EACH(check_ticket, {"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", true},
	    {"", false}, {"../../../../../../../../../../../../../../../../../../../../../etc/x", false},
	    {"0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", false});
	EACH(check_subst, {"project", true}, {"app_name", true}, {"", false}, {"{{", false}, {"a}", false});
	EACH(check_label, {"codinglab.version", true}, {"a", true}, {"", false}, {"A", false}, {"a b", false},
	    {"a\"", false}, {"a=b", false});
}

static void test_owned(void **state)
{
	assert_true(check_owned("p1-dev", 1));
	assert_true(check_owned("p1", 1));
	assert_false(check_owned("p12-dev", 1));
	assert_false(check_owned("p1-dev", 12));
	assert_false(check_owned("op1-build", 1));
	assert_false(check_owned("p", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_lengths),
	    cmocka_unit_test(test_images),
	    cmocka_unit_test(test_paths_in_containers),
	    cmocka_unit_test(test_the_rest),
	    cmocka_unit_test(test_owned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
