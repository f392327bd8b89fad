/* Requests for the stages of a build by a project's own Containerfile, as a taken-over engine could send them. */
#include "tests/unit/broker/head.h"

#include "engine/broker/stage.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct ipc_out *out;
static struct ipc_in *in;
static struct cl_err err;

static int setup(void **state)
{
	out = mem_alloc(sizeof(*out));
	in = mem_alloc(sizeof(*in));
	return 0;
}

static int teardown(void **state)
{
	mem_free(out);
	mem_free(in);
	return 0;
}

/* -- begin -- */

static int begin_with(int64_t project, int64_t op, int n, const char *image, uint32_t pull, int64_t memory)
{
	struct stage s;

	memset(&err, 0, sizeof(err));
	ipc_begin(out, BROKER_STAGE_BEGIN);
	ipc_put_i64(out, project);
	ipc_put_i64(out, op);
	ipc_put_i32(out, n);
	ipc_put_str(out, image);
	ipc_put_u32(out, pull);
	ipc_put_i64(out, memory);
	head_turn(out, in);
	return stage_read_begin(&s, in, &err);
}

static void test_a_stage_begins_from_an_image_of_ours(void **state)
{
	assert_int_equal(begin_with(7, 31, 0, "python", 0, 0), 0);
	assert_int_equal(begin_with(7, 31, STAGE_MAX - 1, "app/p12", 0, 1LL << 30), 0);
	assert_int_equal(begin_with(7, 31, 1, DIGEST, 0, 0), 0);
	assert_int_equal(begin_with(7, 31, 1, "", 0, 0), -1);
	assert_int_equal(begin_with(7, 31, 1, "../python", 0, 0), -1);
	assert_int_equal(begin_with(7, 31, 1, "registry.example/python", 0, 0), -1); /* not without saying that it is pulled */
	assert_int_equal(err.code, CL_USAGE);
	assert_string_equal(err.message, "stage: image: not allowed");
}

static void test_numbers_of_a_stage(void **state)
{
	assert_int_equal(begin_with(0, 31, 0, "python", 0, 0), -1);
	assert_string_equal(err.message, "stage: number: not allowed");
	assert_int_equal(begin_with(-1, 31, 0, "python", 0, 0), -1);
	assert_int_equal(begin_with(1000001, 31, 0, "python", 0, 0), -1);
	assert_int_equal(begin_with(7, 0, 0, "python", 0, 0), -1);
	assert_int_equal(begin_with(7, 1LL << 31, 0, "python", 0, 0), -1);
	assert_int_equal(begin_with(7, 31, -1, "python", 0, 0), -1);
	assert_int_equal(begin_with(7, 31, STAGE_MAX, "python", 0, 0), -1);
	assert_int_equal(begin_with(7, 31, 0, "python", 2, 0), -1);
	assert_int_equal(begin_with(7, 31, 0, "python", 0, -1), -1);
	assert_int_equal(begin_with(7, 31, 0, "python", 0, 1LL << 43), -1);
}

static void test_names_of_registries(void **state)
{
	static const char *const good[] = {"registry.example/python:3", "registry.example:5000/a/b", "10.1.2.3:5000/x@" DIGEST,
	    "registry.example/A_b-c.d:v1"};
	static const char *const bad[] = {"python", "localhost/codinglab/python", "library/python", "registry.example", "/python",
	    "registry.example/../x", "registry.example//x", "user:password@registry.example/x", "registry.example/x@md5:0", "",
	    "registry.example/x y", "registry.example/x?y", "https://registry.example/x", "registry.example/x\n", "-v/x.y"};

	for (size_t i = 0; i < CL_COUNT(good); i++)
		if (begin_with(7, 31, 0, good[i], 1, 0) != 0)
			fail_msg("%s: %s", good[i], err.message);
	for (size_t i = 0; i < CL_COUNT(bad); i++)
		if (begin_with(7, 31, 0, bad[i], 1, 0) == 0)
			fail_msg("%s was taken", bad[i]);
}

/* -- run -- */

struct run {
	const char *argv[3], *vars[2][2], *user, *workdir;
	int32_t timeout_s;
};

static void put_argv(const char *const *words, size_t max)
{
	size_t n = 0;

	while (n < max && words[n])
		n++;
	ipc_put_u32(out, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		ipc_put_str(out, words[i]);
}

static void put_vars(const char *const vars[2][2])
{
	size_t n = 0;

	while (n < 2 && vars[n][0])
		n++;
	ipc_put_u32(out, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		ipc_put_str(out, vars[i][0]);
		ipc_put_str(out, vars[i][1]);
	}
}

static int run_with(struct run r)
{
	struct stage s;
	int rc;

	memset(&err, 0, sizeof(err));
	ipc_begin(out, BROKER_STAGE_RUN);
	ipc_put_i64(out, 7);
	ipc_put_i64(out, 31);
	ipc_put_i32(out, 0);
	put_argv(r.argv, 3);
	put_vars(r.vars);
	ipc_put_str(out, r.user ? r.user : "");
	ipc_put_str(out, r.workdir ? r.workdir : "");
	ipc_put_i32(out, r.timeout_s);
	head_turn(out, in);
	rc = stage_read_run(&s, in, &err);
	if (rc == 0) {
		assert_int_equal(ipc_end(in), 0);
		assert_string_equal(s.argv.words[0], r.argv[0]);
		assert_int_equal(s.timeout_s, r.timeout_s);
	}
	stage_clear(&s);
	return rc;
}

#define GOOD .argv = {"sh", "-c", "echo \"$A\"; exit"}, .timeout_s = 60

static void test_a_program_of_a_stage(void **state)
{
	assert_int_equal(run_with((struct run){GOOD}), 0);
	assert_int_equal(run_with((struct run){GOOD, .vars = {{"A", "a\nb"}, {"_b", ""}}, .user = "1000:1000", .workdir = "/app"}), 0);
	assert_int_equal(run_with((struct run){GOOD, .user = "app_x.y-z"}), 0);
	assert_int_equal(run_with((struct run){.timeout_s = 60}), -1); /* no program */
}

static void test_a_user_is_no_option(void **state)
{
	static const char *const bad[] = {"-u", "--privileged", "root x", "a\nb", "a/b", "$(id)", "a;b"};

	for (size_t i = 0; i < CL_COUNT(bad); i++)
		if (run_with((struct run){GOOD, .user = bad[i]}) == 0)
			fail_msg("user %s was taken", bad[i]);
	assert_string_equal(err.message, "stage: command, user or folder: not allowed");
}

static void test_a_folder_is_a_whole_path(void **state)
{
	assert_int_equal(run_with((struct run){GOOD, .workdir = "app"}), -1);
	assert_int_equal(run_with((struct run){GOOD, .workdir = "/a\nb"}), -1);
	assert_int_equal(run_with((struct run){GOOD, .workdir = "/a\033[2J"}), -1);
	assert_int_equal(run_with((struct run){GOOD, .workdir = "/a b/c"}), 0); /* a blank may be in one */
}

static void test_names_of_variables(void **state)
{
	static const char *const bad[] = {"", "1A", "A-B", "A B", "A=B", "LD\nPRELOAD"};

	for (size_t i = 0; i < CL_COUNT(bad); i++)
		if (run_with((struct run){GOOD, .vars = {{"GOOD", "x"}, {bad[i], "x"}}}) == 0)
			fail_msg("variable %s was taken", bad[i]);
}

static void test_a_time_limit_is_a_limit(void **state)
{
	assert_int_equal(run_with((struct run){.argv = {"sh"}, .timeout_s = 0}), -1);
	assert_int_equal(run_with((struct run){.argv = {"sh"}, .timeout_s = -1}), -1);
	assert_int_equal(run_with((struct run){.argv = {"sh"}, .timeout_s = 86401}), -1);
	assert_int_equal(run_with((struct run){.argv = {"sh"}, .timeout_s = 86400}), 0);
}

/* -- commit -- */

struct commit {
	const char *id, *tag, *workdir, *vars[2][2], *labels[2][2];
	int32_t port;
};

static int commit_with(struct commit c)
{
	static const char *const program[] = {"server"};
	struct stage_commit s;
	int rc;

	memset(&err, 0, sizeof(err));
	ipc_begin(out, BROKER_STAGE_COMMIT);
	ipc_put_i64(out, 31);
	ipc_put_i32(out, 0);
	ipc_put_str(out, c.id ? c.id : "app/p7");
	ipc_put_str(out, c.tag ? c.tag : "op31");
	ipc_put_str(out, c.workdir ? c.workdir : "");
	ipc_put_i32(out, c.port);
	put_argv(program, 1);
	put_argv(program, 0);
	put_vars(c.vars);
	put_vars(c.labels);
	head_turn(out, in);
	rc = stage_read_commit(&s, in, &err);
	stage_clear_commit(&s);
	return rc;
}

static void test_what_is_made_is_an_application(void **state)
{
	assert_int_equal(commit_with((struct commit){.port = 8080, .workdir = "/app"}), 0);
	assert_int_equal(commit_with((struct commit){.id = "app/p7", .tag = "op31-s2"}), 0);
	assert_int_equal(commit_with((struct commit){.id = "python"}), -1); /* everybody's */
	assert_int_equal(commit_with((struct commit){.id = "save/p7-s1"}), -1);
	assert_int_equal(commit_with((struct commit){.id = "app/../python"}), -1);
	assert_int_equal(commit_with((struct commit){.tag = "latest"}), -1);
	assert_int_equal(commit_with((struct commit){.tag = "op31/x"}), -1);
	assert_int_equal(commit_with((struct commit){.workdir = "app"}), -1);
	assert_int_equal(commit_with((struct commit){.port = 65536}), -1);
	assert_int_equal(commit_with((struct commit){.port = -1}), -1);
}

/* A variable or label becomes a line of the image's configuration: one line it stays. */
static void test_variables_and_labels_of_an_image(void **state)
{
	assert_int_equal(commit_with((struct commit){.vars = {{"PATH", "/bin:/usr/bin"}}, .labels = {{"org.example", "x y"}}}), 0);
	assert_int_equal(commit_with((struct commit){.vars = {{"PA TH", "x"}}}), -1);
	assert_string_equal(err.message, "stage: variable: not allowed");
	assert_int_equal(commit_with((struct commit){.vars = {{"A", "x\nUSER root"}}}), -1);
	assert_int_equal(commit_with((struct commit){.vars = {{"A", "\001"}}}), -1);
	assert_int_equal(commit_with((struct commit){.labels = {{"a=b", "x"}}}), -1);
	assert_string_equal(err.message, "stage: label: not allowed");
	assert_int_equal(commit_with((struct commit){.labels = {{"a", "x\ny"}}}), -1);
}

static void test_a_message_that_ends_early(void **state)
{
	struct stage s;
	struct stage_commit c;

	ipc_begin(out, BROKER_STAGE_RUN);
	ipc_put_i64(out, 7);
	head_turn(out, in);
	assert_int_equal(stage_read_run(&s, in, &err), -1);
	stage_clear(&s);
	ipc_begin(out, BROKER_STAGE_COMMIT);
	ipc_put_i64(out, 31);
	head_turn(out, in);
	assert_int_equal(stage_read_commit(&c, in, &err), -1);
	stage_clear_commit(&c);
	ipc_begin(out, BROKER_STAGE_BEGIN);
	head_turn(out, in);
	assert_int_equal(stage_read_begin(&s, in, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_stage_begins_from_an_image_of_ours, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_numbers_of_a_stage, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_names_of_registries, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_program_of_a_stage, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_user_is_no_option, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_folder_is_a_whole_path, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_names_of_variables, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_time_limit_is_a_limit, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_what_is_made_is_an_application, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_variables_and_labels_of_an_image, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_message_that_ends_early, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
