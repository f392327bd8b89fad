/* Walking and mending a registry's file tree: see registry_tree.h. */
#include "engine/broker/registry_tree.h"

#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "engine/broker/check.h"

#define V2 "docker/registry/v2"
#define LINK_SIZE 71
#define MANIFEST_MAX (4u << 20) /* what the registry takes at most */
#define DEEPEST 10
#define NAME_MAX_ALL 1024

struct tree {
	int root;
	int removed;
	int64_t bytes;
};

typedef void entry_fn(struct tree *t, const char *path, const char *name, int depth);

/* Each entry of a folder: path is the whole name below root. */
static void each(struct tree *t, const char *dir, int depth, entry_fn *fn)
{
	int fd = path_open_dir(t->root, dir, NULL);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	char path[NAME_MAX_ALL];

	if (fd >= 0 && !d)
		close(fd);
	while (d && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) < sizeof(path))
			fn(t, path, e->d_name, depth);
	}
	if (d)
		closedir(d);
}

static void drop(struct tree *t, const char *path, const char *why)
{
	struct cl_err err = {0};

	if (path_remove(t->root, path, &err) < 0) {
		log_error("repository: %s: %s", path, err.message);
		return;
	}
	log_warn("repository: %s: %s: removed", path, why);
	t->removed++;
}

/* -- blobs -- */

/* A manifest or config, whose name is its hash: is it what it is called? */
static bool sound(struct tree *t, const char *file, const char *hex)
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	char have[2 * sizeof(hash) + 1];
	size_t len;
	cl_autofree char *text = path_read(t->root, file, MANIFEST_MAX, &len, NULL);

	if (!text)
		return true; /* it cannot be judged */
	if (text[0] != '{')
		return true; /* a layer: moved into place whole */
	crypto_hash_sha256(hash, (const unsigned char *)text, len);
	sodium_bin2hex(have, sizeof(have), hash, sizeof(hash));
	return strcmp(have, hex) == 0;
}

static void blob(struct tree *t, const char *path, const char *hex, int depth)
{
	char file[NAME_MAX_ALL + 8];
	struct stat st;

	snprintf(file, sizeof(file), "%s/data", path);
	if (path_stat(t->root, file, &st, NULL) < 0)
		drop(t, path, "empty");
	else if (st.st_size == 0)
		drop(t, path, "never written");
	else if (st.st_size <= (off_t)MANIFEST_MAX && !sound(t, file, hex))
		drop(t, path, "cut off");
}

static void blob_size(struct tree *t, const char *path, const char *hex, int depth)
{
	char file[NAME_MAX_ALL + 8];
	struct stat st;

	snprintf(file, sizeof(file), "%s/data", path);
	if (path_stat(t->root, file, &st, NULL) == 0)
		t->bytes += st.st_size;
}

static void blob_group(struct tree *t, const char *path, const char *name, int depth)
{
	each(t, path, 0, depth ? blob_size : blob);
}

/* -- repositories -- */

/* Does a link say which blob, and is it there? */
static bool linked(struct tree *t, const char *file)
{
	char data[NAME_MAX_ALL];
	size_t len;
	cl_autofree char *text = path_read(t->root, file, LINK_SIZE, &len, NULL);
	struct stat st;

	if (!text || len != LINK_SIZE || !check_digest(text))
		return false;
	snprintf(data, sizeof(data), V2 "/blobs/sha256/%.2s/%s/data", text + 7, text + 7);
	return path_stat(t->root, data, &st, NULL) == 0;
}

static void link_folder(struct tree *t, const char *path, const char *name, int depth)
{
	char file[NAME_MAX_ALL + 16];

	snprintf(file, sizeof(file), "%s/link", path);
	if (!linked(t, file))
		drop(t, path, "a link to nothing");
}

static void tag(struct tree *t, const char *path, const char *name, int depth)
{
	char file[NAME_MAX_ALL + 32];

	snprintf(file, sizeof(file), "%s/current/link", path);
	if (!linked(t, file)) {
		drop(t, path, "a tag of nothing");
		return;
	}
	snprintf(file, sizeof(file), "%s/index/sha256", path);
	each(t, file, 0, link_folder);
}

static void upload(struct tree *t, const char *path, const char *name, int depth)
{
	drop(t, path, "an upload that was cut off");
}

static void repository(struct tree *t, const char *path, const char *name, int depth)
{
	char below[NAME_MAX_ALL + 32];

	if (strcmp(name, "_uploads") == 0) {
		each(t, path, 0, upload);
	} else if (strcmp(name, "_layers") == 0) {
		snprintf(below, sizeof(below), "%s/sha256", path);
		each(t, below, 0, link_folder);
	} else if (strcmp(name, "_manifests") == 0) {
		snprintf(below, sizeof(below), "%s/revisions/sha256", path);
		each(t, below, 0, link_folder);
		snprintf(below, sizeof(below), "%s/tags", path);
		each(t, below, 0, tag);
	} else if (name[0] != '_' && depth < DEEPEST) {
		each(t, path, depth + 1, repository);
	}
}

int registry_tree_mend(int root)
{
	struct tree t = {.root = root};

	each(&t, V2 "/blobs/sha256", 0, blob_group);
	each(&t, V2 "/repositories", 0, repository);
	return t.removed;
}

int64_t registry_tree_size(int root)
{
	struct tree t = {.root = root};

	each(&t, V2 "/blobs/sha256", 1, blob_group);
	return t.bytes;
}
