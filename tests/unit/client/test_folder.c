/*
 * Folders and tars as bodies of requests: what a stack's folder holds and nothing else, the same from
 * both; links, devices, paths that lead elsewhere, and ceilings, each refused by name.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <archive.h>
#include <archive_entry.h>
#include <sodium.h>

#include "base/buf.h"
#include "base/mem.h"
#include "engine/client/folder.h"
#include "engine/client/folder_tar.h"

static char dir[64];

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/cl-folder-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char line[128];

	snprintf(line, sizeof(line), "rm -rf %s", dir);
	return system(line); /* our own temporary folder */
}

static const char *at(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void put(const char *name, const void *data, size_t n, mode_t mode)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, n), n);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* "path[*]=text" of each file (* where it is executable), a line each. */
static void lists(json_t *files, const char *want)
{
	struct buf b;
	json_t *f;
	size_t i;

	assert_non_null(files);
	buf_init(&b, 1 << 20);
	json_array_foreach(files, i, f) {
		const char *data = json_string_value(json_object_get(f, "data"));
		char text[256] = "";
		size_t n = 0;

		assert_int_equal(sodium_base642bin((unsigned char *)text, sizeof(text) - 1, data, strlen(data),
		    NULL, &n, NULL, sodium_base64_VARIANT_ORIGINAL), 0);
		buf_printf(&b, "%s%s=%s\n", json_string_value(json_object_get(f, "path")),
		    json_is_true(json_object_get(f, "exec")) ? "*" : "", text);
	}
	assert_string_equal(b.data ? b.data : "", want);
	buf_clear(&b);
	json_decref(files);
}

static void refused(json_t *files, const struct cl_err *err, enum cl_code code, const char *why)
{
	if (files)
		fail_msg("taken, though \"%s\"", why);
	if (err->code != code || !strstr(err->message, why))
		fail_msg("\"%s\" instead of \"%s\"", err->message, why);
}

static void a_folder_is_read_in_order_with_what_is_in_it(void **state)
{
	mkdir(at("template"), 0755);
	mkdir(at("template/sub"), 0755);
	mkdir(at(".git"), 0755);
	put(".git/config", "secret", 6, 0644);
	put("stack.json", "{}", 2, 0644);
	put("template/sub/run", "#!/bin/sh", 9, 0755);
	put("template/재고.py", "x", 1, 0644);
	put(".gitignore", "*.pyc", 5, 0600);
	put("empty", "", 0, 0644);
	lists(folder_read(dir, NULL),
	    ".gitignore=*.pyc\nempty=\nstack.json={}\ntemplate/sub/run*=#!/bin/sh\ntemplate/재고.py=x\n");
}

static void what_is_no_plain_file_is_refused_by_name(void **state)
{
	struct cl_err err = {0};

	assert_int_equal(symlink("/etc/shadow", at("link")), 0);
	refused(folder_read(dir, &err), &err, CL_USAGE, "stack: link: is a link or a special file");
	unlink(at("link"));
	err_clear(&err);
	assert_int_equal(mkfifo(at("pipe"), 0644), 0);
	refused(folder_read(dir, &err), &err, CL_USAGE, "stack: pipe: is a link");
	unlink(at("pipe"));
	err_clear(&err);
	put("\xff.py", "", 0, 0644);
	refused(folder_read(dir, &err), &err, CL_USAGE, "stack: (name): is not UTF-8");
	unlink(at("\xff.py"));
	err_clear(&err);
	refused(folder_read(at("none"), &err), &err, CL_NOT_FOUND, "none");
	err_clear(&err);
	put("file", "", 0, 0644);
	assert_null(folder_read(at("file"), &err));
	assert_non_null(strstr(err.message, "file: Not a directory"));
}

static void ceilings_of_a_folder(void **state)
{
	cl_autofree char *big = mem_alloc(FOLDER_FILE_MAX + 1);
	struct cl_err err = {0};
	char name[256] = "d";

	put("big", big, FOLDER_FILE_MAX + 1, 0644);
	refused(folder_read(dir, &err), &err, CL_USAGE, "stack: big: is larger than 1 MiB");
	err_clear(&err);
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), i ? "big%d" : "big", i);
		put(name, big, FOLDER_FILE_MAX, 0644);
	}
	json_decref(folder_read(dir, &err));
	assert_int_equal(err.code, CL_OK); /* 4 MiB are allowed, one byte more is not */
	put("one", "x", 1, 0644);
	refused(folder_read(dir, &err), &err, CL_TOO_LARGE, "more than 4 MiB");
	err_clear(&err);
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), i ? "big%d" : "big", i);
		unlink(at(name));
	}
	for (int i = 0; i < FOLDER_FILES; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		put(name, "", 0, 0644);
	}
	refused(folder_read(dir, &err), &err, CL_TOO_LARGE, "more than 500 files");
}

static void depth_ends(void **state)
{
	struct cl_err err = {0};
	char name[256] = "d";

	for (int i = 0; i < 8; i++) {
		assert_int_equal(mkdir(at(name), 0755), 0);
		strncat(name, "/d", sizeof(name) - strlen(name) - 1);
	}
	put("d/d/d/d/d/d/d/d/x", "8", 1, 0644);
	lists(folder_read(dir, NULL), "d/d/d/d/d/d/d/d/x=8\n");
	assert_int_equal(mkdir(at(name), 0755), 0);
	refused(folder_read(dir, &err), &err, CL_USAGE, "is too deep");
}

/* ---- tars ---- */

static struct buf tar;
static struct archive *writer;

static la_ssize_t write_cb(struct archive *a, void *arg, const void *data, size_t n)
{
	return buf_add(&tar, data, n) < 0 ? -1 : (la_ssize_t)n;
}

static void begin(bool gzip)
{
	buf_clear(&tar);
	buf_init(&tar, 64 << 20);
	writer = archive_write_new();
	archive_write_set_format_pax_restricted(writer);
	archive_write_set_bytes_in_last_block(writer, 1);
	if (gzip)
		archive_write_add_filter_gzip(writer);
	assert_int_equal(archive_write_open(writer, NULL, NULL, write_cb, NULL), ARCHIVE_OK);
}

static void entry(const char *name, unsigned type, const char *link, const void *data, size_t n, int mode)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, type);
	archive_entry_set_perm(e, (mode_t)mode);
	archive_entry_set_size(e, (la_int64_t)n);
	if (link && type == AE_IFLNK)
		archive_entry_set_symlink(e, link);
	else if (link)
		archive_entry_set_hardlink(e, link);
	assert_true(archive_write_header(writer, e) >= ARCHIVE_WARN);
	if (n)
		assert_int_equal(archive_write_data(writer, data, n), n);
	archive_entry_free(e);
}

static json_t *untar(struct cl_err *err)
{
	archive_write_close(writer);
	archive_write_free(writer);
	return folder_tar_read(tar.data, tar.len, err);
}

static void a_tar_gives_the_same_with_and_without_its_folder(void **state)
{
	static const char want[] = "stack.json={}\ntemplate/run*=go\n";
	static const char *const prefixes[] = {"", "./", "mystack/", "./mystack/"};

	for (size_t i = 0; i < CL_COUNT(prefixes) * 2; i++) {
		cl_autofree char *json = mem_printf("%sstack.json", prefixes[i / 2]);
		cl_autofree char *folder = mem_printf("%stemplate", prefixes[i / 2]);
		cl_autofree char *run = mem_printf("%stemplate/run", prefixes[i / 2]);

		begin(i % 2);
		entry(json, AE_IFREG, NULL, "{}", 2, 0644);
		entry(folder, AE_IFDIR, NULL, NULL, 0, 0755);
		entry(run, AE_IFREG, NULL, "go", 2, 0755);
		lists(untar(NULL), want);
	}
	begin(false); /* two folders side by side are what they are */
	entry("a/x", AE_IFREG, NULL, "1", 1, 0644);
	entry("ab/y", AE_IFREG, NULL, "2", 1, 0644);
	lists(untar(NULL), "a/x=1\nab/y=2\n");
}

static void hostile_tars_are_refused_by_name(void **state)
{
	static const struct {
		const char *name;
		unsigned type;
		const char *link, *why;
	} rows[] = {
	    {"../x", AE_IFREG, NULL, "../x: the path leads elsewhere"},
	    {"a/../../x", AE_IFREG, NULL, "the path leads elsewhere"},
	    {"a/..", AE_IFDIR, NULL, "the path leads elsewhere"},
	    {"/etc/x", AE_IFREG, NULL, "/etc/x: the path leads elsewhere"},
	    {"l", AE_IFLNK, "/etc/passwd", "l: is a link or a special file"},
	    {"h", AE_IFREG, "stack.json", "h: is a link or a special file"},
	    {"p", AE_IFIFO, NULL, "p: is a link or a special file"},
	    {"c", AE_IFCHR, NULL, "c: is a link or a special file"},
	};

	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		struct cl_err err = {0};

		begin(false);
		entry("stack.json", AE_IFREG, NULL, "{}", 2, 0644);
		entry(rows[i].name, rows[i].type, rows[i].link, NULL, 0, 0644);
		refused(untar(&err), &err, CL_USAGE, rows[i].why);
	}
}

static void ceilings_of_a_tar(void **state)
{
	cl_autofree char *big = mem_alloc(FOLDER_FILE_MAX + 1);
	struct cl_err err = {0};
	char name[64];

	begin(true); /* a bomb: some KB that would be a GB */
	entry("bomb", AE_IFREG, NULL, big, FOLDER_FILE_MAX + 1, 0644);
	refused(untar(&err), &err, CL_USAGE, "bomb: is larger than 1 MiB");
	err_clear(&err);
	begin(true);
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		entry(name, AE_IFREG, NULL, big, FOLDER_FILE_MAX, 0644);
	}
	refused(untar(&err), &err, CL_TOO_LARGE, "more than 4 MiB");
	err_clear(&err);
	begin(true);
	for (int i = 0; i < 2001; i++)
		entry("d", AE_IFDIR, NULL, NULL, 0, 0755);
	refused(untar(&err), &err, CL_TOO_LARGE, "more than 2000 entries");
}

static void what_is_no_whole_tar_is_refused(void **state)
{
	struct cl_err err = {0};

	refused(folder_tar_read("", 0, &err), &err, CL_USAGE, "");
	err_clear(&err);
	refused(folder_tar_read("this is no archive at all", 25, &err), &err, CL_USAGE, "tar");
	for (int gzip = 0; gzip < 2; gzip++) {
		begin(gzip);
		entry("stack.json", AE_IFREG, NULL, "{}", 2, 0644);
		for (int i = 0; i < 40; i++) {
			char text[600];

			memset(text, 'a' + i % 26, sizeof(text));
			entry("more", AE_IFREG, NULL, text, sizeof(text), 0644);
		}
		archive_write_close(writer);
		archive_write_free(writer);
		for (size_t cut = 1; cut < tar.len / 2; cut += tar.len / 23) {
			json_t *files = folder_tar_read(tar.data, cut, NULL);

			/* a cut at the end of an entry cannot be told from a short tar */
			if (files && gzip)
				fail_msg("a gzip cut at %zu of %zu was taken", cut, tar.len);
			json_decref(files);
		}
	}
	buf_clear(&tar);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(a_folder_is_read_in_order_with_what_is_in_it), T(what_is_no_plain_file_is_refused_by_name),
	    T(ceilings_of_a_folder), T(depth_ends), T(a_tar_gives_the_same_with_and_without_its_folder),
	    T(hostile_tars_are_refused_by_name), T(ceilings_of_a_tar), T(what_is_no_whole_tar_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
