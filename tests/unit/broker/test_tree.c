/* The lists of saved trees: reading, writing, scanning, making anew, and what changed. */
#include "tests/unit/broker/head.h"

#include <fcntl.h>
#include <jansson.h>

#include "base/path.h"
#include "engine/broker/diff.h"
#include "engine/broker/tarball.h"
#include "engine/broker/tree.h"
#include "engine/broker/tree_put.h"
#include "engine/broker/tree_scan.h"

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static char dir[64], made[64];
static struct cl_err err;

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/cl-tree-XXXXXX");
	snprintf(made, sizeof(made), "/tmp/cl-made-XXXXXX");
	err_clear(&err);
	return mkdtemp(dir) && mkdtemp(made) ? 0 : -1;
}

static int teardown(void **state)
{
	cl_autoclose int root = path_root("/tmp", NULL);

	path_remove(root, dir + 5, NULL);
	path_remove(root, made + 5, NULL);
	return 0;
}

static void put(const char *name, const char *text, mode_t mode)
{
	cl_autofree char *path = mem_printf("%s/%s", dir, name);
	cl_autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
}

static void folder(const char *name)
{
	cl_autofree char *path = mem_printf("%s/%s", dir, name);

	assert_int_equal(mkdir(path, 0750), 0);
}

static struct tree_entry *file(struct tree *t, const char *path, const char *hash, int64_t size)
{
	struct tree_entry *e = tree_add(t, 'f', path);

	e->mode = 0640;
	e->size = size;
	e->mtime = 1700000000123456789;
	mem_copy_str(e->hash, sizeof(e->hash), hash);
	return e;
}

/* -- the text -- */

static void a_list_comes_back_as_it_was(void **state)
{
	struct tree t = {0}, back;
	struct buf text;
	char a[TREE_HASH], b[TREE_HASH];

	file(&t, "work/b \xff\n", ABC, 3);
	tree_add(&t, 'd', "work/a")->mode = 0750;
	tree_add(&t, 'l', "work/a/l")->target = mem_strdup("../../etc");
	tree_sort(&t);
	buf_init(&text, 1 << 20);
	assert_int_equal(tree_print(&t, &text), 0);
	assert_int_equal(tree_read(&back, text.data, text.len, &err), 0);
	assert_int_equal(back.n, 3);
	assert_int_equal(back.files, 2);
	assert_int_equal(back.bytes, 3);
	tree_hash(&t, a);
	tree_hash(&back, b);
	assert_string_equal(a, b);
	assert_int_equal(tree_find(&back, "work/b \xff\n")->mtime, 1700000000123456789);
	assert_string_equal(tree_find(&back, "work/a/l")->target, "../../etc");
	assert_null(tree_find(&back, "work"));
	for (size_t cut = 0; cut < text.len; cut++) {
		struct tree half;

		err_clear(&err);
		if (tree_read(&half, text.data, cut, &err) == 0) {
			assert_true(half.n < 3);
			tree_clear(&half);
		}
	}
	buf_clear(&text);
	tree_clear(&t);
	tree_clear(&back);
}

static void a_time_is_no_difference(void **state)
{
	struct tree t = {0};
	char a[TREE_HASH], b[TREE_HASH];
	struct tree_entry *e = file(&t, "work/x", ABC, 3);

	tree_hash(&t, a);
	e->mtime++;
	tree_hash(&t, b);
	assert_string_equal(a, b);
	e->mode = 0600;
	tree_hash(&t, b);
	assert_string_not_equal(a, b);
	tree_clear(&t);
}

static void refused(const char *entry, size_t len)
{
	static const char head[] = "codinglab-tree 1";
	cl_autofree char *text = mem_alloc(sizeof(head) + len);
	struct tree t;

	memcpy(text, head, sizeof(head));
	memcpy(text + sizeof(head), entry, len);
	err_clear(&err);
	if (tree_read(&t, text, sizeof(head) + len, &err) == 0)
		fail_msg("taken: %s", entry + strlen(entry) + 1);
	assert_int_equal(err.code, CL_FAILED);
}
#define REFUSED(text) refused(text, sizeof(text))

static void what_leads_out_is_refused(void **state)
{
	REFUSED("f 644 3 0 " ABC "\0/etc/passwd");
	REFUSED("f 644 3 0 " ABC "\0work/../../x");
	REFUSED("f 644 3 0 " ABC "\0work/./x");
	REFUSED("f 644 3 0 " ABC "\0work//x");
	REFUSED("f 644 3 0 " ABC "\0work/");
	REFUSED("f 644 3 0 " ABC "\0elsewhere/x");
	REFUSED("f 4755 3 0 " ABC "\0work/x");
	REFUSED("f 644 -3 0 " ABC "\0work/x");
	REFUSED("f 644 3 0 abc\0work/x");
	REFUSED("c 644 0 0 \0work/x");
	REFUSED("d 755 5 0 \0work/x");
	REFUSED("l 777 0 0 \0work/x");
	REFUSED("l 777 0 0 \0work/x\0");
	REFUSED("d 755 0 0 \0work/b\0d 755 0 0 \0work/a");
	REFUSED("d 755 0 0 \0work/b\0d 755 0 0 \0work/b");
}

static void sets_hold_what_was_added(void **state)
{
	struct tree_set s = {0};
	char hash[TREE_HASH];

	assert_false(tree_set_has(&s, ABC));
	for (int i = 0; i < 5000; i++) {
		struct tree_digest d;

		tree_digest_begin(&d);
		tree_digest_add(&d, &i, sizeof(i));
		tree_digest_end(&d, hash);
		assert_false(tree_set_has(&s, hash));
		tree_set_add(&s, hash);
		tree_set_add(&s, hash);
		assert_true(tree_set_has(&s, hash));
	}
	assert_int_equal(s.n, 5000);
	tree_set_clear(&s);
}

/* -- reading files, and making them anew -- */

struct left {
	int n;
	char last[256];
};

static void left_cb(void *arg, const char *path, const char *what)
{
	struct left *l = arg;

	l->n++;
	snprintf(l->last, sizeof(l->last), "%s %s", path, what);
}

static int scan_into(struct tree_scan *s, FILE *out)
{
	cl_autoclose int fd = open(dir, O_RDONLY | O_DIRECTORY);
	cl_autofclose FILE *spool = tmpfile();
	int rc;

	s->spool = fileno(spool);
	s->out = out ? tarball_create(fileno(out), false, &err) : NULL;
	rc = tree_scan_add(s, fd, "work", &err);
	tree_sort(&s->tree);
	if (s->out)
		assert_int_equal(tarball_close(s->out, &err), 0);
	return rc;
}

static void a_tree_is_made_anew(void **state)
{
	struct left left = {0};
	struct tree_scan s = {.max_bytes = 1 << 20, .max_files = 100, .left_out = left_cb, .arg = &left}, again = s;
	cl_autofclose FILE *tar = tmpfile();
	cl_autoclose int root = path_root(made, &err);
	cl_autofree char *fifo = mem_printf("%s/pipe", dir), *link = mem_printf("%s/link", dir);
	cl_autofree char *back = mem_printf("%s/work", made);
	struct tarball *in;
	struct stat st;

	folder("sub");
	folder("sub/empty");
	put("abc", "abc", 04755);
	put("sub/same", "abc", 0600);
	put("none", "", 0640);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(symlink("/etc/shadow", link), 0);
	assert_int_equal(scan_into(&s, tar), 0);
	assert_int_equal(left.n, 1);
	assert_string_equal(left.last, "pipe a FIFO");
	assert_int_equal(s.tree.n, 6);
	assert_int_equal(s.tree.bytes, 6);
	assert_int_equal(s.written, 3);
	assert_string_equal(tree_find(&s.tree, "work/abc")->hash, ABC);
	assert_string_equal(tree_find(&s.tree, "work/none")->hash, NOTHING);
	rewind(tar);
	in = tarball_open(fileno(tar), false, &err);
	assert_non_null(in);
	assert_int_equal(tree_put_all(&s.tree, root, in, &err), 0);
	tarball_close(in, NULL);
	assert_int_equal(path_stat(root, "work/abc", &st, &err), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(path_stat(root, "work/link", &st, &err), 0);
	assert_true(S_ISLNK(st.st_mode));
	snprintf(dir, sizeof(dir), "%s", back);
	assert_int_equal(scan_into(&again, NULL), 0);
	{
		char a[TREE_HASH], b[TREE_HASH];

		tree_hash(&s.tree, a);
		tree_hash(&again.tree, b);
		assert_string_equal(a, b);
	}
	tree_scan_clear(&s);
	tree_scan_clear(&again);
}

static void what_is_known_is_not_written_again(void **state)
{
	struct tree_scan s = {.max_bytes = 1 << 20, .max_files = 100};
	cl_autofclose FILE *tar = tmpfile();

	put("abc", "abc", 0600);
	put("new", "abcd", 0600);
	tree_set_add(&s.known, ABC);
	assert_int_equal(scan_into(&s, tar), 0);
	assert_int_equal(s.written, 4);
	tree_scan_clear(&s);
}

static void limits_are_said(void **state)
{
	struct tree_scan s = {.max_bytes = 5, .max_files = 100}, few = {.max_bytes = 100, .max_files = 2};
	cl_autofree char *path = mem_printf("%s/c", dir);

	put("a", "abc", 0600);
	put("b", "abc", 0600);
	assert_int_equal(scan_into(&s, NULL), -1);
	assert_int_equal(err.code, CL_QUOTA);
	assert_non_null(strstr(err.hint, "saves.size_mb"));
	err_clear(&err);
	put("c", "", 0600);
	assert_int_equal(scan_into(&few, NULL), -1);
	assert_int_equal(err.code, CL_QUOTA);
	assert_int_equal(truncate(path, 1LL << 42), 0);
	err_clear(&err);
	tree_scan_clear(&s);
	s = (struct tree_scan){.max_bytes = 1 << 30, .max_files = 100};
	assert_int_equal(scan_into(&s, NULL), -1); /* and reads no terabyte for that */
	assert_non_null(strstr(err.message, "save: c:"));
	tree_scan_clear(&s);
	tree_scan_clear(&few);
}

static void damaged_contents_are_refused(void **state)
{
	static const char *const bad[] = {"abd", "ab", "abcd"};
	struct tree t = {0};

	file(&t, "work/x", ABC, 3);
	for (size_t i = 0; i <= CL_COUNT(bad); i++) {
		cl_autofclose FILE *tar = tmpfile();
		cl_autoclose int root = path_root(made, &err);
		struct tarball *a = tarball_create(fileno(tar), false, &err);

		if (i < CL_COUNT(bad))
			assert_int_equal(tarball_put_text(a, "objects/" ABC, bad[i], strlen(bad[i]), &err), 0);
		assert_int_equal(tarball_put_text(a, "objects/../../x", "x", 1, &err), 0);
		assert_int_equal(tarball_close(a, &err), 0);
		rewind(tar);
		a = tarball_open(fileno(tar), false, &err);
		assert_int_equal(tree_put_all(&t, root, a, &err), -1);
		assert_int_equal(err.code, CL_FAILED);
		tarball_close(a, NULL);
		err_clear(&err);
		path_remove(root, "work", NULL);
	}
	tree_clear(&t);
}

/* -- what changed -- */

static void differences_are_counted_and_named(void **state)
{
	struct tree was = {0}, now = {0};
	json_t *d, *top;

	file(&was, "work/gone", ABC, 3);
	file(&was, "work/kept", ABC, 3);
	file(&was, "work/other", ABC, 3);
	tree_add(&was, 'd', "work/dir");
	file(&now, "home/.local/bin/t", ABC, 300);
	file(&now, "work/kept", ABC, 3);
	file(&now, "work/other", NOTHING, 0);
	file(&now, "work/\x1b[31m", ABC, 30);
	tree_sort(&was);
	tree_sort(&now);
	d = diff_tree(&was, &now);
	assert_int_equal(json_integer_value(json_object_get(d, "added")), 2);
	assert_int_equal(json_integer_value(json_object_get(d, "changed")), 1);
	assert_int_equal(json_integer_value(json_object_get(d, "removed")), 1);
	top = json_object_get(d, "top");
	assert_string_equal(json_string_value(json_object_get(json_array_get(top, 0), "path")), "~/.local/bin/t");
	assert_string_equal(json_string_value(json_object_get(json_array_get(top, 1), "path")), "^[[31m");
	json_decref(d);
	tree_clear(&was);
	tree_clear(&now);
}

static void packages_are_compared(void **state)
{
	static const char was[] = "Package: a\nStatus: install ok installed\nVersion: 1\n\n"
	    "Package: b\nStatus: install ok installed\nVersion: 2\n\nPackage: c\nStatus: deinstall ok config-files\nVersion: 1\n";
	static const char now[] = "Package: b\nStatus: install ok installed\nDescription: x\n Package: no\nVersion: 3\n\n"
	    "Package: d\nVersion: 1:4\nStatus: install ok installed\n\nPackage: half\n\nVersion: 1\n";
	json_t *d = diff_packages(was, now);
	cl_autofree char *text = json_dumps(d, JSON_COMPACT);

	assert_string_equal(text, "{\"added\":[{\"name\":\"d\",\"to\":\"1:4\"}],\"removed\":[{\"name\":\"a\",\"from\":\"1\"}],"
	    "\"changed\":[{\"name\":\"b\",\"from\":\"2\",\"to\":\"3\"}],\"total\":2}");
	json_decref(d);
	d = diff_packages("", "Package");
	assert_int_equal(json_integer_value(json_object_get(d, "total")), 0);
	json_decref(d);
}

static void starting_a_container_is_no_change(void **state)
{
	json_t *list = json_loads("[{\"Path\":\"/etc\",\"Kind\":0},{\"Path\":\"/etc/passwd\",\"Kind\":0},{\"Path\":\"/workspace\",\"Kind\":1},"
	    "{\"Path\":\"/run/x\",\"Kind\":1},{\"Path\":\"/tmp/y\",\"Kind\":1},{\"Path\":\"/usr/bin/less\",\"Kind\":2},{\"Kind\":1}]", 0, NULL);
	json_t *d = diff_system(list);

	assert_int_equal(json_integer_value(json_object_get(d, "added")), 0);
	assert_int_equal(json_integer_value(json_object_get(d, "changed")), 0);
	assert_int_equal(json_integer_value(json_object_get(d, "removed")), 1);
	json_decref(d);
	json_decref(list);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_list_comes_back_as_it_was), T(a_time_is_no_difference), T(what_leads_out_is_refused),
		T(sets_hold_what_was_added), T(a_tree_is_made_anew), T(what_is_known_is_not_written_again),
		T(limits_are_said), T(damaged_contents_are_refused), T(differences_are_counted_and_named),
		T(packages_are_compared), T(starting_a_container_is_no_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
