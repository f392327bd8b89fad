/* The package proxy's configuration: who is let through, and where the machine's own way out goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/config.h"
#include "base/mem.h"
#include "engine/proxy_config.h"

static char text[1 << 15];

/* The whole configuration into text, or -1 with the reason in err. */
static int print(struct cl_err *err)
{
	FILE *f = fmemopen(text, sizeof(text), "w");
	int rc;

	assert_non_null(f);
	memset(text, 0, sizeof(text));
	rc = proxy_config_write(f, err);
	fclose(f);
	return rc;
}

static void load(void)
{
	char program[] = "test", *argv[] = {program, NULL};
	struct cl_err err = {0};
	int argc = 1;

	assert_int_equal(config_load("/dev/null", &argc, argv, &err), 0);
}

static int begin(void **state)
{
	static const char *const names[] = {"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy",
	    "NO_PROXY", "no_proxy", "CODINGLAB_BUILD_REGISTRIES"};

	for (size_t i = 0; i < CL_COUNT(names); i++)
		unsetenv(names[i]);
	setenv("CODINGLAB_PROXY_PORT", "4700", 1);
	load();
	return 0;
}

static size_t at(const char *part)
{
	const char *p = strstr(text, part);

	if (!p)
		fail_msg("\"%s\" is not in it", part);
	return (size_t)(p - text);
}

static void has(const char *part)
{
	(void)at(part);
}

static void test_two_doors_on_loopback_only(void **state)
{
	assert_int_equal(print(NULL), 0);
	has("http_port 127.0.0.1:4700 name=dev ");
	has("http_port 127.0.0.1:4701 name=build ");
	assert_null(strstr(text, "cache_peer"));
	assert_null(strstr(text, "acl extra"));
}

/* Squid takes the first pattern that fits: what lists packages is asked for anew although its name ends as a package's does, a
 * file that never changes is kept, and so is a commit's archive, which composer fetches under a name without an ending. */
static void test_what_is_kept_and_what_is_asked_anew(void **state)
{
	size_t anew, kept, commit, rest;

	assert_int_equal(print(NULL), 0);
	anew = at("refresh_pattern -i (maven-metadata\\.xml|-SNAPSHOT|/@v/list|/dists/|specs\\.4\\.8) 0 0% 0\n");
	kept = at("refresh_pattern -i \\.(whl|gz|tgz|");
	commit = at("refresh_pattern /legacy\\.(zip|tar\\.gz)/[0-9a-f]{40}$ 525600 100% 525600");
	rest = at("refresh_pattern . 0 0% 0\n");
	assert_true(anew < kept && kept < commit && commit < rest);
	has("cache deny !registry\n"); /* what was not opened is not kept either */
}

/* Squid takes the first rule that fits, so their order is their meaning. */
static void test_the_first_rules_are_refusals(void **state)
{
	assert_int_equal(print(NULL), 0);
	assert_true(at("http_access deny !web_port") < at("http_access deny inside"));
	assert_true(at("http_access deny inside") < at("http_access deny build !registry"));
	assert_true(at("http_access deny build !registry") < at("http_access allow"));
	assert_true(at("http_access allow POST audit_path") < at("http_access deny all"));
	has("127.0.0.0/8");
	has("169.254.0.0/16");
	has("10.0.0.0/8");
	has("fc00::/7");
	assert_true(at("ssl_bump bump registry") < at("ssl_bump splice all"));
}

static void test_extra_registries(void **state)
{
	setenv("CODINGLAB_BUILD_REGISTRIES", "mirror.example,.school.example", 1);
	load();
	assert_int_equal(print(NULL), 0);
	has("acl extra dstdomain mirror.example\n");
	has("acl extra dstdomain .school.example\n");
	has("acl registry any-of stacks extra\n");
}

static void test_what_is_no_host_is_refused(void **state)
{
	static const char *const bad[] = {"a b/c", "x\nhttp_access allow all", "https://a.example", "-", "a_b"};

	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		struct cl_err err = {0};

		setenv("CODINGLAB_BUILD_REGISTRIES", bad[i], 1);
		load();
		if (print(&err) == 0)
			fail_msg("%s was taken", bad[i]);
		assert_int_equal(err.code, CL_USAGE);
		assert_non_null(strstr(err.message, "build.registries"));
	}
}

static void test_the_machines_own_proxy(void **state)
{
	setenv("HTTPS_PROXY", "http://me:s%40cret@proxy.school.example:8888", 1);
	setenv("NO_PROXY", "localhost, .inner.example,10.0.0.0/8,*", 1);
	assert_int_equal(print(NULL), 0);
	has("cache_peer proxy.school.example parent 8888 0 no-query no-digest default login=me:s@cret\n");
	has("acl direct dstdomain .inner.example\n");
	assert_null(strstr(text, "dstdomain 10.0.0.0/8"));
	assert_true(at("always_direct allow direct") < at("never_direct allow all"));
}

static void test_a_proxy_over_tls_and_one_for_http(void **state)
{
	setenv("HTTP_PROXY", "https://proxy.example", 1);
	assert_int_equal(print(NULL), 0);
	has("cache_peer proxy.example parent 443 0 no-query no-digest default tls\n");
}

static void test_a_proxy_that_is_none(void **state)
{
	static const char *const bad[] = {"http://", "http://a b:3", "http://u:p%0aacl@h:1", "proxy"};

	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		struct cl_err err = {0};

		setenv("HTTPS_PROXY", bad[i], 1);
		if (print(&err) == 0)
			fail_msg("%s was taken", bad[i]);
		assert_int_equal(err.code, CL_USAGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_two_doors_on_loopback_only, begin),
	    cmocka_unit_test_setup(test_what_is_kept_and_what_is_asked_anew, begin),
	    cmocka_unit_test_setup(test_the_first_rules_are_refusals, begin),
	    cmocka_unit_test_setup(test_extra_registries, begin),
	    cmocka_unit_test_setup(test_what_is_no_host_is_refused, begin),
	    cmocka_unit_test_setup(test_the_machines_own_proxy, begin),
	    cmocka_unit_test_setup(test_a_proxy_over_tls_and_one_for_http, begin),
	    cmocka_unit_test_setup(test_a_proxy_that_is_none, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
