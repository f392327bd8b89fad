/* .dockerignore: which files of a project a build does not see.  The program that reads it is no library, so its file stands here. */
#include "tests/unit/broker/head.h"

#include "engine/broker/copy/ignore.c"

static char dir[] = "/var/tmp/cl-ignore-XXXXXX";
static int root = -1;
static jmp_buf died;
static const char *reason;

void tree_die(const char *what, const char *path)
{
	reason = what;
	longjmp(died, 1);
}

static int setup(void **state)
{
	mem_copy_str(dir, sizeof(dir), "/var/tmp/cl-ignore-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	npatterns = used = 0;
	exceptions = false;
	reason = NULL;
	return root < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)unlinkat(root, ".dockerignore", 0);
	close(root);
	return rmdir(dir);
}

static void write_file(const char *text, size_t times)
{
	int fd = openat(root, ".dockerignore", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	for (size_t i = 0; i < times; i++)
		assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void load(const char *text)
{
	write_file(text, 1);
	ignore_load(root, ".dockerignore");
}

static void skips(const char *path)
{
	if (!ignore_skips(path))
		fail_msg("%s is not left out", path);
}

static void keeps(const char *path)
{
	if (ignore_skips(path))
		fail_msg("%s is left out", path);
}

static void test_without_a_file_all_is_copied(void **state)
{
	ignore_load(root, ".dockerignore");
	keeps("a");
	keeps(".git/config");
	assert_false(ignore_has_exceptions());
}

static void test_lines(void **state)
{
	load("# a comment\n\n   \n  spaced  \t\r\n/rooted\n./dotted\nfolder/\n#node\nlast");
	skips("spaced");
	skips("rooted");
	skips("dotted");
	skips("folder");
	skips("last"); /* without a newline */
	keeps("#node");
	keeps("a comment");
}

static void test_a_folder_is_all_beneath_it(void **state)
{
	load("target\nsrc/gen\n");
	skips("target");
	skips("target/classes/A.class");
	skips("src/gen/x/y");
	keeps("src");
	keeps("src/generated");
	keeps("targets");
	keeps("lib/target"); /* a pattern begins at the top */
}

static void test_wildcards_stay_within_a_part(void **state)
{
	load("*.log\nsrc/*.o\nv?\n[ab].txt\n");
	skips("x.log");
	keeps("logs/x.log");
	skips("src/a.o");
	keeps("src/deep/a.o");
	skips("v1");
	keeps("v12");
	skips("a.txt");
	keeps("c.txt");
	skips("x.log/inside"); /* a folder of such a name */
}

static void test_two_stars_are_any_number_of_parts(void **state)
{
	load("**/*.pyc\nweb/**/cache\ndata/**\n");
	skips("a.pyc");
	skips("x/y/z/a.pyc");
	skips("web/cache");
	skips("web/a/b/cache/file");
	keeps("cache");
	skips("data/x");
	keeps("data");
	keeps("a.py");
}

static void test_the_last_that_fits_decides(void **state)
{
	load("*\n!src\n!README.md\nsrc/secret\n!src/secret/public.txt\n");
	skips("other");
	keeps("src");
	keeps("src/main.c");
	keeps("README.md");
	skips("src/secret");
	skips("src/secret/key");
	keeps("src/secret/public.txt");
	assert_true(ignore_has_exceptions());
}

static void test_a_lone_mark_is_no_pattern(void **state)
{
	load("!\n/\n./\n!/\n");
	keeps("a");
	assert_int_equal(npatterns, 0);
}

/* Only a file of the project is read: not what a link of the same name leads to. */
static void test_a_link_is_not_followed(void **state)
{
	assert_int_equal(symlinkat("/etc/passwd", root, ".dockerignore"), 0);
	ignore_load(root, ".dockerignore");
	assert_int_equal(npatterns, 0);
}

static void test_a_thousand_patterns(void **state)
{
	write_file("x\n", PATTERNS);
	ignore_load(root, ".dockerignore");
	assert_int_equal(npatterns, PATTERNS);
	assert_int_equal(unlinkat(root, ".dockerignore", 0), 0);
	load("one-more\n");
	keeps("one-more");
}

static void test_too_much_of_them_ends_the_build(void **state)
{
	char line[202];

	memset(line, 'x', 200);
	memcpy(line + 200, "\n", 2);
	write_file(line, 400);
	if (setjmp(died) == 0) {
		ignore_load(root, ".dockerignore");
		fail_msg("it went on");
	}
	assert_string_equal(reason, "more than 64 KiB of patterns");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_without_a_file_all_is_copied, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_folder_is_all_beneath_it, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_wildcards_stay_within_a_part, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_two_stars_are_any_number_of_parts, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_the_last_that_fits_decides, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_lone_mark_is_no_pattern, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_link_is_not_followed, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_thousand_patterns, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_too_much_of_them_ends_the_build, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
