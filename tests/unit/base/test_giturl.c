/* URLs of imports: what is taken, what is kept secret, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/giturl.h"
#include "base/mem.h"

static void taken(void **state)
{
	static const struct {
		const char *text, *shown, *host, *user;
		int port;
		bool archive, secret;
	} rows[] = {
	    {"https://example.org/a/b.git", "https://example.org/a/b.git", "example.org", "", 443, false, false},
	    {"HTTP://EXAMPLE.org:8080/x", "http://example.org:8080/x", "example.org", "", 8080, false, false},
	    {"https://me:t%40k@h.org/x", "https://h.org/x", "h.org", "me", 443, false, true},
	    {"https://tok@h.org/x", "https://h.org/x", "h.org", "tok", 443, false, true},
	    {"ssh://git@h.org:2222/x.git", "ssh://git@h.org:2222/x.git", "h.org", "git", 2222, false, false},
	    {"git@h.org:team/x.git", "ssh://git@h.org/team/x.git", "h.org", "git", 22, false, false},
	    {"https://h.org/x.zip", "https://h.org/x.zip", "h.org", "", 443, true, false},
	    {"https://h.org/x.tar.gz?token=1", "https://h.org/x.tar.gz", "h.org", "", 443, true, true},
	    {"http://[2606::1]:81/x", "http://[2606::1]:81/x", "2606::1", "", 81, false, false},
	    {"file:///srv/x.git", "file:///srv/x.git", "", "", 0, false, false},
	    {"/srv/x.tar", "file:///srv/x.tar", "", "", 0, true, false},
	};
	struct giturl u;
	char out[2048];

	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		if (giturl_parse(rows[i].text, &u, NULL) < 0)
			fail_msg("%s", rows[i].text);
		giturl_print(&u, out, sizeof(out));
		assert_string_equal(out, rows[i].shown);
		assert_string_equal(u.host, rows[i].host);
		assert_string_equal(u.user, rows[i].user);
		assert_int_equal(u.port, rows[i].port);
		assert_int_equal(u.archive, rows[i].archive);
		assert_int_equal(giturl_secret(&u), rows[i].secret);
	}
	assert_int_equal(giturl_parse("https://me:t%40k%3a@h/x", &u, NULL), 0);
	assert_string_equal(u.password, "t@k:");
	giturl_wipe(&u);
	assert_string_equal(u.password, "");
}

static void refused(void **state)
{
	static const char *const bad[] = {"", "x", "https://", "https:///x", "https://h", "https://h/",
	    "https://-h/x", "https://h:0/x", "https://h:99999/x", "https://h:1x/x", "https://h o/x",
	    "https://h/a b", "https://h/a\nb", "https://h/a\"b", "https://h/a'b", "https://h/x#main",
	    "git://h/x", "ftp://h/x", "ext::sh -c id", "ssh://-oProxyCommand=x@h/x", "-oX@h:x", "git@-h:x",
	    "ssh://u:p@h/x", "https://a%zz@h/x", "https://a%0a@h/x", "https://[::1/x", "file://relative",
	    "https://h/../\\x", "https://[g::1]/x"};
	struct giturl u;

	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		struct cl_err err = {0};

		if (giturl_parse(bad[i], &u, &err) == 0)
			fail_msg("%s", bad[i]);
		assert_int_equal(err.code, CL_USAGE);
	}
}

static void errors_do_not_quote_what_was_typed(void **state)
{
	struct cl_err err = {0};
	struct giturl u;

	assert_int_equal(giturl_parse("https://me:s3cret@h:0/x", &u, &err), -1);
	assert_null(strstr(err.message, "s3cret"));
	assert_null(strstr(err.hint, "s3cret"));
}

static void likeness(void **state)
{
	assert_true(giturl_like("https://h/x"));
	assert_true(giturl_like("git@h.org:x"));
	assert_false(giturl_like("shop.zip"));
	assert_false(giturl_like("./a@b:c"));
	assert_false(giturl_like("-"));
	assert_false(giturl_like("my file@home: x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(taken),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(errors_do_not_quote_what_was_typed),
	    cmocka_unit_test(likeness),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
