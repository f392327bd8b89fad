/*
 * $NAME, ${NAME}, ${NAME:-word}, ${NAME:+word}; "double" quotes keep blanks, 'single' ones also what looks
 * like a variable; a backslash takes the next character as it is.
 */
#include "images/dockerfile_words.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <jansson.h>
#include "base/buf.h"
#include "base/mem.h"
#include "images/field.h"

struct words_at {
	const char *p;
	const struct dockerfile_scope *scope;
	struct buf out;
	int line;
	struct cl_err *err;
};

static int words_until(struct words_at *w, const char *ends, int depth);

size_t dockerfile_words_count(char *const *words)
{
	size_t n = 0;

	while (words != NULL && words[n] != NULL)
		n++;
	return n;
}

char **dockerfile_words_dup(char *const *words)
{
	size_t n = dockerfile_words_count(words);
	char **copy = words != NULL ? mem_array(n + 1, sizeof(*copy)) : NULL;

	for (size_t i = 0; i < n; i++)
		copy[i] = mem_strdup(words[i]);
	return copy;
}

static int words_fail(const struct words_at *w, const char *why)
{
	return err_set(w->err, CL_USAGE, "Containerfile line %d: %s", w->line, why);
}

static bool words_name(int c, bool first)
{
	return c == '_' || isalpha(c) || (!first && isdigit(c));
}

static const char *words_value(const struct words_at *w, const char *name)
{
	const char *v = NULL;

	if (w->scope != NULL && w->scope->first != NULL)
		v = dockerfile_vars_get(w->scope->first, name);
	if (v == NULL && w->scope != NULL && w->scope->second != NULL)
		v = dockerfile_vars_get(w->scope->second, name);
	return v;
}

/* After '${NAME': ':-word}' and ':+word}', or '}'. */
static int words_braced(struct words_at *w, const char *value, int depth)
{
	bool use, set = value != NULL && value[0] != '\0';
	size_t before = w->out.len;
	cl_autofree char *kept = NULL;

	if (*w->p == '}') {
		w->p++;
		return buf_add_str(&w->out, value != NULL ? value : "");
	}
	if (w->p[0] != ':' || (w->p[1] != '-' && w->p[1] != '+'))
		return words_fail(w, "${NAME}, ${NAME:-word} and ${NAME:+word} are known, no other form");
	use = (w->p[1] == '-') != set;
	w->p += 2;
	kept = mem_strndup(before > 0 ? w->out.data : "", before);
	if (words_until(w, "}", depth + 1) != 0)
		return -1;
	if (*w->p++ != '}')
		return words_fail(w, "a ${ has no }");
	if (use)
		return 0;
	buf_clear(&w->out);
	if (buf_add(&w->out, kept, before) != 0)
		return words_fail(w, "too long");
	return set && kept != NULL ? buf_add_str(&w->out, value) : 0;
}

static int words_variable(struct words_at *w, int depth)
{
	char name[129];
	size_t n = 0;
	bool braced = *w->p == '{';
	const char *value;

	w->p += braced;
	while (words_name((unsigned char)w->p[n], n == 0) && n < sizeof(name) - 1)
		n++;
	if (n == 0)
		return braced ? words_fail(w, "a ${ has no name") : buf_add_str(&w->out, "$");
	memcpy(name, w->p, n);
	name[n] = '\0';
	w->p += n;
	value = words_value(w, name);
	return braced ? words_braced(w, value, depth)
	    : buf_add_str(&w->out, value != NULL ? value : "");
}

static int words_quoted(struct words_at *w, int depth)
{
	char quote = *w->p++;

	while (*w->p != quote) {
		if (*w->p == '\0')
			return words_fail(w, "a quote has no end");
		if (quote == '"' && *w->p == '\\' && (w->p[1] == '"' || w->p[1] == '\\' ||
		    w->p[1] == '$'))
			w->p++;
		else if (quote == '"' && *w->p == '$') {
			w->p++;
			if (words_variable(w, depth) != 0)
				return -1;
			continue;
		}
		if (buf_add(&w->out, w->p++, 1) != 0)
			return words_fail(w, "too long");
	}
	w->p++;
	return 0;
}

/* To the end or one of these characters, which stays. */
static int words_until(struct words_at *w, const char *ends, int depth)
{
	if (depth > 8)
		return words_fail(w, "variables are nested too deep");
	while (*w->p != '\0' && strchr(ends, *w->p) == NULL) {
		int rc;

		if (*w->p == '"' || *w->p == '\'') {
			rc = words_quoted(w, depth);
		} else if (*w->p == '$') {
			w->p++;
			rc = words_variable(w, depth);
		} else {
			w->p += *w->p == '\\' && w->p[1] != '\0';
			rc = buf_add(&w->out, w->p++, 1);
		}
		if (rc != 0)
			return w->err != NULL && w->err->code != CL_OK ? -1 : words_fail(w, "too long");
	}
	return 0;
}

static char *words_taken(struct words_at *w)
{
	char *text = mem_strndup(w->out.len > 0 ? w->out.data : "", w->out.len);

	buf_clear(&w->out);
	return text;
}

char *dockerfile_words_expand(const char *text, const struct dockerfile_scope *scope, int line,
    struct cl_err *err)
{
	struct words_at w = { .p = text, .scope = scope, .line = line, .err = err };

	buf_init(&w.out, DOCKERFILE_WORD);
	if (words_until(&w, "", 0) != 0) {
		buf_clear(&w.out);
		return NULL;
	}
	return words_taken(&w);
}

char **dockerfile_words_split(const char *text, const struct dockerfile_scope *scope, size_t min,
    int line, struct cl_err *err)
{
	struct words_at w = { .p = text, .scope = scope, .line = line, .err = err };
	char **words = mem_array(DOCKERFILE_WORDS + 1, sizeof(*words));
	size_t n = 0;

	for (;;) {
		w.p += strspn(w.p, " \t");
		if (*w.p == '\0')
			break;
		buf_init(&w.out, DOCKERFILE_WORD);
		if (n == DOCKERFILE_WORDS || words_until(&w, " \t", 0) != 0) {
			(void)words_fail(&w, "too many words");
			buf_clear(&w.out);
			field_free_argv(words);
			return NULL;
		}
		words[n++] = words_taken(&w);
	}
	if (n < min) {
		(void)words_fail(&w, "something is missing");
		field_free_argv(words);
		return NULL;
	}
	return words;
}

char **dockerfile_words_json(const char *text)
{
	json_t *list = text[strspn(text, " \t")] == '[' ? json_loads(text, 0, NULL) : NULL, *v;
	char **words;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > DOCKERFILE_WORDS) {
		json_decref(list);
		return NULL;
	}
	words = mem_array(json_array_size(list) + 1, sizeof(*words));
	json_array_foreach(list, i, v) {
		const char *s = json_string_value(v);

		if (s == NULL || strlen(s) != json_string_length(v)) {
			field_free_argv(words);
			json_decref(list);
			return NULL;
		}
		words[i] = mem_strdup(s);
	}
	json_decref(list);
	return words;
}
