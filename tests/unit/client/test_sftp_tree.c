/* Projects as folders of sftp: which project a request is for, with which path; what is answered here; packets that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "engine/client/sftp_packet.h"
#include "engine/client/sftp_tree.h"

static struct sftp_folder folders[] = {
    {"shop", "alice.shop", "alice", 1700000000}, {"site", "alice.site", "alice", 1700000001}, {"bob.far", "bob.far", "bob", 0}};
static struct sftp_tree tree;
static struct buf packet, out;
static struct sftp_step step;

static int setup(void **state)
{
	memset(&tree, 0, sizeof(tree));
	tree.folders = folders;
	tree.n = CL_COUNT(folders);
	buf_init(&packet, 1 << 20);
	buf_init(&out, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	buf_clear(&packet);
	buf_clear(&out);
	return 0;
}

static void ask(void)
{
	buf_drop(&out, out.len);
	sftp_packet_end(&packet, 0);
	assert_int_equal(sftp_packet_whole(&packet), packet.len);
	sftp_tree_ask(&tree, (const uint8_t *)packet.data + 4, packet.len - 4, &out, &step);
	buf_drop(&packet, packet.len);
	if (step.kind != SFTP_NONSENSE) {
		assert_int_equal(step.id, 7);
		assert_int_equal(sftp_packet_whole(&out), out.len);
	}
}

static void ask_path(enum sftp_type type, const char *path)
{
	sftp_packet_begin(&packet, type, 7);
	sftp_packet_put_text(&packet, path);
	if (type == SFTP_OPEN) {
		sftp_packet_put_u32(&packet, 1);
		sftp_packet_put_u32(&packet, 0);
	}
	ask();
}

static void ask_two(enum sftp_type type, const char *extension, const char *a, const char *b)
{
	sftp_packet_begin(&packet, type, 7);
	if (extension)
		sftp_packet_put_text(&packet, extension);
	sftp_packet_put_text(&packet, a);
	sftp_packet_put_text(&packet, b);
	ask();
}

/* The n-th string of the packet in out, after type, id and (an extension's) name. */
static const char *text(int n)
{
	static char found[8192];
	struct sftp_in in = {(const uint8_t *)out.data + 9, out.len - 9, false};
	struct sftp_text t = {NULL, 0};

	for (; n >= 0; n--)
		t = sftp_packet_get(&in);
	assert_false(in.bad);
	snprintf(found, sizeof(found), "%.*s", (int)t.len, (const char *)t.bytes);
	return found;
}

static void goes_to(int folder, const char *path)
{
	assert_int_equal(step.kind, SFTP_TO_FOLDER);
	assert_int_equal(step.folder, folder);
	assert_string_equal(text(0), path);
}

static void status(uint32_t number)
{
	struct sftp_in in = {(const uint8_t *)out.data + 4, out.len - 4, false};

	assert_int_equal(step.kind, SFTP_ANSWERED);
	assert_int_equal(sftp_packet_get_byte(&in), SFTP_STATUS);
	sftp_packet_get_u32(&in);
	assert_int_equal(sftp_packet_get_u32(&in), number);
}

static void test_paths_lead_into_projects(void **state)
{
	static const struct {
		const char *path, *there;
		int folder;
	} rows[] = {{"/shop/a", "/workspace/a", 0}, {"shop/a/b", "/workspace/a/b", 0}, {"/site//x/./y/", "/workspace/x/y", 1},
	    {"/shop/../site/q", "/workspace/q", 1}, {"../../../bob.far/z", "/workspace/z", 2}, {"/shop/a/../../site/b", "/workspace/b", 1},
	    {"/shop/...", "/workspace/...", 0}, {"/shop/..a", "/workspace/..a", 0}, {"./shop/ ", "/workspace/ ", 0},
	    {"/shop/a\n\033[31m", "/workspace/a\n\033[31m", 0}, {"/nowhere/../shop/x", "/workspace/x", 0}};

	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		ask_path(SFTP_OPEN, rows[i].path);
		goes_to(rows[i].folder, rows[i].there);
		ask_path(SFTP_REMOVE, rows[i].path);
		goes_to(rows[i].folder, rows[i].there);
	}
	ask_path(SFTP_OPENDIR, "/shop");
	goes_to(0, "/workspace");
}

static void test_what_is_no_project(void **state)
{
	static const char *const paths[] = {"/shopx", "/sho", "/shop.", "/SHOP", "/alice.shop/x", "/far/x", "/shop\n/x", "/ shop/x"};

	for (size_t i = 0; i < CL_COUNT(paths); i++) {
		ask_path(SFTP_STAT, paths[i]);
		status(SFTP_NO_SUCH_FILE);
		assert_string_equal(step.why, ""); /* clients say that */
	}
	ask_path(SFTP_MKDIR, "/new");
	status(SFTP_DENIED);
	assert_non_null(strstr(step.why, "project create"));
	ask_path(SFTP_RMDIR, "/shop");
	status(SFTP_DENIED);
	assert_non_null(strstr(step.why, "project rm"));
	ask_path(SFTP_RMDIR, "/shop/.."); /* is the root */
	status(SFTP_DENIED);
	ask_path(SFTP_MKDIR, "/shop");
	status(SFTP_FAILURE);
}

static void test_real_paths_need_no_server(void **state)
{
	static const char *const rows[][2] = {{".", "/"}, {"", "/"}, {"/", "/"}, {"shop/..", "/"}, {"shop", "/shop"},
	    {"/shop/a/./b/../c", "/shop/a/c"}, {"/..", "/"}, {"no/such", "/no/such"}};

	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		ask_path(SFTP_REALPATH, rows[i][0]);
		assert_int_equal(step.kind, SFTP_ANSWERED);
		buf_drop(&out, 4); /* the count */
		assert_string_equal(text(0), rows[i][1]);
	}
}

static void test_the_root_is_a_list(void **state)
{
	struct sftp_text h;
	char handle[8];

	ask_path(SFTP_STAT, "/");
	assert_int_equal(out.data[4], SFTP_ATTRS);
	ask_path(SFTP_LSTAT, "/site");
	assert_int_equal(out.data[4], SFTP_ATTRS);
	ask_path(SFTP_OPENDIR, "/");
	assert_int_equal(out.data[4], SFTP_HANDLE);
	memcpy(handle, out.data + 13, 8);
	h = (struct sftp_text){(uint8_t *)handle, 8};
	for (int i = 0; i < 2; i++) {
		sftp_packet_begin(&packet, SFTP_READDIR, 7);
		sftp_packet_put(&packet, h.bytes, h.len);
		ask();
		if (i == 0)
			assert_int_equal(out.data[4], SFTP_NAME);
		else
			status(SFTP_EOF);
	}
	sftp_packet_begin(&packet, SFTP_CLOSE, 7);
	sftp_packet_put(&packet, h.bytes, h.len);
	ask();
	status(0);
	sftp_packet_begin(&packet, SFTP_READDIR, 7);
	sftp_packet_put(&packet, h.bytes, h.len);
	ask();
	status(SFTP_FAILURE);
}

static void test_lists_have_an_end(void **state)
{
	for (int i = 0; i < SFTP_TREE_LISTS; i++) {
		ask_path(SFTP_OPENDIR, "/");
		assert_int_equal(out.data[4], SFTP_HANDLE);
	}
	ask_path(SFTP_OPENDIR, "/");
	status(SFTP_FAILURE);
}

static void test_nothing_crosses_projects(void **state)
{
	static const struct {
		enum sftp_type type;
		const char *extension, *word;
	} kinds[] = {{SFTP_RENAME, NULL, "rename"}, {SFTP_EXTENDED, "posix-rename@openssh.com", "rename"},
	    {SFTP_EXTENDED, "hardlink@openssh.com", "link"}};

	for (size_t i = 0; i < CL_COUNT(kinds); i++) {
		int n = kinds[i].extension != NULL;

		ask_two(kinds[i].type, kinds[i].extension, "/shop/a", "shop/x/../b");
		assert_int_equal(step.kind, SFTP_TO_FOLDER);
		assert_string_equal(text(n), "/workspace/a");
		assert_string_equal(text(n + 1), "/workspace/b");
		ask_two(kinds[i].type, kinds[i].extension, "/shop/a", "/site/a");
		status(SFTP_FAILURE);
		assert_non_null(strstr(step.why, "shop and site are two projects"));
		assert_non_null(strstr(step.why, kinds[i].word));
		ask_two(kinds[i].type, kinds[i].extension, "/shop/a", "/shop/../site/a");
		status(SFTP_FAILURE);
		ask_two(kinds[i].type, kinds[i].extension, "/shop", "/market");
		status(SFTP_DENIED);
		ask_two(kinds[i].type, kinds[i].extension, "/shop/a", "/b");
		status(SFTP_DENIED);
		ask_two(kinds[i].type, kinds[i].extension, "/other/a", "/shop/b");
		status(SFTP_NO_SUCH_FILE);
	}
}

static void test_links_keep_their_text(void **state)
{
	ask_two(SFTP_SYMLINK, NULL, "../x/./y", "/shop/l");
	assert_int_equal(step.kind, SFTP_TO_FOLDER);
	assert_string_equal(text(0), "../x/./y");
	assert_string_equal(text(1), "/workspace/l");
	ask_two(SFTP_SYMLINK, NULL, "/shop/d/f", "/shop/l");
	assert_string_equal(text(0), "/workspace/d/f");
	ask_two(SFTP_SYMLINK, NULL, "/etc/hosts", "/shop/l"); /* of the container */
	assert_string_equal(text(0), "/etc/hosts");
	ask_two(SFTP_SYMLINK, NULL, "/site/f", "/shop/l");
	status(SFTP_FAILURE);
	ask_two(SFTP_SYMLINK, NULL, "x", "/l");
	status(SFTP_DENIED);
}

static void test_handles_carry_their_server(void **state)
{
	uint32_t id;
	char handle[16];

	sftp_packet_begin(&packet, SFTP_HANDLE, 9);
	sftp_packet_put(&packet, "\0abc", 4);
	sftp_packet_end(&packet, 0);
	assert_true(sftp_tree_answer(5, (uint8_t *)packet.data + 4, packet.len - 4, &out, &id));
	assert_int_equal(id, 9);
	assert_memory_equal(out.data, "\0\0\0\021\146\0\0\0\011\0\0\0\010\0\0\0\005\0abc", out.len);
	memcpy(handle, out.data + 13, 8);
	buf_drop(&packet, packet.len);
	sftp_packet_begin(&packet, SFTP_READ, 7);
	sftp_packet_put(&packet, handle, 8);
	sftp_packet_put_u32(&packet, 0);
	sftp_packet_put_u32(&packet, 10);
	sftp_packet_put_u32(&packet, 100);
	ask();
	assert_int_equal(step.kind, SFTP_TO_SERVER);
	assert_int_equal(step.server, 5);
	assert_memory_equal(out.data + 9, "\0\0\0\4\0abc\0\0\0\0\0\0\0\12\0\0\0\144", 20);
	assert_false(step.closes);
	sftp_packet_begin(&packet, SFTP_CLOSE, 7);
	sftp_packet_put(&packet, handle, 8);
	ask();
	assert_true(step.closes);
}

static void test_other_answers_pass(void **state)
{
	uint32_t id;

	sftp_packet_status(&packet, 12, SFTP_DENIED, "no");
	assert_false(sftp_tree_answer(5, (uint8_t *)packet.data + 4, packet.len - 4, &out, &id));
	assert_int_equal(id, 12);
	assert_int_equal(out.len, packet.len);
	assert_memory_equal(out.data, packet.data, out.len);
}

static void test_nonsense(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
#define R(s) {s, sizeof(s) - 1}
	    R("\3"), R("\3\0\0\0"), R("\4\0\0\0\7"), R("\4\0\0\0\7\0\0\0\4abc"), R("\22\0\0\0\7\0\0\0\1a"), R("\24\0\0\0\7\377\377\377\377a"),
	    R("\5\0\0\0\7\0\0\1\0"),
#undef R
	};

	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		buf_drop(&out, out.len);
		sftp_tree_ask(&tree, (const uint8_t *)rows[i].bytes, rows[i].len, &out, &step);
		if (step.kind != SFTP_NONSENSE)
			fail_msg("row %zu", i);
	}
	sftp_packet_begin(&packet, (enum sftp_type)99, 7);
	ask();
	status(SFTP_UNSUPPORTED);
	ask_two(SFTP_EXTENDED, "copy-data", "x", "y");
	status(SFTP_UNSUPPORTED);
}

static void test_long_and_cut_names(void **state)
{
	char *path = mem_alloc(9000);

	memset(path, 'x', 8999);
	memcpy(path, "/shop/", 6);
	ask_path(SFTP_STAT, path);
	status(SFTP_NO_SUCH_FILE);
	path[4000] = '\0';
	ask_path(SFTP_STAT, path);
	assert_int_equal(step.kind, SFTP_TO_FOLDER);
	assert_int_equal(strlen(text(0)), strlen("/workspace/") + 4000 - 6);
	mem_free(path);
	sftp_packet_begin(&packet, SFTP_STAT, 7);
	sftp_packet_put(&packet, "/shop/a\0b", 9);
	ask();
	status(SFTP_NO_SUCH_FILE);
}

static void test_whole_packets(void **state)
{
	buf_add(&packet, "\0\0\0\2a", 5);
	assert_int_equal(sftp_packet_whole(&packet), 0);
	buf_add(&packet, "bc", 2);
	assert_int_equal(sftp_packet_whole(&packet), 6);
	buf_drop(&packet, packet.len);
	buf_add(&packet, "\0\0\0\0", 4);
	assert_int_equal(sftp_packet_whole(&packet), -1);
	buf_drop(&packet, packet.len);
	buf_add(&packet, "\0\4\0\1", 4);
	assert_int_equal(sftp_packet_whole(&packet), -1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_paths_lead_into_projects),
	    T(test_what_is_no_project),
	    T(test_real_paths_need_no_server),
	    T(test_the_root_is_a_list),
	    T(test_lists_have_an_end),
	    T(test_nothing_crosses_projects),
	    T(test_links_keep_their_text),
	    T(test_handles_carry_their_server),
	    T(test_other_answers_pass),
	    T(test_nonsense),
	    T(test_long_and_cut_names),
	    T(test_whole_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
