#include "text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct text *t, const char *s, size_t n)
{
	char *data = realloc(t->data, t->len + n + 1);

	if (!data)
		abort();
	memcpy(data + t->len, s, n);
	t->data = data;
	t->len += n;
	t->data[t->len] = '\0';
}

void text_add(struct text *t, const char *s)
{
	add(t, s, strlen(s));
}

void text_add_html(struct text *t, const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '&': text_add(t, "&amp;"); break;
		case '<': text_add(t, "&lt;"); break;
		case '>': text_add(t, "&gt;"); break;
		case '"': text_add(t, "&quot;"); break;
		case '\'': text_add(t, "&#39;"); break;
		default: add(t, s, 1);
		}
	}
}

char *text_trim(char *s)
{
	size_t n;

	while (isspace((unsigned char)*s))
		s++;
	n = strlen(s);
	while (n > 0 && isspace((unsigned char)s[n - 1]))
		s[--n] = '\0';
	return s;
}

/* Bytes of the character that begins here, 0 when it is none. */
static int character(const unsigned char *s)
{
	int n = *s < 0x80 ? 1 : *s >= 0xc2 && *s < 0xe0 ? 2 : *s >= 0xe0 && *s < 0xf0 ? 3
	    : *s >= 0xf0 && *s < 0xf5 ? 4 : 0;

	for (int i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

bool text_is_name(const char *s, int max)
{
	int count = 0;

	for (; *s; count++) {
		int n = character((const unsigned char *)s);

		if (n == 0)
			return false;
		s += n;
	}
	return count >= 1 && count <= max;
}

void text_unescape(char *s)
{
	char *out = s;

	while (*s) {
		char hex[3] = {s[0] == '%' ? s[1] : 0, s[0] == '%' && s[1] ? s[2] : 0, 0};

		if (isxdigit((unsigned char)hex[0]) && isxdigit((unsigned char)hex[1])) {
			*out++ = (char)strtol(hex, NULL, 16);
			s += 3;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}
