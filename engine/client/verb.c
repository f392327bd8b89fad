/*
 * From words to a handler: find the row (names may have two or three words, other spellings are
 * understood), check the words against its usage, run it.
 */
#include "engine/client/verb.h"

#include <string.h>

#include "base/mem.h"
#include "engine/client/verb_args.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_rest.h"

/* How many words of argv the name takes up, 0 if it is another. */
static int matches(const char *name, int argc, char **argv)
{
	size_t n;
	int used = 0;

	while (*name) {
		n = strcspn(name, " ");
		if (used == argc || strlen(argv[used]) != n || memcmp(argv[used], name, n) != 0)
			return 0;
		name += n + (name[n] == ' ');
		used++;
	}
	return used;
}

static const struct verb *find_words(int argc, char **argv, int *used)
{
	const struct verb *best = NULL;
	int n;

	*used = 0;
	for (const struct verb *v = verb_table; v->name; v++) {
		n = matches(v->name, argc, argv);
		if (n > *used) {
			*used = n;
			best = v;
		}
	}
	return best;
}

/* The text that a first word stands for: an alias, or "config set" for "config:set"; or NULL. */
static char *other_spelling(const char *word)
{
	char *text;

	for (const struct verb_alias *a = verb_table_aliases; a->from; a++)
		if (strcmp(a->from, word) == 0)
			return mem_strdup(a->to);
	if (!strchr(word, ':'))
		return NULL;
	text = mem_strdup(word);
	for (char *p = text; *p; p++)
		*p = *p == ':' ? ' ' : *p;
	return text;
}

const struct verb *verb_find(int argc, char **argv, int *used)
{
	cl_autofree char **words = NULL;
	cl_autofree char *text = NULL;
	const struct verb *v;
	int n;

	*used = 0;
	if (argc == 0)
		return NULL;
	v = find_words(argc, argv, used);
	if (v)
		return v;
	text = other_spelling(argv[0]);
	if (!text)
		return NULL;
	/* A quote in the word would be open here. */
	n = verb_args_split(text, &words);
	v = n > 0 ? find_words(n, words, used) : NULL;
	/* All of the other spelling must have been the name. */
	if (!v || *used != n)
		return NULL;
	*used = 1;
	return v;
}

bool verb_known_word(const char *line)
{
	size_t n;

	line += strspn(line, " \t");
	n = strcspn(line, " \t");
	for (const struct verb *v = verb_table; v->name; v++)
		if (strncmp(v->name, line, n) == 0 && (v->name[n] == ' ' || !v->name[n]))
			return n > 0;
	return false;
}

const struct verb *verb_find_line(const char *line)
{
	cl_autofree char **words = NULL;
	int n = verb_args_split(line, &words), used;

	return n > 0 ? verb_find(n, words, &used) : NULL;
}

static int unknown(struct verb_ctx *ctx, int argc, char **argv)
{
	struct cl_err err = {0};

	if (argc == 0)
		err_set(&err, CL_USAGE, "verb: none is given");
	else if (argc > 1 && verb_known_word(argv[0]))
		err_set(&err, CL_USAGE, "%s %s: no such verb", argv[0], argv[1]);
	else
		err_set(&err, CL_USAGE, "%s: no such verb", argv[0]);
	if (argc && verb_known_word(argv[0]))
		err_hint(&err, "`help %s` lists what there is", argv[0]);
	else
		err_hint(&err, "`help` lists the verbs; with user+project@host a word that is no verb runs "
		    "in that project's container");
	return verb_out_error(ctx, &err);
}

static int usage(struct verb_ctx *ctx, const struct verb *v, struct cl_err *err)
{
	struct cl_err full = {0};

	err_set(&full, CL_USAGE, "%s: %s", v->name, err->message);
	err_hint(&full, "Usage: %s%s%s", v->name, v->args[0] ? " " : "", v->args);
	return verb_out_error(ctx, &full);
}

static int show_help(struct verb_ctx *ctx, const struct verb *v)
{
	cl_autofree char *text = mem_printf("%s: %s%s\n\nUsage:    codinglab %s%s%s\nExample:  %s\n",
	    v->name, v->help, !v->run ? " (not implemented yet)" : "", v->name,
	    v->args[0] ? " " : "", v->args, v->example);

	verb_out_text(ctx, text);
	return 0;
}

static int run(struct verb_ctx *ctx, const struct verb *v, const struct verb_args *args)
{
	struct cl_err err = {0};

	if (!v->run) {
		err_set(&err, CL_NOT_IMPLEMENTED, "%s: not implemented yet", v->name);
		return verb_out_error(ctx, &err);
	}
	if (ctx->dry_run && !(v->flags & VERB_DRY)) {
		err_set(&err, CL_USAGE, "it has no --dry-run");
		return usage(ctx, v, &err);
	}
	if ((v->flags & VERB_PROJECT) && !ctx->project[0]) {
		err_set(&err, CL_USAGE, "%s: no project is named", v->name);
		err_hint(&err, "Say -p PROJECT, or connect as user+project@host");
		return verb_out_error(ctx, &err);
	}
	return v->run(ctx, args);
}

int verb_run(struct verb_ctx *ctx, int argc, char **argv)
{
	static char help_word[] = "help", version_word[] = "version";
	struct verb_ctx own = *ctx;
	struct verb_args args;
	struct cl_err err = {0};
	const struct verb *v;
	int first = 0, used, rc;
	bool help = false;

	own.project = own.project ? own.project : "";
	own.tier = own.tier ? own.tier : "";
	own.env = own.env ? own.env : "";
	own.signal = 0;
	/* --json may stand before the verb, as in other programs. */
	while (first < argc && strcmp(argv[first], "--json") == 0) {
		own.json = true;
		first++;
	}
	if (first < argc && (strcmp(argv[first], "--help") == 0 || strcmp(argv[first], "-h") == 0))
		argv[first] = help_word;
	if (first < argc && strcmp(argv[first], "--version") == 0)
		argv[first] = version_word;
	v = verb_find(argc - first, argv + first, &used);
	if (!v)
		return unknown(&own, argc - first, argv + first);
	rc = verb_args_parse(&args, v->args, (v->flags & VERB_RAW) ?
	    v->flags & VERB_RAW_SHORT ? VERB_ARGS_SHORT : VERB_ARGS_RAW : VERB_ARGS_PLAIN, argc - first - used,
	    argv + first + used, &own, &help, &err);
	if (help)
		rc = show_help(&own, v);
	else if (rc < 0 && v->run)
		rc = usage(&own, v, &err);
	else
		rc = run(&own, v, &args);
	mem_free(args.rest);
	ctx->signal = own.signal;
	return rc;
}

int verb_run_line(struct verb_ctx *ctx, const char *line)
{
	cl_autofree char **words = NULL;
	struct cl_err err = {0};
	int n = verb_args_split(line, &words);

	if (n < 0) {
		err_set(&err, CL_USAGE, "command line: a quote is not closed");
		return verb_out_error(ctx, &err);
	}
	return verb_run(ctx, n, words);
}
