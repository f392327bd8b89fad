/* Recipes of images: see recipe.h. */
#include "engine/broker/recipe.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/config.h"
#include "base/mem.h"
#include "base/path.h"
#include "engine/broker/check.h"
#include "engine/broker/docker.h"
#include "engine/broker/maven.h"
#include "engine/broker/pack.h"

#define FROM_PREFIX "FROM localhost/codinglab/"
#define RECIPE_MAX (1u << 16)

static char *read_text(const char *dir, const char *file, struct cl_err *err)
{
	cl_autoclose int root = path_root(dir, err);
	size_t len;

	return root < 0 ? NULL : path_read(root, file, RECIPE_MAX, &len, err);
}

static void find_parent(const char *text, char *out, size_t size)
{
	const char *at = strstr(text, FROM_PREFIX);

	out[0] = '\0';
	if (at) {
		at += sizeof(FROM_PREFIX) - 1;
		snprintf(out, size, "%.*s", (int)strcspn(at, ": \n"), at);
	}
}

/* The folder, and what the recipe takes from the configuration. */
static int make_context(const char *dir, const char *text, struct buf *tar, struct cl_err *err)
{
	struct maven m;
	int rc;

	if (!maven_is_wanted(text))
		return pack_folder(tar, dir, NULL, 0, err);
	if (maven_init(&m, config_str("images.maven_repositories"), err) < 0)
		return -1;
	rc = pack_folder(tar, dir, m.items, m.n, err);
	maven_clear(&m);
	return rc;
}

/* Of the context, which file of it is the recipe, and (for what starts from it) the root file system
 * as it lies there. */
static void make_hash(struct recipe *r, const struct broker *b, const char *file)
{
	unsigned char raw[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state s;
	struct stat st;

	crypto_hash_sha256_init(&s);
	crypto_hash_sha256_update(&s, (const unsigned char *)file, strlen(file) + 1);
	crypto_hash_sha256_update(&s, (const unsigned char *)r->context.data, r->context.len);
	if (strcmp(r->parent, "rootfs") == 0 && stat(b->place.rootfs, &st) == 0) {
		crypto_hash_sha256_update(&s, (const unsigned char *)&st.st_size, sizeof(st.st_size));
		crypto_hash_sha256_update(&s, (const unsigned char *)&st.st_mtim, sizeof(st.st_mtim));
	}
	crypto_hash_sha256_final(&s, raw);
	sodium_bin2hex(r->hash, sizeof(r->hash), raw, sizeof(raw));
}

int recipe_load(struct recipe *r, const struct broker *b, const char *folder, const char *file,
    struct cl_err *err)
{
	cl_autofree char *text = NULL;
	cl_autoclose int fd = -1;
	char dir[PLACE_PATH];

	memset(r, 0, sizeof(*r));
	buf_init(&r->context, PACK_MIB << 20);
	/* the folder of added stacks is the engine's to write: what is opened stays what it is */
	place_stack(&b->place, folder, dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, CL_NOT_FOUND, "stack %s", folder);
	snprintf(dir, sizeof(dir), "/proc/self/fd/%d", fd);
	text = read_text(dir, file, err);
	if (!text || make_context(dir, text, &r->context, err) < 0)
		return -1;
	find_parent(text, r->parent, sizeof(r->parent));
	make_hash(r, b, file);
	return 0;
}

void recipe_clear(struct recipe *r)
{
	buf_clear(&r->context);
}

bool recipe_is_current(const struct broker *b, const json_t *labels, const char *parent_digest)
{
	const char *folder = docker_str(labels, RECIPE_FOLDER), *file = docker_str(labels, RECIPE_FILE);
	struct recipe r;
	bool same;

	/* An application's own recipe may have written anything there. */
	if (!check_folder(folder) || !check_file(file) ||
	    strcmp(docker_str(labels, RECIPE_PARENT_DIGEST), parent_digest) != 0)
		return false;
	same = recipe_load(&r, b, folder, file, NULL) == 0 &&
	    strcmp(r.hash, docker_str(labels, RECIPE_LABEL)) == 0;
	recipe_clear(&r);
	return same;
}
