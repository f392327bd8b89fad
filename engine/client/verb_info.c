/* About the platform and its verbs: info, version, help, completion, ssh-config. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/mem.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_rest.h"
#include "engine/client/verbs.h"

#define INFO_TEXT_MAX (1u << 20)

static int show_options(struct verb_ctx *ctx)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return 1;
	config_print(f);
	fclose(f);
	verb_out_text(ctx, text);
	mem_free(text);
	return 0;
}

int verb_info_info(struct verb_ctx *ctx, const struct verb_args *args)
{
	static const char *const fields[] = {"version", "backend", "backend_state", "backend_error",
	    "domain"};
	json_t *info;
	int rc;

	if (verb_args_has(args, "--options"))
		return show_options(ctx);
	rc = verb_rest_get(ctx, "/v1/info", &info);
	if (rc || !info)
		return rc;
	for (size_t i = 0; i < CL_COUNT(fields); i++)
		if (verb_out_str(info, fields[i])[0])
			verb_out_line(ctx, "%-14s %s", fields[i], verb_out_str(info, fields[i]));
	verb_out_line(ctx, "%-14s %lld", "edge_port", (long long)verb_out_int(info, "edge_port"));
	verb_out_line(ctx, "%-14s %lld", "users", (long long)verb_out_int(info, "users"));
	verb_out_line(ctx, "%-14s %lld", "projects", (long long)verb_out_int(info, "projects"));
	json_decref(info);
	return 0;
}

int verb_info_version(struct verb_ctx *ctx, const struct verb_args *args)
{
	json_t *o;

	if (!ctx->json) {
		verb_out_line(ctx, "codinglab %s", CL_VERSION);
		return 0;
	}
	o = json_pack("{s:s}", "version", CL_VERSION);
	verb_out_json(ctx, o, false);
	json_decref(o);
	return 0;
}

static void add_verb(struct buf *b, const struct verb *v)
{
	if (strlen(v->name) + strlen(v->args) < 32)
		buf_printf(b, "  %s %-*s  %s\n", v->name, (int)(32 - strlen(v->name)), v->args, v->help);
	else
		buf_printf(b, "  %s %s\n  %33s  %s\n", v->name, v->args, "", v->help);
}

/* Every row whose name begins with prefix; those that are not there yet come last, by name. */
static int list(struct verb_ctx *ctx, const char *prefix)
{
	size_t n = strlen(prefix), column = 80;
	struct buf b;

	buf_init(&b, INFO_TEXT_MAX);
	for (const struct verb *v = verb_table; v->name; v++)
		if (v->run && strncmp(v->name, prefix, n) == 0)
			add_verb(&b, v);
	for (const struct verb *v = verb_table; v->name; v++) {
		if (v->run || strncmp(v->name, prefix, n) != 0)
			continue;
		if (column + strlen(v->name) > 76) {
			buf_add_str(&b, column == 80 ? "\nNot implemented yet:\n  " : "\n  ");
			column = 2;
		}
		buf_printf(&b, "%s%s", column > 2 ? ", " : "", v->name);
		column += strlen(v->name) + 2;
	}
	if (column < 80)
		buf_add_str(&b, "\n");
	if (!n)
		buf_add_str(&b, "\nEvery verb: --json -q -n/--dry-run -y/--yes --wait/--no-wait "
		    "--timeout 60s -p PROJECT --env dev|prod --help\n");
	if (b.len)
		verb_out_text(ctx, b.data);
	buf_clear(&b);
	return 0;
}

int verb_info_help(struct verb_ctx *ctx, const struct verb_args *args)
{
	static char option[] = "--help";
	char *words[6] = {NULL};
	int n = args->nrest < 4 ? args->nrest : 4, used;

	memcpy(words, args->rest, sizeof(*words) * (size_t)n);
	if (n == 0) {
		verb_out_text(ctx, "ssh user[+project]@host VERB, or codinglab VERB:\n\n");
		return list(ctx, "");
	}
	if (verb_find(n, words, &used) || !verb_known_word(words[0])) {
		words[n++] = option;
		return verb_run(ctx, n, words);
	}
	return list(ctx, words[0]);
}

/* The distinct first words, or the second words after `first`. */
static void add_words(struct buf *b, const char *first)
{
	size_t n = strlen(first);
	const char *last = "";

	for (const struct verb *v = verb_table; v->name; v++) {
		const char *word = v->name + n + (n > 0);
		size_t len;

		if (!v->run || strncmp(v->name, first, n) != 0 || (n && v->name[n] != ' '))
			continue;
		len = strcspn(word, " ");
		if (strlen(last) == len && memcmp(last, word, len) == 0)
			continue;
		if (!(strncmp(last, word, len) == 0 && (last[len] == ' ' || !last[len])))
			buf_printf(b, "%.*s ", (int)len, word);
		last = word;
	}
}

int verb_info_completion(struct verb_ctx *ctx, const struct verb_args *args)
{
	struct cl_err err = {0};
	const char *space, *last = "";
	struct buf b;

	if (strcmp(verb_args_get(args, "SHELL"), "bash") != 0) {
		err_set(&err, CL_NOT_IMPLEMENTED, "completion %s: only bash is there",
		    verb_args_get(args, "SHELL"));
		return verb_out_error(ctx, &err);
	}
	buf_init(&b, INFO_TEXT_MAX);
	buf_add_str(&b, "# eval \"$(codinglab completion bash)\"\n_codinglab() {\n"
	    "\tlocal words= cur=${COMP_WORDS[COMP_CWORD]}\n\tcase ${COMP_WORDS[*]:1:COMP_CWORD-1} in\n"
	    "\t'') words='");
	add_words(&b, "");
	buf_add_str(&b, "' ;;\n");
	for (const struct verb *v = verb_table; v->name; v++) {
		cl_autofree char *first = NULL;

		space = strchr(v->name, ' ');
		if (!space || strncmp(v->name, last, (size_t)(space + 1 - v->name)) == 0)
			continue;
		last = v->name;
		first = mem_strndup(v->name, (size_t)(space - v->name));
		buf_printf(&b, "\t'%s') words='", first);
		add_words(&b, first);
		buf_add_str(&b, "' ;;\n");
	}
	buf_add_str(&b, "\t*) words='--json --quiet --yes --wait --no-wait --timeout --project --env "
	    "--help' ;;\n\tesac\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n"
	    "complete -F _codinglab codinglab\n");
	verb_out_text(ctx, b.data);
	buf_clear(&b);
	return 0;
}

int verb_info_ssh_config(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *host = verb_args_get(args, "HOST");
	json_t *me;
	int rc = verb_rest_call(ctx, "GET", "/v1/whoami", NULL, &me);

	if (rc)
		return rc;
	verb_out_line(ctx, "Host %s", "lab");
	verb_out_line(ctx, "    HostName %s", host ? host : config_str("sshd.listen"));
	verb_out_line(ctx, "    Port %lld", (long long)config_int("sshd.port"));
	verb_out_line(ctx, "    User %s", verb_out_str(me, "name"));
	verb_out_line(ctx, "    ServerAliveInterval 30");
	json_decref(me);
	return 0;
}
