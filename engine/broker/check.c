/* What a name in a request may look like: see check.h. */
#include "engine/broker/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

/* first of `first`, the rest of `rest`, at most max bytes, not ending in '-' or '.'. */
static bool shape(const char *s, const char *first, const char *rest, size_t max)
{
	size_t n = strlen(s);

	if (n == 0 || n > max || !strchr(first, s[0]))
		return false;
	if (s[n - 1] == '-' || s[n - 1] == '.')
		return false;
	return strspn(s, rest) == n;
}

static bool hex(const char *s, size_t n)
{
	return strlen(s) == n && strspn(s, DIGIT "abcdef") == n;
}

bool check_name(const char *s)
{
	return shape(s, LOWER, LOWER DIGIT "-", 79);
}

bool check_word(const char *s)
{
	return shape(s, LOWER, LOWER, 7);
}

bool check_alias(const char *s)
{
	return shape(s, LOWER, LOWER DIGIT "-", 31);
}

bool check_user(const char *s)
{
	return shape(s, LOWER, LOWER DIGIT "-", 31);
}

bool check_hostname(const char *s)
{
	return shape(s, LOWER DIGIT, LOWER DIGIT "-.", 63) && !strstr(s, "..");
}

bool check_folder(const char *s)
{
	return shape(s, LOWER, LOWER DIGIT "-", 31);
}

bool check_file(const char *s)
{
	static const char stem[] = "Containerfile";
	size_t n = sizeof(stem) - 1;

	if (strncmp(s, stem, n) != 0)
		return false;
	return s[n] == '\0' || (s[n] == '.' && check_folder(s + n + 1));
}

/* Parts of [a-z0-9-] joined by '/', at least lo and at most hi of them. */
static bool parts(const char *s, int lo, int hi)
{
	char part[64];
	int n = 0;

	for (;;) {
		size_t len = strcspn(s, "/");

		if (len == 0 || len >= sizeof(part))
			return false;
		memcpy(part, s, len);
		part[len] = '\0';
		if (!shape(part, LOWER DIGIT, LOWER DIGIT "-", sizeof(part) - 1))
			return false;
		n++;
		if (!s[len])
			return n >= lo && n <= hi;
		s += len + 1;
	}
}

bool check_template(const char *s)
{
	return strlen(s) < 128 && parts(s, 2, 6);
}

bool check_image_id(const char *s)
{
	return strlen(s) < 64 && parts(s, 1, 3);
}

bool check_digest(const char *s)
{
	return strncmp(s, "sha256:", 7) == 0 && hex(s + 7, 64);
}

bool check_image(const char *s)
{
	return check_image_id(s) || check_digest(s);
}

bool check_tag(const char *s)
{
	return shape(s, LOWER DIGIT, LOWER DIGIT "._-", 63);
}

bool check_image_ref(const char *s)
{
	const char *colon = strchr(s, ':');
	char id[64];

	if (check_image(s))
		return true;
	if (!colon || (size_t)(colon - s) >= sizeof(id))
		return false;
	memcpy(id, s, (size_t)(colon - s));
	id[colon - s] = '\0';
	return check_image_id(id) && check_tag(colon + 1);
}

bool check_workdir(const char *s)
{
	const char *p = s;

	if (strcmp(s, "/") == 0)
		return true;
	if (s[0] != '/' || strlen(s) > 127 || strspn(s, LOWER UPPER DIGIT "/._-") != strlen(s))
		return false;
	while (*p) {
		size_t len = strcspn(++p, "/");

		if (len == 0 || (len == 1 && p[0] == '.') || (len == 2 && strncmp(p, "..", 2) == 0))
			return false;
		p += len;
	}
	return true;
}

bool check_target(const char *s)
{
	static const char *const system[] = {"/proc", "/sys", "/dev"};

	if (!check_workdir(s) || strcmp(s, "/") == 0)
		return false;
	for (size_t i = 0; i < sizeof(system) / sizeof(system[0]); i++) {
		size_t n = strlen(system[i]);

		if (strncmp(s, system[i], n) == 0 && (s[n] == '\0' || s[n] == '/'))
			return false;
	}
	return true;
}

bool check_env_name(const char *s)
{
	return shape(s, LOWER UPPER "_", LOWER UPPER DIGIT "_", 64);
}

bool check_text(const char *s)
{
	for (const char *p = s; *p; p++)
		if (((unsigned char)*p < 0x20 && *p != '\t' && *p != '\n') || *p == 0x7f)
			return false;
	return utf8_valid(s, strlen(s));
}

bool check_ticket(const char *s)
{
	return hex(s, 64);
}

bool check_subst(const char *s)
{
	return shape(s, LOWER "_", LOWER "_", 31);
}

bool check_label(const char *s)
{
	return shape(s, LOWER, LOWER DIGIT "._-", 63);
}

bool check_owned(const char *name, int64_t project)
{
	char prefix[32];
	int n = snprintf(prefix, sizeof(prefix), "p%" PRId64, project);

	return strncmp(name, prefix, (size_t)n) == 0 && (name[n] == '\0' || name[n] == '-');
}
