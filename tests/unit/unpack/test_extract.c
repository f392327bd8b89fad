/*
 * Unpacking archives that this test writes byte by byte (ustar), as nobody's tar would: what is hostile ends it with the
 * reason, what is unusual but harmless is unpacked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/path.h"
#include "engine/broker/unpack/extract.h"

#define BLOCK 512

struct world {
	char dir[64];
	int root, archive;
	struct unpack_limits max;
	struct unpack_result *r;
	struct cl_err err;
};

static int begin(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));
	char name[] = "/tmp/test-archive-XXXXXX";

	snprintf(w->dir, sizeof(w->dir), "/tmp/test-extract-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->root = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(w->root, "new", 0700), 0);
	close(w->root);
	snprintf(w->dir + strlen(w->dir), 5, "/new");
	w->root = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->dir[strlen(w->dir) - 4] = '\0';
	w->archive = mkstemp(name);
	unlink(name);
	w->max = (struct unpack_limits){100000, 20, 10};
	w->r = mem_alloc(sizeof(*w->r));
	*state = w;
	return 0;
}

static int end(void **state)
{
	struct world *w = *state;
	int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	path_remove(tmp, w->dir + 5, NULL);
	close(tmp);
	close(w->root);
	close(w->archive);
	mem_free(w->r);
	mem_free(w);
	return 0;
}

/* A header of ustar, its checksum as it should be. */
static void header(struct world *w, const char *name, char type, int mode, int64_t size, const char *target)
{
	char b[BLOCK] = "";
	unsigned sum = 0;

	memcpy(b, name, strlen(name));
	snprintf(b + 100, 8, "%07o", (unsigned)mode);
	snprintf(b + 108, 8, "%07o", 0u);
	snprintf(b + 116, 8, "%07o", 0u);
	snprintf(b + 124, 12, "%011llo", (unsigned long long)size);
	snprintf(b + 136, 12, "%011o", 1000000000u);
	memset(b + 148, ' ', 8);
	b[156] = type;
	memcpy(b + 157, target, strlen(target));
	memcpy(b + 257, "ustar\00000", 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += (unsigned char)b[i];
	snprintf(b + 148, 8, "%06o", sum);
	assert_int_equal(write(w->archive, b, BLOCK), BLOCK);
}

static void file(struct world *w, const char *name, const char *text)
{
	char b[BLOCK] = "";

	header(w, name, '0', 0644, (int64_t)strlen(text), "");
	memcpy(b, text, strlen(text));
	assert_int_equal(write(w->archive, b, BLOCK), BLOCK);
}

static void finish(struct world *w)
{
	char b[2 * BLOCK] = "";

	assert_int_equal(write(w->archive, b, sizeof(b)), (ssize_t)sizeof(b));
}

static int run(struct world *w)
{
	memset(&w->err, 0, sizeof(w->err));
	lseek(w->archive, 0, SEEK_SET);
	return extract_run(w->archive, w->root, &w->max, w->r, &w->err);
}

/* It ends with this; nothing is there but what was allowed before it. */
static void refused(struct world *w, enum cl_code code, const char *why)
{
	finish(w);
	assert_int_equal(run(w), -1);
	if (w->err.code != code || !strstr(w->err.message, why))
		fail_msg("%d %s instead of %s", w->err.code, w->err.message, why);
}

static void holds(struct world *w, const char *name, const char *text)
{
	size_t n;
	cl_autofree char *got = path_read(w->root, name, 4096, &n, NULL);

	if (!got)
		fail_msg("%s is not there", name);
	assert_string_equal(got, text);
}

static void test_files_folders_and_links(void **state)
{
	struct world *w = *state;
	struct stat st;

	header(w, "./", '5', 0777, 0, "");
	file(w, "./main.py", "print()");
	file(w, "deep/er/still.txt", "x"); /* its folders were never named */
	header(w, "run.sh", '0', 0755, 0, "");
	header(w, "link", '2', 0777, 0, "deep/er");
	finish(w);
	assert_int_equal(run(w), 0);
	holds(w, "main.py", "print()");
	holds(w, "deep/er/still.txt", "x");
	assert_int_equal(fstatat(w->root, "run.sh", &st, 0), 0);
	assert_true(st.st_mode & 0100);
	assert_int_equal(fstatat(w->root, "main.py", &st, 0), 0);
	assert_false(st.st_mode & 0111);
	assert_int_equal(st.st_mtime, 1000000000);
	assert_int_equal(w->r->bytes, 8);
	assert_string_equal(w->r->root, ""); /* it said its own root */
	assert_non_null(strstr(w->r->top, "main.py"));
}

static void test_the_folder_around_a_project(void **state)
{
	struct world *w = *state;

	header(w, "shop-1.0/", '5', 0755, 0, "");
	file(w, "shop-1.0/app.py", "x");
	finish(w);
	assert_int_equal(run(w), 0);
	assert_string_equal(w->r->root, "shop-1.0");
	assert_string_equal(w->r->top, "app.py\n");
}

static void test_names_that_lead_out(void **state)
{
	struct world *w = *state;

	file(w, "kept", "x");
	file(w, "../evil", "x");
	refused(w, CL_FORBIDDEN, "leads out");
	holds(w, "kept", "x"); /* the caller removes the folder */
	assert_int_equal(faccessat(w->root, "../evil", F_OK, 0), -1);
}

static void test_an_absolute_name(void **state)
{
	file(*state, "/tmp/evil-of-test-extract", "x");
	refused(*state, CL_FORBIDDEN, "absolute");
	assert_int_equal(access("/tmp/evil-of-test-extract", F_OK), -1);
}

static void test_links_that_lead_out(void **state)
{
	header(*state, "l", '2', 0777, 0, "/etc");
	refused(*state, CL_FORBIDDEN, "leads out of the project");
}

static void test_a_file_behind_a_link(void **state)
{
	struct world *w = *state;

	header(w, "d/", '5', 0755, 0, "");
	header(w, "l", '2', 0777, 0, "d");
	file(w, "l/evil", "x");
	refused(w, CL_FORBIDDEN, "behind a link");
	assert_int_equal(faccessat(w->root, "d/evil", F_OK, 0), -1);
}

static void test_a_file_in_the_place_of_a_link(void **state)
{
	struct world *w = *state;

	file(w, "target", "as it was");
	header(w, "l", '2', 0777, 0, "target");
	file(w, "l", "over it");
	refused(w, CL_FORBIDDEN, "there twice");
	holds(w, "target", "as it was");
}

static void test_hard_links(void **state)
{
	struct world *w = *state;
	struct stat st;

	file(w, "./a", "text");
	header(w, "b", '1', 0644, 0, "a");
	finish(w);
	assert_int_equal(run(w), 0);
	holds(w, "b", "text");
	assert_int_equal(fstatat(w->root, "b", &st, 0), 0);
	assert_int_equal(st.st_nlink, 1); /* a file of its own: what is written to one is not in the other */
}

static void test_hard_links_that_lead_out(void **state)
{
	header(*state, "h", '1', 0644, 0, "/etc/passwd");
	refused(*state, CL_FORBIDDEN, "absolute");
}

static void test_a_hard_link_through_a_link(void **state)
{
	header(*state, "l", '2', 0777, 0, "x");
	header(*state, "h", '1', 0644, 0, "l");
	refused(*state, CL_FORBIDDEN, "hard link");
}

static void test_devices_pipes_and_their_kin(void **state)
{
	header(*state, "null", '3', 0666, 0, "");
	refused(*state, CL_FORBIDDEN, "a device, pipe or socket");
}

static void test_a_pipe(void **state)
{
	header(*state, "fifo", '6', 0666, 0, "");
	refused(*state, CL_FORBIDDEN, "a device, pipe or socket");
}

static void test_programs_with_anothers_rights(void **state)
{
	header(*state, "su", '0', 04755, 0, "");
	refused(*state, CL_FORBIDDEN, "set-user-id");
}

/* What is said is believed where it refuses: nothing is unpacked for it. */
static void test_a_size_that_is_said_to_be_too_large(void **state)
{
	struct world *w = *state;

	header(w, "big", '0', 0644, 1LL << 32, "");
	refused(w, CL_QUOTA, "when unpacked");
	assert_int_equal(faccessat(w->root, "big", F_OK, 0), -1);
}

static void test_all_files_together(void **state)
{
	struct world *w = *state;
	char name[16];

	w->max.bytes = 1000;
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		header(w, name, '0', 0644, BLOCK, "");
		header(w, "these are its bytes", '0', 0, 0, "");
	}
	refused(w, CL_QUOTA, "when unpacked");
	assert_true(w->r->bytes <= 1000);
}

static void test_too_many_entries(void **state)
{
	struct world *w = *state;

	for (int i = 0; i <= w->max.files; i++)
		header(w, "again/", '5', 0755, 0, ""); /* the same one counts each time it is read */
	refused(w, CL_QUOTA, "more than 20 files and folders");
}

static void test_one_that_was_cut(void **state)
{
	struct world *w = *state;

	file(w, "a", "x");
	assert_int_equal(run(w), -1); /* between two files, where every entry is whole */
	assert_int_equal(w->err.code, CL_USAGE);
	assert_non_null(strstr(w->err.message, "a part is missing"));
}

static void test_one_that_was_cut_in_a_file(void **state)
{
	struct world *w = *state;

	header(w, "a", '0', 0644, 3 * (int64_t)BLOCK, "");
	assert_int_equal(write(w->archive, "x", 1), 1);
	assert_int_equal(run(w), -1);
	assert_int_equal(w->err.code, CL_USAGE);
}

static void test_nothing_and_no_archive(void **state)
{
	struct world *w = *state;

	assert_int_equal(run(w), -1);
	assert_int_equal(w->err.code, CL_USAGE);
	for (int i = 0; i < 100; i++)
		assert_int_equal(write(w->archive, "just some text\n", 15), 15);
	assert_int_equal(run(w), -1);
	assert_int_equal(w->err.code, CL_USAGE);
}

int main(void)
{
	static const struct {
		const char *name;
		void (*test)(void **state);
	} rows[] = {
#define ROW(name) {#name, name}
	    ROW(test_files_folders_and_links), ROW(test_the_folder_around_a_project), ROW(test_names_that_lead_out),
	    ROW(test_an_absolute_name), ROW(test_links_that_lead_out), ROW(test_a_file_behind_a_link),
	    ROW(test_a_file_in_the_place_of_a_link), ROW(test_hard_links), ROW(test_hard_links_that_lead_out),
	    ROW(test_a_hard_link_through_a_link), ROW(test_devices_pipes_and_their_kin), ROW(test_a_pipe),
	    ROW(test_programs_with_anothers_rights), ROW(test_a_size_that_is_said_to_be_too_large),
	    ROW(test_all_files_together), ROW(test_too_many_entries), ROW(test_one_that_was_cut),
	    ROW(test_one_that_was_cut_in_a_file), ROW(test_nothing_and_no_archive),
	};
	struct CMUnitTest tests[CL_COUNT(rows)];

	for (size_t i = 0; i < CL_COUNT(rows); i++)
		tests[i] = (struct CMUnitTest){rows[i].name, rows[i].test, begin, end, NULL};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
