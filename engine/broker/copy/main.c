/*
 * codinglab-copy: what COPY of a project's Containerfile does, as a program in the build's container
 * (engine/broker/stage.h), so that no process with rights outside of it ever handles these files.  It is
 * linked statically, since it must run in any image, an empty one too.
 *
 *   codinglab-copy wait                          be the container's first process
 *   codinglab-copy folder DIR USER               make DIR with its parents
 *   codinglab-copy copy ROOT [--chown=U[:G]] [--chmod=OCTAL] [--ignore=FILE] SOURCE... DEST
 *   codinglab-copy keep ROOT SOURCE... DEST      copy to DEST/SOURCE, for another stage to take
 *
 * Sources are patterns beneath ROOT; a folder gives its contents.  DEST is absolute.
 */
#include "engine/broker/copy/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Field n (from 0) of the line of `name` in a file like /etc/passwd; -1 when there is none. */
static long lookup(const char *file, const char *name, int n)
{
	char line[1024], *p;
	FILE *f = fopen(file, "re");
	size_t len = strlen(name);
	long id = -1;

	while (f && id < 0 && fgets(line, sizeof(line), f)) {
		if (strncmp(line, name, len) != 0 || line[len] != ':')
			continue;
		p = line;
		for (int i = 0; i < n && p; i++)
			p = strchr(p, ':') ? strchr(p, ':') + 1 : NULL;
		if (p)
			id = strtol(p, NULL, 10);
	}
	if (f)
		fclose(f);
	return id;
}

static long id_of(const char *name, const char *file, int field)
{
	char *end;
	long id = strtol(name, &end, 10);

	if (*name && *end == '\0' && id >= 0)
		return id;
	id = lookup(file, name, field);
	if (id < 0) {
		errno = 0;
		tree_die("the image has no such user or group", name);
	}
	return id;
}

static void owner(const char *text, struct tree_how *how)
{
	char user[128];
	const char *colon = strchr(text, ':');

	snprintf(user, sizeof(user), "%.*s", colon ? (int)(colon - text) : 127, text);
	how->uid = (uid_t)id_of(*user ? user : "0", "/etc/passwd", 2);
	if (colon && colon[1])
		how->gid = (gid_t)id_of(colon + 1, "/etc/group", 2);
	else if (lookup("/etc/passwd", user, 3) >= 0)
		how->gid = (gid_t)lookup("/etc/passwd", user, 3);
	else
		how->gid = (gid_t)how->uid;
}

/* A source as a path beneath the root: no way up. */
static const char *beneath(const char *source)
{
	while (*source == '/' || strncmp(source, "./", 2) == 0)
		source += *source == '/' ? 1 : 2;
	if (strcmp(source, ".") == 0)
		return "";
	for (const char *p = source; (p = strstr(p, "..")) != NULL; p += 2)
		if ((p == source || p[-1] == '/') && (p[2] == '/' || p[2] == '\0')) {
			errno = 0;
			tree_die("leads out of what is built", source);
		}
	return source;
}

/* "/app/x" -> "x" */
static const char *leaf(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The folder in which dest is to be. */
static void parent(const char *dest, const struct tree_how *how)
{
	char dir[COPY_PATH];
	const char *slash = strrchr(dest, '/');

	if (!slash || slash == dest || slash - dest >= COPY_PATH)
		return;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - dest), dest);
	tree_folder(dir, how);
}

static void one(int root, const char *rel, const char *dest, bool into, const struct tree_how *how)
{
	char to[COPY_PATH], *end;
	struct stat st;
	bool folder = *rel == '\0' || (fstatat(root, rel, &st, 0) == 0 && S_ISDIR(st.st_mode));

	if (how->ignore && *rel && ignore_skips(rel) && !(folder && ignore_has_exceptions())) {
		errno = 0;
		tree_die("left out by .dockerignore", rel);
	}
	if (snprintf(to, sizeof(to), !folder && into ? "%s/%s" : "%s", dest, leaf(rel)) >= COPY_PATH) {
		errno = ENAMETOOLONG;
		tree_die("", dest);
	}
	for (end = to + strlen(to); end > to + 1 && end[-1] == '/';)
		*--end = '\0';
	parent(to, how);
	tree_copy(root, rel, to, how);
}

static void each(int root, const char *source, const char *dest, bool into, bool keep,
    const struct tree_how *how)
{
	glob_t g = {0};
	char to[COPY_PATH];

	source = beneath(source);
	if (!strpbrk(source, "*?[") || glob(source, 0, NULL, &g) != 0) {
		g.gl_pathc = 0;
		if (strpbrk(source, "*?[")) {
			errno = ENOENT;
			tree_die("", source);
		}
		snprintf(to, sizeof(to), keep && *source ? "%s/%s" : "%s", dest, source);
		one(root, source, to, into && !keep, how);
	}
	for (size_t i = 0; i < g.gl_pathc; i++) {
		if (how->ignore && ignore_skips(g.gl_pathv[i]))
			continue;
		snprintf(to, sizeof(to), keep ? "%s/%s" : "%s", dest, g.gl_pathv[i]);
		one(root, g.gl_pathv[i], to, into && !keep, how);
	}
	globfree(&g);
}

static int copy(int argc, char **argv, bool keep)
{
	struct tree_how how = {.own = !keep};
	int root, i = 1;
	const char *dest;
	bool into;

	if (argc < 3)
		return 2;
	root = open(argv[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || fchdir(root) < 0)
		tree_die("", argv[0]);
	for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		if (strncmp(argv[i], "--chown=", 8) == 0)
			owner(argv[i] + 8, &how);
		if (strncmp(argv[i], "--chmod=", 8) == 0) {
			how.mode = (mode_t)strtoul(argv[i] + 8, NULL, 8) & 07777;
			how.has_mode = true;
		}
		if (strncmp(argv[i], "--ignore=", 9) == 0) {
			ignore_load(root, argv[i] + 9);
			how.ignore = true;
		}
	}
	if (argc - i < 2)
		return 2;
	dest = argv[argc - 1];
	into = argc - i > 2 || dest[strlen(dest) - 1] == '/' || is_folder(dest) ||
	    strpbrk(argv[i], "*?[") != NULL;
	umask(0);
	for (; i < argc - 1; i++)
		each(root, argv[i], dest, into, keep, &how);
	return 0;
}

static int stay(void) __attribute__((noreturn));

/* Children of programs that ended come to us: nobody else reaps them. */
static int stay(void)
{
	signal(SIGCHLD, SIG_IGN);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "wait") == 0)
		stay();
	if (argc == 4 && strcmp(argv[1], "folder") == 0) {
		struct tree_how how = {.own = true};

		owner(argv[3], &how);
		tree_folder(argv[2], &how);
		return 0;
	}
	if (argc > 4 && strcmp(argv[1], "copy") == 0)
		return copy(argc - 2, argv + 2, false);
	if (argc > 4 && strcmp(argv[1], "keep") == 0)
		return copy(argc - 2, argv + 2, true);
	fprintf(stderr, "usage: codinglab-copy wait | folder DIR USER | copy ROOT SOURCE... DEST | "
	    "keep ROOT SOURCE... DEST\n");
	return 2;
}
