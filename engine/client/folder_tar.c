/* The tar of a folder, read by libarchive: the only file of the client that needs it. */
#include "engine/client/folder_tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "engine/client/folder.h"
#include "engine/client/folder_internal.h"

#define ENTRIES_MAX 2000 /* folders too */

static bool leads_elsewhere(const char *path)
{
	const char *part = path;

	if (path[0] == '/' || !path[0])
		return true;
	while (part) {
		size_t n = strcspn(part, "/");

		if (n == 2 && strncmp(part, "..", 2) == 0)
			return true;
		part = part[n] ? part + n + 1 : NULL;
	}
	return false;
}

static int take_entry(struct folder_list *l, struct archive *a, struct archive_entry *e,
    struct cl_err *err)
{
	const char *path = archive_entry_pathname(e);
	cl_autofree char *data = mem_alloc(FOLDER_FILE_MAX + 1);
	size_t n = 0;
	la_ssize_t got;

	if (!path || !utf8_valid(path, strlen(path)))
		return folder_internal_refuse(err, "", "a path is not UTF-8");
	if (leads_elsewhere(path))
		return folder_internal_refuse(err, path, "the path leads elsewhere");
	if (archive_entry_filetype(e) == AE_IFDIR)
		return 0;
	if (archive_entry_filetype(e) != AE_IFREG || archive_entry_hardlink(e))
		return folder_internal_refuse(err, path, "is a link or a special file");
	while (n <= FOLDER_FILE_MAX &&
	    (got = archive_read_data(a, data + n, FOLDER_FILE_MAX + 1 - n)) > 0)
		n += (size_t)got;
	if (n > FOLDER_FILE_MAX)
		return folder_internal_refuse(err, path, "is larger than 1 MiB");
	if (got < 0)
		return folder_internal_refuse(err, path, "the archive is damaged");
	while (strncmp(path, "./", 2) == 0)
		path += 2;
	return folder_internal_add(l, path, archive_entry_perm(e) & 0111, data, n, err);
}

/* "mystack/stack.json", "mystack/template/x" -> "stack.json", "template/x" */
static void strip(json_t *files)
{
	const char *first = json_string_value(json_object_get(json_array_get(files, 0), "path"));
	size_t n = first ? strcspn(first, "/") : 0, i;
	json_t *f;

	if (!first || !first[n])
		return;
	json_array_foreach(files, i, f)
		if (strncmp(json_string_value(json_object_get(f, "path")), first, n + 1) != 0)
			return;
	/* the first one's name is changed last: the others are compared with it no more */
	json_array_foreach(files, i, f) {
		cl_autofree char *rest = mem_strdup(json_string_value(json_object_get(f, "path")) + n + 1);

		json_object_set_new(f, "path", json_string(rest));
	}
}

static int read_tar(struct folder_list *l, struct archive *a, const char *data, size_t n,
    struct cl_err *err)
{
	struct archive_entry *e;
	int rc, entries = 0;

	archive_read_support_format_tar(a);
	archive_read_support_filter_gzip(a);
	if (archive_read_open_memory(a, data, n) != ARCHIVE_OK)
		return err_set(err, CL_USAGE, "stack: this is no tar: %s", archive_error_string(a));
	while ((rc = archive_read_next_header(a, &e)) == ARCHIVE_OK || rc == ARCHIVE_WARN) {
		if (++entries > ENTRIES_MAX)
			return err_set(err, CL_TOO_LARGE, "stack: more than %d entries", ENTRIES_MAX);
		if (take_entry(l, a, e, err) < 0)
			return -1;
	}
	return rc == ARCHIVE_EOF && entries > 0 ? 0
	    : err_set(err, CL_USAGE, "stack: the tar is damaged or empty");
}

json_t *folder_tar_read(const char *data, size_t n, struct cl_err *err)
{
	struct folder_list l = {.files = json_array()};
	struct archive *a = archive_read_new();
	int rc;

	if (!a)
		return folder_internal_end(&l, err_set(err, CL_FAILED, "stack: no memory for the tar"));
	rc = read_tar(&l, a, data, n, err);
	archive_read_free(a);
	if (rc == 0)
		strip(l.files);
	return folder_internal_end(&l, rc);
}
