/*
 * Lines to instructions.  A line that ends in a backslash (or what a first line "# escape=X" says) goes on
 * in the next; comments and empty lines in between are left out, as in every other builder.
 */
#include "images/dockerfile.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "images/field.h"

struct apply_at {
	struct dockerfile_stage *st;
	const struct dockerfile_vars *globals;
	const struct dockerfile_step *s;
	struct dockerfile_act *act;
	struct dockerfile_scope scope;
	struct cl_err *err;
};

struct dockerfile_lines {
	const char *p, *end;
	int line;      /* of p */
	char escape;
	struct buf text;
	struct cl_err *err;
};

static int dockerfile_fail(struct cl_err *err, int line, const char *why)
{
	return err_set(err, CL_USAGE, "Containerfile line %d: %s", line, why);
}

/* One physical line without its end. */
static const char *dockerfile_line(struct dockerfile_lines *l, size_t *n)
{
	const char *start = l->p, *nl = memchr(l->p, '\n', (size_t)(l->end - l->p));

	*n = (size_t)((nl != NULL ? nl : l->end) - start);
	l->p = nl != NULL ? nl + 1 : l->end;
	l->line++;
	while (*n > 0 && (start[*n - 1] == '\r' || start[*n - 1] == ' ' || start[*n - 1] == '\t'))
		(*n)--;
	return start;
}

/* A whole instruction into l->text; false at the end. */
static bool dockerfile_next(struct dockerfile_lines *l, int *line)
{
	bool more = false;

	buf_clear(&l->text);
	while (l->p < l->end) {
		size_t n, skip;
		const char *s = dockerfile_line(l, &n);

		for (skip = 0; skip < n && (s[skip] == ' ' || s[skip] == '\t'); skip++)
			continue;
		if (skip == n || s[skip] == '#')
			continue;
		if (!more) {
			*line = l->line;
			s += skip;
			n -= skip;
		}
		more = s[n - 1] == l->escape;
		(void)buf_add(&l->text, s, n - more);
		if (!more)
			break;
	}
	return l->text.len > 0;
}

/* "# escape=`" among the comments that begin the text. */
static char dockerfile_escape(const char *text, size_t len)
{
	const char *end = text + len;

	while (text < end && *text == '#') {
		const char *nl = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((nl != NULL ? nl : end) - text), i = 1;

		while (i < n && text[i] == ' ')
			i++;
		if (n - i >= 8 && strncasecmp(text + i, "escape=", 7) == 0)
			return text[i + 7] == '`' ? '`' : '\\';
		text += n + (nl != NULL);
	}
	return '\\';
}

/* A here-document's body would be read as instructions. */
static bool dockerfile_heredoc(const char *text)
{
	for (const char *p = text; (p = strstr(p, "<<")) != NULL; p += 2) {
		const char *q = p + 2;

		if (p > text && !isspace((unsigned char)p[-1]) && !isdigit((unsigned char)p[-1]))
			continue;
		q += *q == '-';
		q += *q == '"' || *q == '\'';
		if (isalpha((unsigned char)*q) || *q == '_')
			return true;
	}
	return false;
}

static int dockerfile_flags(struct dockerfile_step *s, const char **rest, struct cl_err *err)
{
	size_t n = 0;
	const char *p = *rest;

	s->flags = mem_array(DOCKERFILE_WORDS + 1, sizeof(*s->flags));
	while (p[0] == '-' && p[1] == '-' && p[2] != '\0') {
		size_t len = strcspn(p, " \t");

		if (n == DOCKERFILE_WORDS)
			return dockerfile_fail(err, s->line, "too many options");
		s->flags[n++] = mem_strndup(p, len);
		p += len;
		p += strspn(p, " \t");
	}
	*rest = p;
	return 0;
}

static int dockerfile_step(struct dockerfile *d, const char *text, int line, struct cl_err *err)
{
	struct dockerfile_step *s;
	size_t n = strcspn(text, " \t");
	const char *rest = text + n;

	if (d->n == DOCKERFILE_STEPS)
		return dockerfile_fail(err, line, "more than 500 instructions");
	s = &d->steps[d->n++];
	s->line = line;
	if (n >= sizeof(s->keyword))
		return dockerfile_fail(err, line, "no instruction is that long");
	for (size_t i = 0; i < n; i++)
		s->keyword[i] = (char)toupper((unsigned char)text[i]);
	rest += strspn(rest, " \t");
	if (dockerfile_flags(s, &rest, err) != 0)
		return -1;
	s->text = mem_strdup(rest);
	if (dockerfile_heredoc(rest))
		return dockerfile_fail(err, line, "here-documents (<<) are not understood; put the text in a "
		    "file and COPY it");
	return 0;
}

int dockerfile_parse(struct dockerfile *d, const char *text, size_t len, struct cl_err *err)
{
	struct dockerfile_lines l = { .p = text, .end = text + len, .err = err };
	int line = 1, rc = 0;

	memset(d, 0, sizeof(*d));
	if (len > DOCKERFILE_MAX)
		return err_set(err, CL_TOO_LARGE, "Containerfile: larger than 64 KiB");
	if (memchr(text, '\0', len) != NULL || !utf8_valid(text, len))
		return err_set(err, CL_USAGE, "Containerfile: is no text");
	d->steps = mem_array(DOCKERFILE_STEPS, sizeof(*d->steps));
	l.escape = dockerfile_escape(text, len);
	buf_init(&l.text, DOCKERFILE_MAX + 1);
	while (rc == 0 && dockerfile_next(&l, &line)) {
		cl_autofree char *whole = mem_strndup(l.text.data, l.text.len);

		rc = dockerfile_step(d, whole, line, err);
	}
	buf_clear(&l.text);
	return rc;
}

void dockerfile_clear(struct dockerfile *d)
{
	for (size_t i = 0; i < d->n; i++) {
		field_free_argv(d->steps[i].flags);
		mem_free(d->steps[i].text);
	}
	mem_free(d->steps);
	memset(d, 0, sizeof(*d));
}

int dockerfile_from(const struct dockerfile_step *s, const struct dockerfile_vars *globals,
    char *image, size_t size, char *name, size_t name_size, struct cl_err *err)
{
	struct dockerfile_scope scope = { globals, NULL };
	char **words = dockerfile_words_split(s->text, &scope, 1, s->line, err);
	size_t n = dockerfile_words_count(words);
	int rc = 0;

	if (words == NULL)
		return -1;
	name[0] = '\0';
	if (n != 1 && !(n == 3 && strcasecmp(words[1], "AS") == 0))
		rc = dockerfile_fail(err, s->line, "FROM is: FROM IMAGE [AS NAME]");
	else if (mem_copy_str(image, size, words[0]) != 0 ||
	    (n == 3 && mem_copy_str(name, name_size, words[2]) != 0))
		rc = dockerfile_fail(err, s->line, "a name is too long");
	for (char *p = name; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	if (rc == 0 && s->flags[0] != NULL && strncmp(s->flags[0], "--platform=", 11) != 0)
		rc = dockerfile_fail(err, s->line, "FROM has no such option");
	field_free_argv(words);
	return rc;
}

static int apply_fail(const struct apply_at *a, const char *why)
{
	return err_set(a->err, CL_USAGE, "Containerfile line %d: %s: %s", a->s->line, a->s->keyword, why);
}

/* --- configurations ----------------------------------------------------------- */

void dockerfile_image_clear(struct dockerfile_image *i)
{
	dockerfile_vars_clear(&i->env);
	dockerfile_vars_clear(&i->labels);
	field_free_argv(i->entrypoint);
	field_free_argv(i->cmd);
	memset(i, 0, sizeof(*i));
}

void dockerfile_image_copy(struct dockerfile_image *to, const struct dockerfile_image *from)
{
	memset(to, 0, sizeof(*to));
	for (size_t i = 0; i < from->env.n; i++)
		(void)dockerfile_vars_set(&to->env, from->env.items[i].name, from->env.items[i].value);
	(void)mem_copy_str(to->workdir, sizeof(to->workdir), from->workdir);
	(void)mem_copy_str(to->user, sizeof(to->user), from->user);
	to->entrypoint = dockerfile_words_dup(from->entrypoint);
	to->cmd = dockerfile_words_dup(from->cmd);
	to->port = from->port;
}

void dockerfile_begin(struct dockerfile_stage *st)
{
	static char *const shell[] = { (char *)"/bin/sh", (char *)"-c", NULL };

	memset(st, 0, sizeof(*st));
	st->shell = dockerfile_words_dup(shell);
}

void dockerfile_end(struct dockerfile_stage *st)
{
	dockerfile_image_clear(&st->image);
	dockerfile_vars_clear(&st->args);
	field_free_argv(st->shell);
	memset(st, 0, sizeof(*st));
}

void dockerfile_act_clear(struct dockerfile_act *act)
{
	field_free_argv(act->argv);
	memset(act, 0, sizeof(*act));
}

/* --- instructions ----------------------------------------------------------------------------- */

static bool apply_name_ok(const char *name)
{
	return name[0] != '\0' && strlen(name) <= 64 && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name) && strchr("0123456789", name[0]) == NULL;
}

/* "NAME=value" of a list, or "NAME the rest of the line". */
static int apply_pairs(struct apply_at *a, struct dockerfile_vars *to, bool any_name)
{
	char **words = dockerfile_words_split(a->s->text, &a->scope, 1, a->s->line, a->err);
	size_t n = dockerfile_words_count(words);
	int rc = words == NULL ? -1 : 0;

	if (rc == 0 && strchr(words[0], '=') == NULL && n > 1) {
		const char *rest = a->s->text + strcspn(a->s->text, " \t");
		cl_autofree char *value = dockerfile_words_expand(rest + strspn(rest, " \t"), &a->scope,
		    a->s->line, a->err);

		if (value == NULL || (!any_name && !apply_name_ok(words[0])) ||
		    dockerfile_vars_set(to, words[0], value) != 0)
			rc = apply_fail(a, "not a name and a value, or too much of them");
		field_free_argv(words);
		return rc;
	}
	for (size_t i = 0; rc == 0 && i < n; i++) {
		char *eq = strchr(words[i], '=');

		if (eq == NULL) {
			rc = apply_fail(a, "it is NAME=VALUE ...");
			break;
		}
		*eq = '\0';
		if ((!any_name && !apply_name_ok(words[i])) || dockerfile_vars_set(to, words[i], eq + 1) != 0)
			rc = apply_fail(a, "not a name and a value, or too much of them");
	}
	field_free_argv(words);
	return rc;
}

static int apply_env(struct apply_at *a)
{
	return apply_pairs(a, &a->st->image.env, false);
}

static int apply_label(struct apply_at *a)
{
	return apply_pairs(a, &a->st->image.labels, true);
}

static int apply_arg_into(struct apply_at *a, struct dockerfile_vars *to)
{
	char **words = dockerfile_words_split(a->s->text, &a->scope, 1, a->s->line, a->err);
	int rc = words == NULL ? -1 : 0;

	for (size_t i = 0; rc == 0 && words[i] != NULL; i++) {
		char *eq = strchr(words[i], '=');
		const char *value = eq != NULL ? eq + 1 : NULL;

		if (eq != NULL)
			*eq = '\0';
		else if (a->globals != NULL)
			value = dockerfile_vars_get(a->globals, words[i]);
		if (!apply_name_ok(words[i]) || (value != NULL && dockerfile_vars_set(to, words[i], value) != 0))
			rc = apply_fail(a, "not a name and a value, or too much of them");
	}
	field_free_argv(words);
	return rc;
}

static int apply_arg(struct apply_at *a)
{
	return apply_arg_into(a, &a->st->args);
}

int dockerfile_global(struct dockerfile_vars *globals, const struct dockerfile_step *s,
    struct cl_err *err)
{
	struct apply_at a = { .s = s, .scope = { globals, NULL }, .err = err };

	if (strcmp(s->keyword, "ARG") != 0)
		return apply_fail(&a, "comes before the first FROM");
	return apply_arg_into(&a, globals);
}

/* A command as an array, or as a line for the shell. */
static char **apply_command(const struct apply_at *a)
{
	char **words = dockerfile_words_json(a->s->text), **argv;
	size_t n = dockerfile_words_count(a->st->shell);

	if (words != NULL)
		return words;
	argv = mem_array(n + 2, sizeof(*argv));
	for (size_t i = 0; i < n; i++)
		argv[i] = mem_strdup(a->st->shell[i]);
	argv[n] = mem_strdup(a->s->text);
	return argv;
}

static int apply_run(struct apply_at *a)
{
	for (size_t i = 0; a->s->flags[i] != NULL; i++) {
		const char *f = a->s->flags[i];

		if (strncmp(f, "--mount=", 8) == 0 && (strstr(f, "type=cache") != NULL ||
		    strstr(f, "type=tmpfs") != NULL))
			(void)snprintf(a->act->note, sizeof(a->act->note), "line %d: %.90s: without it",
			    a->s->line, f);
		else if (strncmp(f, "--mount=", 8) == 0)
			return apply_fail(a, "of mounts only type=cache and type=tmpfs are accepted (and left "
			    "out)");
		else if (strcmp(f, "--network=default") != 0 && strcmp(f, "--network=none") != 0 &&
		    strcmp(f, "--security=sandbox") != 0)
			return apply_fail(a, "this option is not allowed: a build gets no more rights and no "
			    "other network");
	}
	if (a->s->text[0] == '\0' || strlen(a->s->text) >= DOCKERFILE_WORD)
		return apply_fail(a, "needs a command of at most 16 KiB");
	a->act->kind = DOCKERFILE_RUN;
	a->act->argv = apply_command(a);
	return a->act->argv[0] != NULL ? 0 : apply_fail(a, "needs a command");
}

/* An absolute path from what was written and the working folder. */
static int apply_path(const struct apply_at *a, const char *text, char *out, size_t size)
{
	const char *dir = a->st->image.workdir[0] != '\0' ? a->st->image.workdir : "/";
	int n;

	if (strcmp(text, ".") == 0)
		text = "./";
	while (strncmp(text, "./", 2) == 0)
		text += 2;
	n = text[0] == '/' ? snprintf(out, size, "%s", text) :
	    snprintf(out, size, "%s%s%s", dir, strcmp(dir, "/") == 0 ? "" : "/", text);
	if (n < 0 || (size_t)n >= size)
		return apply_fail(a, "a path is too long");
	if (strstr(out, "/../") != NULL || (n >= 3 && strcmp(out + n - 3, "/..") == 0))
		return apply_fail(a, "a path has .. in it");
	return 0;
}

static int apply_copy_flags(struct apply_at *a)
{
	for (size_t i = 0; a->s->flags[i] != NULL; i++) {
		cl_autofree char *f = dockerfile_words_expand(a->s->flags[i], &a->scope, a->s->line, a->err);
		int rc = 0;

		if (f == NULL)
			return -1;
		if (strncmp(f, "--from=", 7) == 0 && strcmp(a->s->keyword, "COPY") == 0)
			rc = mem_copy_str(a->act->from, sizeof(a->act->from), f + 7);
		else if (strncmp(f, "--chown=", 8) == 0)
			rc = mem_copy_str(a->act->chown, sizeof(a->act->chown), f + 8);
		else if (strncmp(f, "--chmod=", 8) == 0 && strlen(f + 8) <= 4 && f[8] != '\0' &&
		    strspn(f + 8, "01234567") == strlen(f + 8))
			rc = mem_copy_str(a->act->chmod, sizeof(a->act->chmod), f + 8);
		else if (strcmp(f, "--link") != 0 && strcmp(f, "--link=true") != 0)
			return apply_fail(a, "this option is not known here");
		if (rc != 0)
			return apply_fail(a, "an option is too long");
	}
	return 0;
}

/* ADD would unpack these, and fetch others; neither is done. */
static int apply_add_source(const struct apply_at *a, const char *source)
{
	static const char *const ends[] = { ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz",
		".txz", ".tar.zst" };
	size_t n = strlen(source);

	if (strstr(source, "://") != NULL || strncmp(source, "git@", 4) == 0)
		return apply_fail(a, "a URL is not fetched; RUN a program that fetches it through the "
		    "package proxy");
	for (size_t i = 0; strcmp(a->s->keyword, "ADD") == 0 && i < CL_COUNT(ends); i++)
		if (n >= strlen(ends[i]) && strcasecmp(source + n - strlen(ends[i]), ends[i]) == 0)
			return apply_fail(a, "an archive is not unpacked; COPY it and RUN tar");
	return 0;
}

static int apply_copy(struct apply_at *a)
{
	char **words = dockerfile_words_json(a->s->text), dest[4096];
	size_t n;

	if (words == NULL)
		words = dockerfile_words_split(a->s->text, &a->scope, 2, a->s->line, a->err);
	if (words == NULL)
		return -1;
	a->act->kind = DOCKERFILE_COPY;
	a->act->argv = words;
	n = dockerfile_words_count(words);
	if (n < 2)
		return apply_fail(a, "needs a source and a destination");
	for (size_t i = 0; i + 1 < n; i++)
		if (apply_add_source(a, words[i]) != 0)
			return -1;
	for (size_t i = 0; i < n; i++)
		if (words[i][0] == '-' || words[i][0] == '\0')
			return apply_fail(a, "a name that is empty or begins with -");
	if (apply_path(a, words[n - 1], dest, sizeof(dest)) != 0)
		return -1;
	mem_free(words[n - 1]);
	words[n - 1] = mem_strdup(dest);
	return apply_copy_flags(a);
}

/* One expanded word. */
static char *apply_word(const struct apply_at *a)
{
	char *text = dockerfile_words_expand(a->s->text, &a->scope, a->s->line, a->err);

	if (text != NULL && text[0] == '\0') {
		(void)apply_fail(a, "needs a value");
		mem_free(text);
		return NULL;
	}
	return text;
}

static int apply_workdir(struct apply_at *a)
{
	cl_autofree char *text = apply_word(a);
	char path[256];
	size_t n;

	if (text == NULL || apply_path(a, text, path, sizeof(path)) != 0)
		return -1;
	for (n = strlen(path); n > 1 && path[n - 1] == '/';)
		path[--n] = '\0';
	(void)mem_copy_str(a->st->image.workdir, sizeof(a->st->image.workdir), path);
	a->act->kind = DOCKERFILE_FOLDER;
	return 0;
}

static int apply_user(struct apply_at *a)
{
	cl_autofree char *text = apply_word(a);

	if (text == NULL)
		return -1;
	if (strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-") !=
	    strlen(text) || text[0] == '-' ||
	    mem_copy_str(a->st->image.user, sizeof(a->st->image.user), text) != 0)
		return apply_fail(a, "not a user");
	return 0;
}

static int apply_expose(struct apply_at *a)
{
	cl_autofree char *text = apply_word(a);
	char *end;
	long port;

	if (text == NULL)
		return -1;
	port = strtol(text, &end, 10);
	if (port < 1 || port > 65535 || strchr(" \t/-", *end) == NULL)
		return apply_fail(a, "not a port");
	if (strncmp(end, "/udp", 4) != 0)
		a->st->image.port = (int)port;
	return 0;
}

static int apply_cmd(struct apply_at *a)
{
	field_free_argv(a->st->image.cmd);
	a->st->image.cmd = apply_command(a);
	return 0;
}

static int apply_entrypoint(struct apply_at *a)
{
	field_free_argv(a->st->image.entrypoint);
	a->st->image.entrypoint = apply_command(a);
	field_free_argv(a->st->image.cmd); /* the base's command was for its own */
	a->st->image.cmd = NULL;
	return 0;
}

static int apply_shell(struct apply_at *a)
{
	char **words = dockerfile_words_json(a->s->text);

	if (words == NULL || words[0] == NULL) {
		field_free_argv(words);
		return apply_fail(a, "is an array of words");
	}
	field_free_argv(a->st->shell);
	a->st->shell = words;
	return 0;
}

static int apply_left_out(struct apply_at *a)
{
	(void)snprintf(a->act->note, sizeof(a->act->note), "line %d: %s is left out: the platform decides that",
	    a->s->line, a->s->keyword);
	return 0;
}

int dockerfile_apply(struct dockerfile_stage *st, const struct dockerfile_vars *globals,
    const struct dockerfile_step *s, struct dockerfile_act *act, struct cl_err *err)
{
	static const struct {
		const char *keyword;
		int (*apply)(struct apply_at *a);
		bool flags;
	} table[] = { { "RUN", apply_run, true }, { "COPY", apply_copy, true }, { "ADD", apply_copy, true },
		{ "ENV", apply_env, false }, { "ARG", apply_arg, false }, { "WORKDIR", apply_workdir, false },
		{ "USER", apply_user, false }, { "EXPOSE", apply_expose, false }, { "CMD", apply_cmd, false },
		{ "ENTRYPOINT", apply_entrypoint, false }, { "LABEL", apply_label, false },
		{ "SHELL", apply_shell, false }, { "VOLUME", apply_left_out, false },
		{ "HEALTHCHECK", apply_left_out, true }, { "STOPSIGNAL", apply_left_out, false },
		{ "MAINTAINER", apply_left_out, false } };
	struct apply_at a = { .st = st, .globals = globals, .s = s, .act = act,
		.scope = { &st->image.env, &st->args }, .err = err };

	memset(act, 0, sizeof(*act));
	for (size_t i = 0; i < CL_COUNT(table); i++) {
		if (strcmp(table[i].keyword, s->keyword) != 0)
			continue;
		if (!table[i].flags && s->flags[0] != NULL)
			return apply_fail(&a, "has no options");
		return table[i].apply(&a);
	}
	return apply_fail(&a, "is no instruction that is understood");
}
