/* Names of users and projects, and the SSH user name that puts them together: see name.h. */
#include "base/name.h"

#include <stddef.h>
#include <string.h>

static bool valid(const char *s, size_t n)
{
	if (n == 0 || n > NAME_MAX_LEN || s[0] < 'a' || s[0] > 'z' || s[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9') || s[i] == '-'))
			return false;
	return true;
}

bool name_valid(const char *s)
{
	return s && valid(s, strnlen(s, NAME_SIZE + 1));
}

static int copy(char out[NAME_SIZE], const char *s, size_t n)
{
	if (!valid(s, n))
		return -1;
	memcpy(out, s, n);
	out[n] = '\0';
	return 0;
}

/* "was" or "was-2" up to the end of the string. */
static int tier(struct name_target *t, const char *s)
{
	static const char *const tiers[] = {"web", "was", "db"};
	size_t n = strcspn(s, "-");
	const char *num = s + n;

	for (size_t i = 0; i < 3; i++)
		if (strlen(tiers[i]) == n && memcmp(tiers[i], s, n) == 0)
			memcpy(t->tier, s, n);
	if (!t->tier[0])
		return -1;
	if (!*num)
		return 0;
	num++;
	if (num[0] < '1' || num[0] > '9')
		return -1;
	for (; *num; num++) {
		if (*num < '0' || *num > '9' || t->n > 99)
			return -1;
		t->n = t->n * 10 + (*num - '0');
	}
	return t->n <= 999 ? 0 : -1;
}

int name_parse_target(struct name_target *t, const char *s)
{
	struct name_target got = {0};
	size_t n;

	memset(t, 0, sizeof(*t));
	if (!s)
		return -1;
	n = strcspn(s, "+");
	if (copy(got.user, s, n) < 0)
		return -1;
	s += n;
	if (*s == '+') {
		s++;
		n = strcspn(s, ".:");
		if (s[n] == ':') {
			if (copy(got.owner, s, n) < 0)
				return -1;
			s += n + 1;
			n = strcspn(s, ".");
		}
		if (copy(got.project, s, n) < 0)
			return -1;
		s += n;
		if (*s == '.' && tier(&got, s + 1) < 0)
			return -1;
	}
	*t = got;
	return 0;
}
