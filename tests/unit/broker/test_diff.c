/* What a save's report says of changes: files, packages, the system, whatever they are called. */
#include "tests/unit/broker/head.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "engine/broker/diff.h"
#include "engine/broker/docker.h"

static void file(struct tree *t, const char *path, int64_t size, char hash)
{
	struct tree_entry *e = tree_add(t, 'f', path);

	e->mode = 0644;
	e->size = size;
	memset(e->hash, hash, TREE_HASH - 1);
}

static void counts(const json_t *j, int added, int changed, int removed)
{
	assert_int_equal(docker_int(j, "added"), added);
	assert_int_equal(docker_int(j, "changed"), changed);
	assert_int_equal(docker_int(j, "removed"), removed);
}

/* "what path size" of each that is named, a line each. */
static void top_is(const json_t *j, const char *want)
{
	struct buf b;
	const json_t *item;
	size_t i;

	buf_init(&b, 1 << 20);
	json_array_foreach(json_object_get(j, "top"), i, item)
		buf_printf(&b, "%s %s %d\n", docker_str(item, "what"), docker_str(item, "path"),
		    (int)docker_int(item, "size"));
	assert_string_equal(b.data ? b.data : "", want);
	buf_clear(&b);
}

static void files_by_what_became_of_them(void **state)
{
	struct tree was = {0}, now = {0};
	json_t *j;

	tree_add(&was, 'd', "work");
	file(&was, "work/gone.py", 10, 'a');
	file(&was, "work/same.py", 20, 'b');
	file(&was, "work/text.py", 30, 'c');
	tree_add(&was, 'd', "work/folder");
	tree_add(&now, 'd', "work");
	tree_add(&now, 'd', "work/empty");
	file(&now, "work/folder", 5, 'd'); /* a folder became a file */
	file(&now, "work/new.bin", 1000, 'e');
	file(&now, "work/same.py", 20, 'b');
	file(&now, "work/text.py", 40, 'f');
	file(&now, "home/.local/bin/tool", 7, 'g');
	tree_sort(&was);
	tree_sort(&now);
	j = diff_tree(&was, &now);
	counts(j, 2, 2, 1);
	top_is(j, "added new.bin 1000\nchanged text.py 40\nremoved gone.py 10\nadded ~/.local/bin/tool 7\n"
	    "changed folder 5\n");
	json_decref(j);
	j = diff_tree(&now, &now);
	counts(j, 0, 0, 0);
	top_is(j, "");
	json_decref(j);
	tree_clear(&was);
	tree_clear(&now);
}

static void a_mode_is_a_change_and_a_time_is_none(void **state)
{
	struct tree was = {0}, now = {0};
	json_t *j;

	file(&was, "work/a", 1, 'a');
	file(&was, "work/b", 1, 'b');
	file(&now, "work/a", 1, 'a');
	file(&now, "work/b", 1, 'b');
	now.items[0].mtime = 1;
	now.items[1].mode = 0755;
	j = diff_tree(&was, &now);
	counts(j, 0, 1, 0);
	top_is(j, "changed b 1\n");
	json_decref(j);
	tree_clear(&was);
	tree_clear(&now);
}

/* Lists are cut, the largest first; counts are not. */
static void many_files_are_counted_and_some_named(void **state)
{
	struct tree was = {0}, now = {0};
	char path[64];
	json_t *j, *top;

	for (int i = 0; i < 500; i++) {
		snprintf(path, sizeof(path), "work/f%03d", i);
		file(&now, path, i, 'a');
	}
	tree_sort(&now);
	j = diff_tree(&was, &now);
	top = json_object_get(j, "top");
	counts(j, 500, 0, 0);
	assert_int_equal(json_array_size(top), DIFF_LIST);
	assert_string_equal(docker_str(json_array_get(top, 0), "path"), "f499");
	assert_string_equal(docker_str(json_array_get(top, DIFF_LIST - 1), "path"), "f480");
	json_decref(j);
	tree_clear(&now);
}

static void names_are_safe_to_show_however_long(void **state)
{
	static const char *const heads[] = {"work/", "home/"};
	static const char *const parts[] = {"\x1b[2J", "\xff", "재고", "a\n", "\xe2\x80\xae", "x\xc2\x9b", "\xff재"};
	struct tree was = {0};

	for (size_t h = 0; h < CL_COUNT(heads); h++) {
		for (size_t p = 0; p < CL_COUNT(parts); p++) {
			for (int shift = 0; shift < 4; shift++) {
				struct tree now = {0};
				struct buf b;
				const char *shown;
				json_t *j;

				buf_init(&b, 1 << 16);
				buf_printf(&b, "%s%.*s", heads[h], shift, "xyz");
				while (b.len < 2000)
					buf_add_str(&b, parts[p]);
				file(&now, b.data, 1, 'a');
				j = diff_tree(&was, &now);
				shown = docker_str(json_array_get(json_object_get(j, "top"), 0), "path");
				assert_true(utf8_valid(shown, strlen(shown)));
				if (!shown[0] || strncmp(shown, heads[h], 5) == 0)
					fail_msg("\"%.40s\" for %s", shown, heads[h]);
				for (const char *s = shown; *s; s++)
					assert_true((unsigned char)*s >= 0x20 && *s != 0x7F);
				json_decref(j);
				tree_clear(&now);
				buf_clear(&b);
			}
		}
	}
}

/* -- packages -- */

#define PACKAGE(name, state, version) "Package: " name "\nStatus: install ok " state "\nPriority: optional\n" \
	"Version: " version "\nDescription: x\n Package: not-this-one\n\n"

static void packages_are(const char *was, const char *now, const char *want)
{
	static const char *const lists[] = {"added", "changed", "removed"};
	json_t *j = diff_packages(was, now);
	struct buf b;

	buf_init(&b, 1 << 20);
	for (size_t l = 0; l < CL_COUNT(lists); l++) {
		const json_t *item;
		size_t i;

		json_array_foreach(json_object_get(j, lists[l]), i, item)
			buf_printf(&b, "%s %s %s>%s\n", lists[l], docker_str(item, "name"),
			    docker_str(item, "from"), docker_str(item, "to"));
	}
	buf_printf(&b, "of %d\n", (int)docker_int(j, "total"));
	assert_string_equal(b.data, want);
	buf_clear(&b);
	json_decref(j);
}

static void packages_by_their_versions(void **state)
{
	static const char was[] = PACKAGE("bash", "installed", "5.2") PACKAGE("git", "installed", "1:2.39")
	    PACKAGE("vim", "installed", "9.0");
	static const char now[] = PACKAGE("vim", "installed", "9.1") PACKAGE("bash", "installed", "5.2")
	    PACKAGE("tig", "installed", "2.5") PACKAGE("nano", "config-files", "7");

	packages_are(was, now, "added tig >2.5\nchanged vim 9.0>9.1\nremoved git 1:2.39>\nof 3\n");
	packages_are(was, was, "of 3\n");
	packages_are("", now, "added bash >5.2\nadded tig >2.5\nadded vim >9.1\nof 3\n");
	packages_are(now, "", "removed bash 5.2>\nremoved tig 2.5>\nremoved vim 9.1>\nof 0\n");
}

static void status_files_that_are_none(void **state)
{
	static const char *const rows[] = {"", "\n\n\n", "Package:\n\n", "Version: 1\nStatus: install ok installed\n",
	    "Package: a\nVersion: 1\n\n", "Package: a\nStatus: installed\n", "\xff\xfe\n", "Package: a",
	    "Package: a\nStatus: deinstall ok not-installed\nVersion: 1\n"};

	for (size_t i = 0; i < CL_COUNT(rows); i++)
		packages_are(rows[i], rows[i], "of 0\n");
	/* the last paragraph needs no empty line, and the last field of a name counts */
	packages_are("", "Package: a\nPackage: b\nStatus: hold ok installed\nVersion: 2", "added b >2\nof 1\n");
	packages_are("", "Package: \x1b[31m\nStatus: install ok installed\nVersion: 1\n",
	    "added ^[[31m >1\nof 1\n");
}

/* -- the system -- */

static void what_every_container_gets_is_no_change(void **state)
{
	json_t *list = json_loads("[{\"Path\":\"/etc/hosts\",\"Kind\":0},{\"Path\":\"/run/codinglab/x\",\"Kind\":1},"
	    "{\"Path\":\"/usr/bin/tig\",\"Kind\":1},{\"Path\":\"/etc\",\"Kind\":0},{\"Path\":\"/etc/apt/x\",\"Kind\":0},"
	    "{\"Path\":\"/opt/old\",\"Kind\":2},{\"Path\":\"relative\",\"Kind\":1},{\"Kind\":1},7,"
	    "{\"Path\":\"/tmpfile\",\"Kind\":1},{\"Path\":\"/home/dev/.bashrc\",\"Kind\":1}]", 0, NULL);
	json_t *j = diff_system(list);

	counts(j, 2, 1, 1);
	top_is(j, "changed /etc/apt/x 0\nremoved /opt/old 0\nadded /tmpfile 0\nadded /usr/bin/tig 0\n");
	json_decref(j);
	j = diff_system(NULL);
	counts(j, 0, 0, 0);
	json_decref(j);
	json_decref(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(files_by_what_became_of_them),
	    cmocka_unit_test(a_mode_is_a_change_and_a_time_is_none),
	    cmocka_unit_test(many_files_are_counted_and_some_named),
	    cmocka_unit_test(names_are_safe_to_show_however_long),
	    cmocka_unit_test(packages_by_their_versions),
	    cmocka_unit_test(status_files_that_are_none),
	    cmocka_unit_test(what_every_container_gets_is_no_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
