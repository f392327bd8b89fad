/* The registry's HTTP API from our side: what a good registry says, and what a bad one may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/mem.h"
#include "engine/repository.h"
#include "tests/unit/fake_http.h"

#define PASSWORD "s3cret-of-the-test"

struct page {
	char path[256], *body;
	int status;
};

static struct fake fake;
static struct page pages[600];
static int npages;
static struct cl_err err;
static char password_file[64];

static void serve(struct fake *f, int fd, const char *request, const char *body)
{
	char auth[256], path[256];
	size_t n = strcspn(request, " ") + 1;

	(void)f;
	(void)body;
	/* "codinglab:s3cret-of-the-test" */
	if (strcmp(fake_header(request, "Authorization: ", auth, sizeof(auth)),
	    "Basic Y29kaW5nbGFiOnMzY3JldC1vZi10aGUtdGVzdA==") != 0) {
		fake_reply(fd, 401, "{}");
		return;
	}
	snprintf(path, sizeof(path), "%.*s", (int)strcspn(request + n, " "), request + n);
	for (int i = 0; i < npages; i++)
		if (strcmp(pages[i].path, path) == 0) {
			fake_reply(fd, pages[i].status, pages[i].body);
			return;
		}
	fake_reply(fd, 404, "{\"errors\":[{\"code\":\"NAME_UNKNOWN\"}]}");
}

static void page(int status, const char *body, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void page(int status, const char *body, const char *fmt, ...)
{
	va_list ap;

	assert_true(npages < 600);
	va_start(ap, fmt);
	vsnprintf(pages[npages].path, sizeof(pages[0].path), fmt, ap);
	va_end(ap);
	pages[npages].status = status;
	pages[npages++].body = mem_strdup(body);
}

static void digest_of(const char *text, char out[BACKEND_DIGEST])
{
	unsigned char raw[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(raw, (const unsigned char *)text, strlen(text));
	memcpy(out, "sha256:", 8);
	sodium_bin2hex(out + 7, BACKEND_DIGEST - 7, raw, sizeof(raw));
}

#define CONFIG "{\"created\":\"2026-11-23T01:36:32.698Z\",\"config\":{\"Labels\":{\"codinglab.parent\":\"base\"}}}"

/* An image in the registry: config, manifest under its digest and a tag. */
static void image(const char *repository, const char *tag, const char *config, char manifest_digest[BACKEND_DIGEST])
{
	char config_digest[BACKEND_DIGEST], manifest[1024];

	digest_of(config, config_digest);
	snprintf(manifest, sizeof(manifest), "{\"schemaVersion\":2,\"config\":{\"digest\":\"%s\",\"size\":100},\"layers\":["
	    "{\"digest\":\"sha256:%064d\",\"size\":1000},{\"digest\":\"sha256:%064d\",\"size\":20}]}", config_digest, 1, 2);
	digest_of(manifest, manifest_digest);
	page(200, manifest, "/v2/%s/manifests/%s", repository, tag);
	page(200, manifest, "/v2/%s/manifests/%s", repository, manifest_digest);
	page(200, config, "/v2/%s/blobs/%s", repository, config_digest);
}

static void configure(const char *name, const char *value)
{
	char program[] = "test", *argv[] = {program, NULL};
	int argc = 1;

	setenv(name, value, 1);
	assert_int_equal(config_load("/dev/null", &argc, argv, &err), 0);
}

static int begin(void **state)
{
	char text[32];
	FILE *f;

	(void)state;
	memset(&err, 0, sizeof(err));
	snprintf(text, sizeof(text), "%d", fake_start_tcp(&fake, serve));
	snprintf(password_file, sizeof(password_file), "/tmp/cl-repository-%d", (int)getpid());
	f = fopen(password_file, "w");
	assert_non_null(f);
	fputs(PASSWORD "\n", f);
	fclose(f);
	configure("CODINGLAB_REGISTRY_URL", "");
	configure("CODINGLAB_REGISTRY_PORT", text);
	configure("CODINGLAB_REGISTRY_PASSWORD_FILE", password_file);
	return 0;
}

static int end(void **state)
{
	(void)state;
	fake_stop(&fake);
	while (npages)
		mem_free(pages[--npages].body);
	unlink(password_file);
	return 0;
}

static void failed(int rc, enum cl_code code, const char *word)
{
	assert_int_equal(rc, -1);
	assert_int_equal(err.code, code);
	if (!strstr(err.message, word))
		fail_msg("no \"%s\" in: %s", word, err.message);
	assert_null(strstr(err.message, PASSWORD));
	memset(&err, 0, sizeof(err));
}

static void an_image_is_read_and_checked(void **state)
{
	char digest[BACKEND_DIGEST], config[BACKEND_DIGEST], again[BACKEND_DIGEST];
	struct backend_stored s;

	image("app/p1", "op3", CONFIG, digest);
	digest_of(CONFIG, config);
	assert_int_equal(repository_get("app/p1", "op3", &s, &err), 0);
	assert_string_equal(s.repository, "app/p1");
	assert_string_equal(s.tag, "op3");
	assert_string_equal(s.digest, digest);
	assert_string_equal(s.image, config);
	assert_string_equal(s.parent, "base");
	assert_int_equal(s.layers, 2);
	assert_true(s.size > 1120 && s.size < 2200);
	assert_int_equal(s.created_ms, 1795397792000);
	assert_int_equal(repository_get("app/p1", digest, &s, &err), 0);
	assert_string_equal(s.tag, "");
	assert_int_equal(repository_check("app/p1", "op3", digest, again, sizeof(again), &err), 0);
	assert_string_equal(again, digest);
	assert_int_equal(repository_check("app/p1", "op3", "", again, sizeof(again), &err), 0);
	failed(repository_check("app/p1", "op3", "sha256:other", again, sizeof(again), &err), CL_CONFLICT, "another image");
	failed(repository_get("app/p1", "op4", &s, &err), CL_NOT_FOUND, "app/p1:op4");
}

static void lists_hold_what_is_whole(void **state)
{
	struct backend_stored_list l;
	char digest[BACKEND_DIGEST];

	page(200, "{\"repositories\":[\"app/p1\",\"app/p2\",\"save/p1\",\"../etc\",7,\"a b\"]}", "/v2/_catalog?n=500");
	page(200, "{\"name\":\"app/p1\",\"tags\":[\"op3\",\"op1\",\"half\",\"op2\"]}", "/v2/app/p1/tags/list?n=500");
	page(200, "{\"name\":\"app/p2\",\"tags\":null}", "/v2/app/p2/tags/list?n=500");
	image("app/p1", "op3", CONFIG, digest);
	image("app/p1", "op1", CONFIG, digest);
	image("app/p1", "op2", "{}", digest);
	/* save/p1: its tags are gone (404); "half": a tag without a manifest */
	assert_int_equal(repository_list(&l, &err), 0);
	assert_int_equal(l.n, 3);
	assert_string_equal(l.items[0].tag, "op3");
	assert_string_equal(l.items[1].tag, "op1");
	assert_string_equal(l.items[2].tag, "op2");
	assert_int_equal(l.items[2].created_ms, 0);
	backend_stored_clear(&l);
}

/* 500 repositories, app/p000 to app/p499, that have no tags. */
static char *full_page(void)
{
	struct buf b;
	char *text;

	buf_init(&b, 1 << 16);
	for (int i = 0; i < 500; i++)
		buf_printf(&b, "%s\"app/p%03d\"", i ? "," : "{\"repositories\":[", i);
	buf_add_str(&b, "]}");
	text = mem_strdup(b.data);
	buf_clear(&b);
	return text;
}

static void lists_come_in_pages(void **state)
{
	struct backend_stored_list l;
	char digest[BACKEND_DIGEST];
	cl_autofree char *first = full_page();

	page(200, first, "/v2/_catalog?n=500");
	page(200, "{\"repositories\":[\"zz\"]}", "/v2/_catalog?n=500&last=app/p499");
	page(200, "{\"tags\":[\"x\"]}", "/v2/zz/tags/list?n=500");
	image("zz", "x", CONFIG, digest);
	assert_int_equal(repository_list(&l, &err), 0);
	assert_int_equal(l.n, 1);
	backend_stored_clear(&l);
}

static void a_list_that_repeats_itself_ends(void **state)
{
	struct backend_stored_list l;
	cl_autofree char *first = full_page();

	page(200, first, "/v2/_catalog?n=500");
	page(200, first, "/v2/_catalog?n=500&last=app/p499");
	assert_int_equal(repository_list(&l, &err), 0);
	assert_int_equal(l.n, 0);
	backend_stored_clear(&l);
}

static void what_a_bad_registry_says_is_refused(void **state)
{
	static const char *const manifests[] = {"", "{", "[]", "{}", "{\"config\":7}", "{\"config\":{\"digest\":\"sha256:x\",\"size\":1}}",
	    "{\"config\":{\"digest\":\"../../../x\",\"size\":1},\"layers\":[]}",
	    "{\"config\":{\"digest\":\"sha256:0000000000000000000000000000000000000000000000000000000000000000\",\"size\":-1},\"layers\":[]}",
	    "{\"config\":{\"digest\":\"sha256:0000000000000000000000000000000000000000000000000000000000000000\",\"size\":1},"
	    "\"layers\":[{\"digest\":\"sha256:0000000000000000000000000000000000000000000000000000000000000000\",\"size\":9e30}]}",
	    "{\"config\":{\"digest\":\"sha256:0000000000000000000000000000000000000000000000000000000000000000\",\"size\":1},\"layers\":[7]}"};
	struct backend_stored s;

	for (size_t i = 0; i < CL_COUNT(manifests); i++) {
		char tag[16];

		snprintf(tag, sizeof(tag), "bad%zu", i);
		page(200, manifests[i], "/v2/app/p1/manifests/%s", tag);
		if (repository_get("app/p1", tag, &s, &err) == 0)
			fail_msg("taken: %s", manifests[i]);
		assert_int_equal(err.code, CL_FAILED);
		memset(&err, 0, sizeof(err));
	}
}

static void hashes_are_not_believed(void **state)
{
	char digest[BACKEND_DIGEST], config[BACKEND_DIGEST], other[BACKEND_DIGEST];
	struct backend_stored s;

	image("app/p1", "op3", CONFIG, digest);
	digest_of(CONFIG, config);
	digest_of("else", other);
	/* a manifest that is another than asked for */
	page(200, "{\"config\":{}}", "/v2/app/p1/manifests/%s", other);
	failed(repository_get("app/p1", other, &s, &err), CL_FAILED, "something else");
	/* a config that does not hash to its name */
	for (int i = 0; i < npages; i++)
		if (strstr(pages[i].path, "/blobs/")) {
			mem_free(pages[i].body);
			pages[i].body = mem_strdup("{\"config\":{\"Labels\":{\"codinglab.parent\":\"evil\"}}}");
		}
	failed(repository_get("app/p1", "op3", &s, &err), CL_FAILED, "another one");
}

static void huge_and_deep_answers_end(void **state)
{
	cl_autofree char *huge = mem_alloc(6 << 20), *deep = mem_alloc(1 << 20);
	struct backend_stored_list l;
	struct backend_stored s;

	memset(huge, 'x', (6 << 20) - 1);
	huge[(6 << 20) - 1] = '\0';
	memset(deep, '[', 500000);
	deep[500000] = '\0';
	page(200, huge, "/v2/app/p1/manifests/huge");
	page(200, deep, "/v2/app/p1/manifests/deep");
	page(200, deep, "/v2/_catalog?n=500");
	assert_int_equal(repository_get("app/p1", "huge", &s, &err), -1);
	assert_true(err.code == CL_TOO_LARGE || err.code == CL_UNAVAILABLE);
	memset(&err, 0, sizeof(err));
	failed(repository_get("app/p1", "deep", &s, &err), CL_FAILED, "manifest");
	failed(repository_list(&l, &err), CL_FAILED, "no JSON");
	assert_int_equal(l.n, 0);
}

static void failures_are_named(void **state)
{
	struct backend_stored_list l;
	struct backend_stored s;
	FILE *f;

	page(500, "{}", "/v2/app/p1/manifests/op1");
	failed(repository_get("app/p1", "op1", &s, &err), CL_FAILED, "500");
	f = fopen(password_file, "w");
	assert_non_null(f);
	fputs("wrong", f);
	fclose(f);
	failed(repository_list(&l, &err), CL_FORBIDDEN, "account");
	unlink(password_file);
	failed(repository_list(&l, &err), CL_PRECONDITION, password_file);
}

static void removing(void **state)
{
	char digest[BACKEND_DIGEST];

	digest_of("x", digest);
	page(202, "", "/v2/app/p1/manifests/%s", digest);
	assert_int_equal(repository_remove("app/p1", digest, &err), 0);
	assert_non_null(strstr(fake.log, "DELETE /v2/app/p1/manifests/sha256:"));
	assert_int_equal(repository_remove("app/p2", digest, &err), 0); /* it is gone: fine */
	failed(repository_remove("app/p1", "latest", &err), CL_USAGE, "no digest");
	pages[0].status = 405;
	failed(repository_remove("app/p1", digest, &err), CL_FAILED, "405");
}

static void nobody_there(void **state)
{
	struct backend_stored_list l;

	configure("CODINGLAB_REGISTRY_PORT", "1");
	assert_true(repository_have());
	failed(repository_list(&l, &err), CL_UNAVAILABLE, "does not answer");
	configure("CODINGLAB_REGISTRY_PORT", "0");
	assert_false(repository_have());
	failed(repository_list(&l, &err), CL_PRECONDITION, "there is none");
}

static void a_registry_of_the_operators_own(void **state)
{
	char url[64], digest[BACKEND_DIGEST];
	struct backend_stored_list l;

	snprintf(url, sizeof(url), "http://127.0.0.1:%lld/team/lab/", (long long)config_int("registry.port"));
	configure("CODINGLAB_REGISTRY_URL", url);
	page(200, "{\"repositories\":[\"elsewhere/x\",\"team/lab/app/p1\"]}", "/v2/_catalog?n=500");
	page(200, "{\"tags\":[\"op1\"]}", "/v2/team/lab/app/p1/tags/list?n=500");
	image("team/lab/app/p1", "op1", CONFIG, digest);
	assert_int_equal(repository_list(&l, &err), 0);
	assert_int_equal(l.n, 1);
	assert_string_equal(l.items[0].repository, "app/p1");
	backend_stored_clear(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_image_is_read_and_checked, begin, end),
		cmocka_unit_test_setup_teardown(lists_hold_what_is_whole, begin, end),
		cmocka_unit_test_setup_teardown(lists_come_in_pages, begin, end),
		cmocka_unit_test_setup_teardown(a_list_that_repeats_itself_ends, begin, end),
		cmocka_unit_test_setup_teardown(what_a_bad_registry_says_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(hashes_are_not_believed, begin, end),
		cmocka_unit_test_setup_teardown(huge_and_deep_answers_end, begin, end),
		cmocka_unit_test_setup_teardown(failures_are_named, begin, end),
		cmocka_unit_test_setup_teardown(removing, begin, end),
		cmocka_unit_test_setup_teardown(nobody_there, begin, end),
		cmocka_unit_test_setup_teardown(a_registry_of_the_operators_own, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
