/* A registry's files after a full disk or a lost machine: what is cut goes, what is whole stays, and nothing elsewhere. */
#include "tests/unit/broker/head.h"

#include <fcntl.h>
#include <sodium.h>

#include "base/path.h"
#include "engine/broker/registry_tree.h"

#define V2 "docker/registry/v2"
#define REPO V2 "/repositories/alice/shop"
#define NOTHING "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char dir[] = "/var/tmp/cl-tree-XXXXXX";
static int root = -1;

static int setup(void **state)
{
	mem_copy_str(dir, sizeof(dir), "/var/tmp/cl-tree-XXXXXX");
	if (sodium_init() < 0 || !mkdtemp(dir))
		return -1;
	root = path_root(dir, NULL);
	return root < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	char *slash = strrchr(dir, '/');
	int above;

	close(root);
	*slash = '\0';
	above = path_root(dir, NULL);
	*slash = '/';
	if (path_remove(above, slash + 1, NULL) < 0)
		return -1;
	return close(above);
}

/* A file with its folders. */
static void put(const char *name, const char *text)
{
	char part[512];
	int fd;

	for (const char *p = strchr(name, '/'); p; p = strchr(p + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(p - name), name);
		(void)mkdirat(root, part, 0755);
	}
	fd = openat(root, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static bool there(const char *name)
{
	struct stat st;

	return path_stat(root, name, &st, NULL) == 0;
}

static void digest(const char *text, char hex[65])
{
	unsigned char hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, (const unsigned char *)text, strlen(text));
	sodium_bin2hex(hex, 65, hash, sizeof(hash));
}

/* A blob under the digest of `named`, holding `text`: the same when it is whole. */
static void blob(const char *named, const char *text, char hex[65])
{
	char name[256];

	digest(named, hex);
	snprintf(name, sizeof(name), V2 "/blobs/sha256/%.2s/%s/data", hex, hex);
	put(name, text);
}

static bool has_blob(const char *hex)
{
	char name[256];

	snprintf(name, sizeof(name), V2 "/blobs/sha256/%.2s/%s", hex, hex);
	return there(name);
}

static void put_link(const char *at, const char *hex)
{
	char name[512], text[80];

	snprintf(name, sizeof(name), REPO "/%s/link", at);
	snprintf(text, sizeof(text), "sha256:%s", hex);
	put(name, text);
}

static void test_what_is_whole_stays(void **state)
{
	char manifest[65], layer[65], at[200];

	blob("{\"schemaVersion\": 2}", "{\"schemaVersion\": 2}", manifest);
	blob("the bytes of a layer", "the bytes of a layer", layer);
	snprintf(at, sizeof(at), "_layers/sha256/%s", layer);
	put_link(at, layer);
	snprintf(at, sizeof(at), "_manifests/revisions/sha256/%s", manifest);
	put_link(at, manifest);
	put_link("_manifests/tags/r1/current", manifest);
	snprintf(at, sizeof(at), "_manifests/tags/r1/index/sha256/%s", manifest);
	put_link(at, manifest);
	assert_int_equal(registry_tree_mend(root), 0);
	assert_true(has_blob(manifest) && has_blob(layer));
	assert_true(there(REPO "/_manifests/tags/r1/current/link"));
	assert_int_equal(registry_tree_size(root), 20 + 20);
}

static void test_an_empty_storage_is_whole(void **state)
{
	assert_int_equal(registry_tree_mend(root), 0);
	assert_int_equal(registry_tree_size(root), 0);
	put(V2 "/repositories/.keep", ""); /* no folder where one is looked for */
	assert_int_equal(registry_tree_mend(root), 0);
}

static void test_blobs_that_were_cut(void **state)
{
	char cut[65], empty[65], layer[65], folder[65], name[256];

	blob("{\"schemaVersion\": 2}", "{\"schemaVer", cut);
	blob("{\"never\": \"written\"}", "", empty);
	blob("a layer whose bytes are others", "of a layer nobody reads the hash", layer);
	digest("a folder without its file", folder);
	snprintf(name, sizeof(name), V2 "/blobs/sha256/%.2s/%s/other", folder, folder);
	put(name, "x");
	assert_int_equal(registry_tree_mend(root), 3);
	assert_false(has_blob(cut) || has_blob(empty) || has_blob(folder));
	assert_true(has_blob(layer)); /* layers are moved into place whole: they are not read again */
	assert_int_equal(registry_tree_mend(root), 0);
}

static void test_links_to_nothing(void **state)
{
	char manifest[65], cut[65], at[200];

	blob("{\"a\": 1}", "{\"a\": 1}", manifest);
	blob("{\"b\": 1}", "{\"b\"", cut); /* goes itself, and with it what says its name */
	put_link("_layers/sha256/" NOTHING, NOTHING);
	snprintf(at, sizeof(at), "_manifests/revisions/sha256/%s", cut);
	put_link(at, cut);
	put_link("_manifests/tags/good/current", manifest);
	put_link("_manifests/tags/cut/current", cut);
	put_link("_manifests/tags/good/index/sha256/" NOTHING, NOTHING);
	snprintf(at, sizeof(at), "_manifests/tags/good/index/sha256/%s", manifest);
	put_link(at, manifest);
	assert_int_equal(registry_tree_mend(root), 5);
	assert_true(there(REPO "/_manifests/tags/good/current/link"));
	snprintf(at, sizeof(at), REPO "/_manifests/tags/good/index/sha256/%s/link", manifest);
	assert_true(there(at));
	assert_false(there(REPO "/_manifests/tags/cut"));
	assert_false(there(REPO "/_layers/sha256/" NOTHING));
	assert_false(there(REPO "/_manifests/tags/good/index/sha256/" NOTHING));
}

/* Created, and then the disk was full. */
static void test_links_that_were_never_written(void **state)
{
	char manifest[65];

	blob("{\"a\": 1}", "{\"a\": 1}", manifest);
	put(REPO "/_manifests/tags/empty/current/link", "");
	put(REPO "/_manifests/tags/half/current/link", "sha256:0123");
	put(REPO "/_manifests/tags/long/current/link", "sha256:" NOTHING "0");
	put(REPO "/_manifests/tags/dots/current/link",
	    "sha256:../../../../../../../../../../../../../../../../../etc/passwd00");
	assert_int_equal(registry_tree_mend(root), 4);
	assert_true(there(REPO "/_manifests/tags"));
	assert_false(there(REPO "/_manifests/tags/empty"));
}

static void test_uploads_and_deep_names(void **state)
{
	put(REPO "/_uploads/7b0c/data", "half a layer");
	put(REPO "/_uploads/7b0c/startedat", "2026");
	put(V2 "/repositories/i1/app/p1/_uploads/99/data", "x");
	put(V2 "/repositories/a/b/c/d/e/f/g/h/i/_uploads/1/data", "x");
	assert_int_equal(registry_tree_mend(root), 3);
	assert_true(there(REPO "/_uploads"));
	assert_false(there(REPO "/_uploads/7b0c"));
	assert_false(there(V2 "/repositories/a/b/c/d/e/f/g/h/i/_uploads/1"));
}

/* Whoever got to write into the storage leads nobody out of it. */
static void test_links_of_the_file_system_lead_nowhere(void **state)
{
	char outside[] = "/var/tmp/cl-else-XXXXXX", file[64];
	struct stat st;
	int fd;

	assert_non_null(mkdtemp(outside));
	snprintf(file, sizeof(file), "%s/kept", outside);
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	put(REPO "/_layers/.keep", "");
	assert_int_equal(symlinkat(outside, root, REPO "/_uploads"), 0);
	put(V2 "/blobs/sha256/.keep", "");
	assert_int_equal(symlinkat(outside, root, V2 "/blobs/sha256/ab"), 0);
	(void)registry_tree_mend(root);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(rmdir(outside), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_what_is_whole_stays, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_an_empty_storage_is_whole, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_blobs_that_were_cut, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_links_to_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_links_that_were_never_written, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_uploads_and_deep_names, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_links_of_the_file_system_lead_nowhere, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
