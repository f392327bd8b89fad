/* Arguments of a verb: see verb_args.h. */
#include "engine/client/verb_args.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "engine/client/verb_ctx.h"

enum item_kind { ITEM_WORD, ITEM_PAIR, ITEM_OPTION, ITEM_SWITCH, ITEM_REST };

/* One item of a specification, read from the usage string. */
struct item {
	enum item_kind kind;
	bool required;
	char names[48];  /* "-n|--tail", "NAME" or "web" */
	char value[24];  /* name of the value: "N", "ID"; "" for a switch */
};

struct spec {
	struct item item[VERB_ARGS_MAX];
	int n;
};

/* Cut the next item, with its brackets off, from a specification; false at its end. */
static bool next_item(const char **spec, struct item *it)
{
	const char *s = *spec, *end, *value;
	size_t n;

	memset(it, 0, sizeof(*it));
	while (*s == ' ')
		s++;
	if (!*s)
		return false;
	it->required = *s != '[';
	if (*s == '[')
		end = strchr(++s, ']');
	else if (*s == '-')
		end = s + strcspn(s, " "), end += *end ? 1 + strcspn(end + 1, " ") : 0;
	else
		end = s + strcspn(s, " ");
	*spec = *end == ']' ? end + 1 : end;
	n = (size_t)(end - s);
	value = memchr(s, *s == '-' ? ' ' : '=', n);
	if (value)
		mem_copy_str(it->value, (size_t)(end - value) < sizeof(it->value)
		    ? (size_t)(end - value) : sizeof(it->value), value + 1);
	if (n > 3 && memcmp(end - 3, "...", 3) == 0) {
		it->kind = ITEM_REST;
		n -= 3;
		value = NULL;
	} else if (*s == '-') {
		it->kind = value ? ITEM_OPTION : ITEM_SWITCH;
	} else {
		it->kind = value ? ITEM_PAIR : ITEM_WORD;
	}
	if (value)
		n = (size_t)(value - s);
	mem_copy_str(it->names, n + 1 < sizeof(it->names) ? n + 1 : sizeof(it->names), s);
	return true;
}

/* Is name one of the spellings in "a|b"? */
static bool spelled(const char *names, const char *name, size_t n)
{
	size_t k;

	for (; *names; names += k + (names[k] == '|')) {
		k = strcspn(names, "|");
		if (k == n && memcmp(names, name, n) == 0)
			return true;
	}
	return false;
}

/* Names of files may be any bytes; all else goes into JSON.  The value is not said: it may be a secret. */
static int check_text(const char *names, const char *value_name, const char *value, struct cl_err *err)
{
	static const char *const files[] = {"FILE", "FOLDER", "SOURCE"};

	for (size_t i = 0; i < CL_COUNT(files); i++)
		if (strcmp(names, files[i]) == 0 || strcmp(value_name, files[i]) == 0)
			return 0;
	if (utf8_valid(value, strlen(value)))
		return 0;
	return err_set(err, CL_USAGE, "%s is not UTF-8", names);
}

static int check_value(const struct item *it, const char *value, struct cl_err *err)
{
	long long v;
	char *end;

	if (check_text(it->names, it->value, value, err) < 0)
		return -1;
	if (strcmp(it->value, "N") != 0 && strcmp(it->names, "N") != 0)
		return 0;
	errno = 0;
	v = strtoll(value, &end, 10);
	if (errno || !isdigit((unsigned char)*value) || *end || v > 1000000000)
		return err_set(err, CL_USAGE, "\"%s\" is not a whole number", value);
	return 0;
}

static void keep(struct verb_args *a, const struct item *it, const char *value)
{
	size_t n = strcspn(it->names, "|");

	memcpy(a->item[a->items].name, it->names, n < 31 ? n : 31);
	a->item[a->items++].value = value;
}

static int give(struct verb_args *a, const struct item *it, const char *value, struct cl_err *err)
{
	char name[32] = "";

	memcpy(name, it->names, strcspn(it->names, "|") % sizeof(name));
	if (check_value(it, value, err) < 0)
		return -1;
	if (verb_args_has(a, name) && it->kind != ITEM_SWITCH)
		return err_set(err, CL_USAGE, "%s is given twice", name);
	keep(a, it, value);
	return 0;
}

struct parse {
	struct spec spec;
	struct verb_args *a;
	struct verb_ctx *ctx;
	int argc, at;
	char **argv;
	bool raw, *help;
	int words; /* words taken so far */
};

static struct item *find_option(struct parse *p, const char *name, size_t n)
{
	for (int i = 0; i < p->spec.n; i++) {
		struct item *it = &p->spec.item[i];

		if ((it->kind == ITEM_OPTION || it->kind == ITEM_SWITCH) && spelled(it->names, name, n))
			return it;
	}
	return NULL;
}

/* The value of an option: after '=', or the next word. */
static const char *option_value(struct parse *p, const char *word, size_t n, struct cl_err *err)
{
	if (word[n] == '=')
		return word + n + 1;
	if (p->at + 1 < p->argc)
		return p->argv[++p->at];
	err_set(err, CL_USAGE, "%.*s needs a value", (int)n, word);
	return NULL;
}

static int take_timeout(struct verb_ctx *ctx, const char *value, struct cl_err *err)
{
	long s = verb_args_seconds(value);

	if (s < 1)
		return err_set(err, CL_USAGE, "--timeout: \"%s\" is no duration like 60s, 5m or 1h", value);
	ctx->timeout_s = (int)s;
	return 0;
}

/* Options that every verb has. 1 taken, 0 not one of them, -1 wrong. */
static int take_common(struct parse *p, const char *word, size_t n, struct cl_err *err)
{
	static const struct {
		const char *names;
		size_t offset;
		bool value;
	} switches[] = {
	    {"--json", offsetof(struct verb_ctx, json), true},
	    {"-q|--quiet", offsetof(struct verb_ctx, quiet), true},
	    {"-n|--dry-run", offsetof(struct verb_ctx, dry_run), true},
	    {"-y|--yes", offsetof(struct verb_ctx, yes), true},
	    {"--wait", offsetof(struct verb_ctx, wait), true},
	    {"--no-wait", offsetof(struct verb_ctx, wait), false},
	};
	const char *value;

	for (size_t i = 0; i < CL_COUNT(switches); i++) {
		if (!word[n] && spelled(switches[i].names, word, n)) {
			*(bool *)(void *)((char *)p->ctx + switches[i].offset) = switches[i].value;
			return 1;
		}
	}
	if (spelled("-h|--help", word, n))
		return *p->help = true;
	if (!spelled("--timeout|-p|--project|--env", word, n))
		return 0;
	value = option_value(p, word, n, err);
	if (!value)
		return -1;
	if (spelled("--timeout", word, n))
		return take_timeout(p->ctx, value, err) < 0 ? -1 : 1;
	if (spelled("--env", word, n)) {
		if (strcmp(value, "dev") != 0 && strcmp(value, "prod") != 0)
			return err_set(err, CL_USAGE, "--env is dev or prod, not \"%s\"", value);
		p->ctx->env = value;
	} else {
		p->ctx->project = value;
	}
	return 1;
}

/* "--replicas=4", "-n", "-n5" or "-fn" at argv[at]. */
static int take_option(struct parse *p, struct cl_err *err)
{
	const char *word = p->argv[p->at], *value;
	size_t n = strcspn(word, "=");
	struct item *it = find_option(p, word, n);
	int rc;

	if (!it) {
		rc = take_common(p, word, n, err);
		if (rc != 0)
			return rc;
		/* -n5: a short option with its value stuck on. */
		it = word[1] != '-' && n > 2 ? find_option(p, word, 2) : NULL;
		if (it && it->kind == ITEM_OPTION)
			return give(p->a, it, word + 2, err);
		return err_set(err, CL_USAGE, "unknown option %s", word);
	}
	if (it->kind == ITEM_SWITCH) {
		if (word[n] == '=')
			return err_set(err, CL_USAGE, "%.*s takes no value", (int)n, word);
		return give(p->a, it, "", err);
	}
	value = option_value(p, word, n, err);
	return value ? give(p->a, it, value, err) : -1;
}

/* A word that is no option: a pair if the specification has its key, else the next place. */
static int take_word(struct parse *p, struct cl_err *err)
{
	char *word = p->argv[p->at];
	size_t n = strcspn(word, "=");
	int place = 0;

	for (int i = 0; word[n] && i < p->spec.n; i++) {
		struct item *it = &p->spec.item[i];

		if (it->kind == ITEM_PAIR && strlen(it->names) == n && memcmp(it->names, word, n) == 0)
			return give(p->a, it, word + n + 1, err);
	}
	for (int i = 0; i < p->spec.n; i++) {
		struct item *it = &p->spec.item[i];

		if (it->kind == ITEM_REST) {
			if (check_text(it->names, "", word, err) < 0)
				return -1;
			p->a->rest[p->a->nrest++] = word;
			return 0;
		}
		if (it->kind != ITEM_WORD || place++ < p->words)
			continue;
		p->words++;
		return give(p->a, it, word, err);
	}
	return err_set(err, CL_USAGE, "\"%s\" is one word too many", word);
}

static int check_required(struct parse *p, struct cl_err *err)
{
	char name[48];

	for (int i = 0; i < p->spec.n; i++) {
		struct item *it = &p->spec.item[i];

		mem_copy_str(name, sizeof(name), it->names);
		name[strcspn(name, "|")] = '\0';
		if (!it->required || (it->kind == ITEM_REST ? p->a->nrest > 0 : verb_args_has(p->a, name)))
			continue;
		return err_set(err, CL_USAGE, "%s is missing", it->names);
	}
	return 0;
}

int verb_args_parse(struct verb_args *a, const char *spec, enum verb_args_raw raw, int argc, char **argv,
    struct verb_ctx *ctx, bool *help, struct cl_err *err)
{
	struct parse p = {.a = a, .ctx = ctx, .argc = argc, .argv = argv, .raw = raw, .help = help};
	bool options = true;

	memset(a, 0, sizeof(*a));
	a->rest = mem_array((size_t)argc + 1, sizeof(*a->rest));
	while (p.spec.n < VERB_ARGS_MAX && next_item(&spec, &p.spec.item[p.spec.n]))
		p.spec.n++;
	for (p.at = 0; p.at < argc; p.at++) {
		const char *word = argv[p.at];

		if (a->items == VERB_ARGS_MAX)
			return err_set(err, CL_USAGE, "too many options");
		if (options && strcmp(word, "--") == 0) {
			options = false;
		} else if (options && word[0] == '-' && word[1] &&
		    (raw != VERB_ARGS_SHORT || word[1] == '-')) {
			if (take_option(&p, err) < 0)
				return -1;
		} else {
			if (take_word(&p, err) < 0)
				return -1;
			options = options && raw == VERB_ARGS_PLAIN;
		}
	}
	return *help ? 0 : check_required(&p, err);
}

const char *verb_args_get(const struct verb_args *a, const char *name)
{
	for (int i = 0; i < a->items; i++)
		if (strcmp(a->item[i].name, name) == 0)
			return a->item[i].value;
	return NULL;
}

bool verb_args_has(const struct verb_args *a, const char *name)
{
	return verb_args_get(a, name) != NULL;
}

long verb_args_int(const struct verb_args *a, const char *name, long otherwise)
{
	const char *value = verb_args_get(a, name);

	return value ? strtol(value, NULL, 10) : otherwise;
}

long verb_args_seconds(const char *text)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(text, &end, 10);
	if (errno || !isdigit((unsigned char)*text) || v > 1000000)
		return -1;
	if (strcmp(end, "m") == 0)
		v *= 60;
	else if (strcmp(end, "h") == 0)
		v *= 3600;
	else if (*end && strcmp(end, "s") != 0)
		return -1;
	return v <= 1000000 ? v : -1;
}

int verb_args_split(const char *line, char ***words)
{
	size_t len = strlen(line), max = len / 2 + 2;
	char **list = mem_alloc(max * sizeof(*list) + len + 1);
	char *out = (char *)(list + max), quote = 0;
	bool in_word = false;
	int n = 0;

	for (const char *s = line; *s; s++) {
		if (!quote && isspace((unsigned char)*s)) {
			if (in_word)
				*out++ = '\0';
			in_word = false;
			continue;
		}
		if (!in_word)
			list[n++] = out;
		in_word = true;
		if (quote ? *s == quote : *s == '\'' || *s == '"') {
			quote = quote ? 0 : *s;
			continue;
		}
		/* Inside double quotes a backslash is one, except before these. */
		if (*s == '\\' && quote != '\'' && s[1] && (!quote || strchr("\"\\$`", s[1])))
			s++;
		*out++ = *s;
	}
	*out = '\0';
	list[n] = NULL;
	if (quote) {
		mem_free(list);
		*words = NULL;
		return -1;
	}
	*words = list;
	return n;
}
