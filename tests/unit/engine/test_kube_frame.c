/* The wire of an execution in a pod: paths, statuses, sizes and the helper's frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "engine/kube_frame.h"

static void a_path_names_pod_container_and_words(void **state)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)"echo a&b \xc3\xa4", NULL };
	struct cl_err err = { 0 };
	cl_autofree char *path = kube_frame_path("ns", "pod-1", "was", argv, false, &err);

	assert_string_equal(path, "/api/v1/namespaces/ns/pods/pod-1/exec?container=was&stdin=true&stdout=true"
	    "&stderr=true&tty=false&command=sh&command=-c&command=echo%20a%26b%20%C3%A4");
}

static void a_terminal_has_one_stream(void **state)
{
	char *argv[] = { (char *)"sh", NULL };
	struct cl_err err = { 0 };
	cl_autofree char *path = kube_frame_path("ns", "p", "web", argv, true, &err);

	assert_non_null(strstr(path, "stderr=false&tty=true"));
}

static void a_path_that_the_library_would_cut_is_refused(void **state)
{
	char word[KUBE_FRAME_PATH_MAX + 1];
	char *argv[] = { word, NULL };
	struct cl_err err = { 0 };

	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	assert_null(kube_frame_path("ns", "p", "web", argv, false, &err));
	assert_int_equal(err.code, CL_TOO_LARGE);
}

static void a_pod_of_a_strange_name_is_refused(void **state)
{
	char *argv[] = { (char *)"sh", NULL };
	struct cl_err err = { 0 };

	assert_null(kube_frame_path("ns", "p?x=1", "web", argv, false, &err));
	assert_int_equal(err.code, CL_FAILED);
}

static int status_of(const char *text, int *status)
{
	struct cl_err err = { 0 };

	*status = 99;
	return kube_frame_status(text, strlen(text), status, &err);
}

static void statuses_are_exact(void **state)
{
	int n;

	assert_int_equal(status_of("{\"metadata\":{},\"status\":\"Success\"}", &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(status_of("{\"status\":\"Failure\",\"message\":\"command terminated with non-zero exit"
	    " code\",\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\","
	    "\"message\":\"137\"}]}}", &n), 0);
	assert_int_equal(n, 137);
}

static void what_is_no_status_is_never_success(void **state)
{
	static const char *const texts[] = { "", "{", "[]", "null", "{\"status\":\"Running\"}",
		"{\"status\":\"Failure\",\"reason\":\"InternalError\",\"message\":\"no such container\"}",
		"{\"status\":\"Failure\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\"}]}}",
		"{\"status\":\"Failure\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"\"}]}}",
		"{\"status\":\"Failure\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"-1\"}]}}",
		"{\"status\":\"Failure\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"256\"}]}}",
		"{\"status\":\"Failure\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"1x\"}]}}",
		"{\"status\":\"Failure\",\"details\":{\"causes\":{\"reason\":\"ExitCode\",\"message\":\"1\"}}}",
		"{\"status\":7}" };
	int n;

	for (size_t i = 0; i < CL_COUNT(texts); i++) {
		assert_int_equal(status_of(texts[i], &n), -1);
		assert_int_equal(n, 99);
	}
}

static void the_cause_of_a_failure_is_told(void **state)
{
	const char *text = "{\"status\":\"Failure\",\"message\":\"container not found (\\\"dev\\\")\"}";
	struct cl_err err = { 0 };
	int n;

	assert_int_equal(kube_frame_status(text, strlen(text), &n, &err), -1);
	assert_non_null(strstr(err.message, "container not found (\"dev\")"));
}

static void a_size_is_width_and_height(void **state)
{
	struct buf b;

	buf_init(&b, 100);
	kube_frame_resize(&b, 24, 80);
	assert_string_equal(b.data, "{\"Width\":80,\"Height\":24}");
	buf_clear(&b);
	kube_frame_window(&b, 24, 300);
	assert_int_equal(b.len, 9);
	assert_memory_equal(b.data, "W\0\0\0\4\0\30\1\54", 9);
	buf_clear(&b);
}

static void a_start_holds_everything(void **state)
{
	static const char want[] = "S\0\0\0\47" "1\0" "24\0" "80\0" "/workspace\0" "A=b c\0" "\0" "sh\0" "-c\0" "\0" "x\0";
	struct backend_kv vars[] = { { (char *)"A", (char *)"b c" } };
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)"", (char *)"x", NULL };
	struct backend_exec e = { .argv = argv, .env_vars = vars, .nenv = 1, .workdir = "/workspace",
		.tty = true, .rows = 24, .cols = 80 };
	struct buf b;

	buf_init(&b, 4096);
	kube_frame_start(&b, &e);
	assert_false(b.full);
	assert_int_equal(b.len, sizeof(want) - 1);
	assert_int_equal((unsigned char)b.data[4], b.len - 5);
	assert_memory_equal(b.data + 5, want + 5, b.len - 5);
	buf_clear(&b);
}

static void a_start_too_large_is_seen(void **state)
{
	char word[200];
	char *argv[] = { word, NULL };
	struct backend_exec e = { .argv = argv };
	struct buf b;

	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	buf_init(&b, 100);
	kube_frame_start(&b, &e);
	assert_true(b.full);
	buf_clear(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_names_pod_container_and_words),
		cmocka_unit_test(a_terminal_has_one_stream),
		cmocka_unit_test(a_path_that_the_library_would_cut_is_refused),
		cmocka_unit_test(a_pod_of_a_strange_name_is_refused),
		cmocka_unit_test(statuses_are_exact),
		cmocka_unit_test(what_is_no_status_is_never_success),
		cmocka_unit_test(the_cause_of_a_failure_is_told),
		cmocka_unit_test(a_size_is_width_and_height),
		cmocka_unit_test(a_start_holds_everything),
		cmocka_unit_test(a_start_too_large_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
