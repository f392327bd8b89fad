/* Subsequence matching with a bonus for runs and starts of words. */
#include "tui/fuzzy.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool starts_word(const char *text, const char *at)
{
	return at == text || strchr(" -_/.:", at[-1]) != NULL;
}

int fuzzy_score(const char *pattern, const char *text)
{
	const char *t = text;
	int score = 0;
	bool run = false;

	if (!*pattern)
		return 0;
	for (const char *p = pattern; *p; p++) {
		const char *from = t;
		while (*t && tolower((unsigned char)*t) != tolower((unsigned char)*p))
			t++;
		if (!*t)
			return -1;
		score += 10;
		if (run && t == from)
			score += 15;
		if (starts_word(text, t))
			score += 12;
		run = true;
		t++;
	}
	score -= (int)(strlen(text) / 4);
	return score > 0 ? score : 1;
}

static bool has(const char *text, const char *word, size_t len)
{
	for (; *text; text++)
		if (strncasecmp(text, word, len) == 0)
			return true;
	return false;
}

bool fuzzy_has_words(const char *words, const char *text)
{
	for (const char *w = words + strspn(words, " "); *w; w += strspn(w, " ")) {
		size_t len = strcspn(w, " ");
		if (!has(text, w, len))
			return false;
		w += len;
	}
	return true;
}
