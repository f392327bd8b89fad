/*
 * .dockerignore: one pattern a line, the last that fits decides, '!' takes back.  A pattern that fits a
 * folder fits all beneath it.  '*' and '?' stay within a part of the path, '**' is any number of parts.
 */
#include "engine/broker/copy/copy.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATTERNS 1000

static struct {
	char *text;
	bool back;
} patterns[PATTERNS];
static size_t npatterns;
static char texts[65536];
static size_t used;
static bool exceptions;

static void add(char *line)
{
	char *end = line + strcspn(line, "\r\n");
	size_t n;
	bool back;

	while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = '\0';
	line += strspn(line, " \t");
	if (*line == '\0' || *line == '#' || npatterns == PATTERNS)
		return;
	back = *line == '!';
	line += back;
	while (*line == '/' || strncmp(line, "./", 2) == 0)
		line += *line == '/' ? 1 : 2;
	for (end = line + strlen(line); end > line && end[-1] == '/';)
		*--end = '\0';
	if (*line == '\0')
		return;
	n = strlen(line) + 1;
	if (n > sizeof(texts) - used)
		tree_die("more than 64 KiB of patterns", ".dockerignore");
	patterns[npatterns].text = memcpy(texts + used, line, n);
	used += n;
	patterns[npatterns++].back = back;
	exceptions = exceptions || back;
}

void ignore_load(int root, const char *name)
{
	char line[COPY_PATH];
	int fd = openat(root, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

	while (f && fgets(line, sizeof(line), f))
		add(line);
	if (f)
		fclose(f);
}

/* One part of the path against one of the pattern. */
static bool part_fits(const char *pattern, size_t np, const char *path, size_t n)
{
	char a[COPY_PATH], b[COPY_PATH];

	if (np >= sizeof(a) || n >= sizeof(b))
		return false;
	memcpy(a, pattern, np);
	a[np] = '\0';
	memcpy(b, path, n);
	b[n] = '\0';
	return fnmatch(a, b, 0) == 0;
}

/* The whole pattern against the path or the beginning of it that ends at a '/'. */
static bool fits(const char *pattern, const char *path)
{
	size_t np = strcspn(pattern, "/"), n = strcspn(path, "/");

	if (*pattern == '\0')
		return true;
	if (np == 2 && memcmp(pattern, "**", 2) == 0) {
		pattern += 2 + (pattern[2] == '/');
		if (*pattern == '\0')
			return *path != '\0';
		for (;; path += n + 1) {
			if (fits(pattern, path))
				return true;
			n = strcspn(path, "/");
			if (path[n] == '\0')
				return false;
		}
	}
	if (*path == '\0' || !part_fits(pattern, np, path, n))
		return false;
	if (pattern[np] == '\0')
		return true;
	return path[n] == '/' && fits(pattern + np + 1, path + n + 1);
}

bool ignore_skips(const char *rel)
{
	bool skip = false;

	for (size_t i = 0; i < npatterns; i++)
		if (skip == patterns[i].back && fits(patterns[i].text, rel))
			skip = !patterns[i].back;
	return skip;
}

bool ignore_has_exceptions(void)
{
	return exceptions;
}
