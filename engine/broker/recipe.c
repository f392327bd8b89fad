/* Recipes of images: see recipe.h. */
#include "engine/broker/recipe.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config.h"
#include "base/mem.h"
#include "base/path.h"
#include "engine/broker/check.h"
#include "engine/broker/docker.h"
#include "engine/broker/maven.h"
#include "engine/broker/pack.h"

#define FROM_PREFIX "FROM localhost/codinglab/"
#define RECIPE_MAX (1u << 16)
#define KNOWN_MAX 128
#define SETTLED_S 2 /* older changes are told apart by their times */

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

/* What an image is made of, before it is packed. */
struct source {
	char dir[PLACE_PATH]; /* through fd */
	int fd;
	char *text;           /* of the recipe */
	struct maven more;    /* what the recipe takes from the configuration */
};

static int source_open(struct source *s, const struct broker *b, const char *folder, const char *file,
    struct cl_err *err)
{
	memset(s, 0, sizeof(*s));
	/* the folder of added stacks is the engine's to write: what is opened stays what it is */
	place_stack(&b->place, folder, s->dir);
	s->fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->fd < 0)
		return err_errno(err, CL_NOT_FOUND, "stack %s", folder);
	snprintf(s->dir, sizeof(s->dir), "/proc/self/fd/%d", s->fd);
	s->text = read_text(s->dir, file, err);
	if (!s->text)
		return -1;
	return !maven_is_wanted(s->text) ? 0
	    : maven_init(&s->more, config_str("images.maven_repositories"), err);
}

static void source_close(struct source *s)
{
	if (s->fd >= 0)
		close(s->fd);
	mem_free(s->text);
	maven_clear(&s->more);
}

/* Of the context, which file of it is the recipe, and (for what starts from it) the root file system
 * as it lies there. */
static void make_hash(struct recipe *r, const struct broker *b, const char *file)
{
	unsigned char raw[crypto_hash_sha256_BYTES];
	const char *from = config_str("images.from"); /* instead of the file */
	crypto_hash_sha256_state s;
	struct stat st;

	crypto_hash_sha256_init(&s);
	crypto_hash_sha256_update(&s, (const unsigned char *)file, strlen(file) + 1);
	crypto_hash_sha256_update(&s, (const unsigned char *)r->context.data, r->context.len);
	if (strcmp(r->parent, "rootfs") == 0 && from[0]) {
		crypto_hash_sha256_update(&s, (const unsigned char *)from, strlen(from) + 1);
	} else if (strcmp(r->parent, "rootfs") == 0 && stat(b->place.rootfs, &st) == 0) {
		crypto_hash_sha256_update(&s, (const unsigned char *)&st.st_size, sizeof(st.st_size));
		crypto_hash_sha256_update(&s, (const unsigned char *)&st.st_mtim, sizeof(st.st_mtim));
	}
	crypto_hash_sha256_final(&s, raw);
	sodium_bin2hex(r->hash, sizeof(r->hash), raw, sizeof(raw));
}

static int load(struct recipe *r, const struct source *s, const struct broker *b, const char *file,
    struct cl_err *err)
{
	if (pack_folder(&r->context, s->dir, s->more.items, s->more.n, err) < 0)
		return -1;
	find_parent(s->text, r->parent, sizeof(r->parent));
	make_hash(r, b, file);
	return 0;
}

static void recipe_init(struct recipe *r)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->context, PACK_MIB << 20);
}

int recipe_load(struct recipe *r, const struct broker *b, const char *folder, const char *file,
    struct cl_err *err)
{
	struct source s;
	int rc;

	recipe_init(r);
	rc = source_open(&s, b, folder, file, err);
	if (rc == 0)
		rc = load(r, &s, b, file, err);
	source_close(&s);
	return rc;
}

void recipe_clear(struct recipe *r)
{
	buf_clear(&r->context);
}

/* Hashes of recipes, by what their files were then: a listing asks for all of them, and packs
 * and reads only what has changed since the one before. */
static struct known {
	char folder[64], file[64], hash[65];
	unsigned char stamp[PACK_STAMP];
} known[KNOWN_MAX];
static size_t nknown;

static struct known *known_slot(const char *folder, const char *file)
{
	for (size_t i = 0; i < nknown && i < KNOWN_MAX; i++)
		if (strcmp(known[i].folder, folder) == 0 && strcmp(known[i].file, file) == 0)
			return &known[i];
	return &known[nknown++ % KNOWN_MAX];
}

/* The stamp of a recipe; false where it may still change unseen, or has none. */
static bool make_stamp(const struct source *s, const struct broker *b, unsigned char stamp[PACK_STAMP])
{
	struct pack_item more[MAVEN_MAX + 2];
	struct timespec newest, now;
	cl_autofree char *rootfs = NULL;
	struct stat st = {0};

	stat(b->place.rootfs, &st); /* zeros where there is none */
	rootfs = mem_printf("%lld %lld %lld", (long long)st.st_size, (long long)st.st_mtim.tv_sec,
	    (long long)st.st_mtim.tv_nsec);
	for (size_t i = 0; i < s->more.n; i++)
		more[i] = s->more.items[i];
	more[s->more.n] = (struct pack_item){.name = "rootfs", .text = rootfs};
	if (pack_stamp(s->dir, more, s->more.n + 1, stamp, &newest, NULL) < 0)
		return false;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec - newest.tv_sec >= SETTLED_S;
}

/* What recipe_load() would say of its hash. */
static bool hash_of(const struct broker *b, const char *folder, const char *file, char hash[65])
{
	unsigned char stamp[PACK_STAMP] = {0};
	bool ok = false, settled = false;
	struct known *k = known_slot(folder, file);
	struct recipe r;
	struct source s;

	recipe_init(&r);
	if (source_open(&s, b, folder, file, NULL) == 0) {
		settled = make_stamp(&s, b, stamp);
		ok = settled && k->hash[0] && memcmp(k->stamp, stamp, sizeof(stamp)) == 0;
		if (!ok && load(&r, &s, b, file, NULL) == 0) {
			ok = true;
			snprintf(k->folder, sizeof(k->folder), "%s", folder);
			snprintf(k->file, sizeof(k->file), "%s", file);
			memcpy(k->stamp, stamp, sizeof(stamp));
			memcpy(k->hash, r.hash, sizeof(k->hash));
		}
	}
	memcpy(hash, ok ? k->hash : "", ok ? sizeof(k->hash) : 1);
	if (!settled)
		k->hash[0] = '\0'; /* a change in this very second would not be seen */
	recipe_clear(&r);
	source_close(&s);
	return ok;
}

bool recipe_is_current(const struct broker *b, const json_t *labels, const char *parent_digest)
{
	const char *folder = docker_str(labels, RECIPE_FOLDER), *file = docker_str(labels, RECIPE_FILE);
	char hash[65];

	/* An application's own recipe may have written anything there. */
	if (!check_folder(folder) || !check_file(file) ||
	    strcmp(docker_str(labels, RECIPE_PARENT_DIGEST), parent_digest) != 0)
		return false;
	return hash_of(b, folder, file, hash) && strcmp(hash, docker_str(labels, RECIPE_LABEL)) == 0;
}
