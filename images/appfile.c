/*
 * Procfile: "name: command line" on each line, # starts a comment.  Names are Heroku's (web,
 * release) or ours (serve, migrate, run, build, test); other process types are accepted and
 * ignored, as a Procfile is shared with other platforms.  .codinglab.json is ours alone, so there an
 * unknown field is a mistake.
 */
#include "images/appfile.h"

#include <string.h>
#include <jansson.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "images/field.h"

static void appfile_set_line(struct appfile *a, int command, const char *line, size_t n);
static int appfile_line(struct appfile *a, const struct field_ctx *c, const char *line, size_t n);
static int appfile_command(const char *name, size_t n);
static int appfile_json_command(struct appfile *a, const struct field_ctx *c, const json_t *v,
    int command);

void appfile_init(struct appfile *a)
{
	memset(a, 0, sizeof(*a));
}

void appfile_clear(struct appfile *a)
{
	for (int i = 0; i < STACK_COMMANDS; i++)
		field_free_argv(a->command[i]);
	appfile_init(a);
}

int appfile_add_json(struct appfile *a, const char *text, size_t len, struct cl_err *err)
{
	static const char *const known[] = { "run", "serve", "build", "migrate", "test", "repl",
		"debug", "lsp", "port", "health", "containerfile", NULL };
	struct field_ctx c = { ".codinglab.json", err };
	json_error_t why;
	json_t *o = len <= APPFILE_MAX ? json_loadb(text, len, JSON_REJECT_DUPLICATES, &why) : NULL;
	int64_t port = a->port;
	int rc;

	if (len > APPFILE_MAX)
		return err_set(err, CL_TOO_LARGE, ".codinglab.json: larger than 64 KiB");
	if (o == NULL)
		return err_set(err, CL_USAGE, ".codinglab.json: line %d: %s", why.line, why.text);
	rc = field_check(&c, "the file", o, known);
	if (rc == 0)
		rc = field_int(&c, o, "port", true, 1, 65535, &port);
	if (rc == 0)
		rc = field_str(&c, o, "health", true, 1, a->health, sizeof(a->health));
	if (rc == 0 && a->health[0] != '\0' && a->health[0] != '/')
		rc = field_fail(&c, "health", "must start with /");
	if (rc == 0 && json_is_false(json_object_get(o, "containerfile")))
		(void)mem_copy_str(a->containerfile, sizeof(a->containerfile), "-");
	else if (rc == 0)
		rc = field_str(&c, o, "containerfile", true, 1, a->containerfile,
		    sizeof(a->containerfile));
	for (int i = 0; i < STACK_COMMANDS && rc == 0; i++) {
		const json_t *v = json_object_get(o, known[i]);

		if (v != NULL)
			rc = appfile_json_command(a, &c, v, i);
	}
	if (rc == 0)
		a->port = (int)port;
	json_decref(o);
	return rc;
}

int appfile_add_procfile(struct appfile *a, const char *text, size_t len, struct cl_err *err)
{
	struct field_ctx c = { "Procfile", err };

	if (len > APPFILE_MAX)
		return err_set(err, CL_TOO_LARGE, "Procfile: larger than 64 KiB");
	if (memchr(text, '\0', len) != NULL || !utf8_valid(text, len))
		return err_set(err, CL_USAGE, "Procfile: is no text");
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t n = end != NULL ? (size_t)(end - text) : len;

		if (appfile_line(a, &c, text, n) != 0)
			return -1;
		n += end != NULL;
		text += n;
		len -= n;
	}
	return 0;
}

char *const *appfile_get(const struct appfile *a, const struct stack *s, enum stack_command command)
{
	return a->command[command] != NULL ? a->command[command] : s->command[command];
}

static int appfile_line(struct appfile *a, const struct field_ctx *c, const char *line, size_t n)
{
	const char *colon;
	size_t name;

	while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == ' ' || line[n - 1] == '\t'))
		n--;
	while (n > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		n--;
	}
	if (n == 0 || *line == '#')
		return 0;
	colon = memchr(line, ':', n);
	if (colon == NULL || colon == line)
		return field_fail(c, "line", "\"%.*s\" is not NAME: COMMAND",
		    (int)(n < 40 ? n : 40), line);
	name = (size_t)(colon - line);
	n -= name + 1;
	line = colon + 1;
	while (n > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		n--;
	}
	if (n == 0 || n > STACK_WORD_MAX)
		return field_fail(c, "command", "must have 1 to %d bytes", STACK_WORD_MAX);
	appfile_set_line(a, appfile_command(colon - name, name), line, n);
	return 0;
}

/* -1 for a process type that is not ours. */
static int appfile_command(const char *name, size_t n)
{
	static const struct {
		const char *name;
		enum stack_command command;
	} names[] = { { "web", STACK_SERVE }, { "serve", STACK_SERVE }, { "release", STACK_MIGRATE },
		{ "migrate", STACK_MIGRATE }, { "run", STACK_RUN }, { "build", STACK_BUILD },
		{ "test", STACK_TEST } };

	for (size_t i = 0; i < CL_COUNT(names); i++)
		if (strlen(names[i].name) == n && memcmp(names[i].name, name, n) == 0)
			return (int)names[i].command;
	return -1;
}

static void appfile_set_line(struct appfile *a, int command, const char *line, size_t n)
{
	char **argv;

	if (command < 0 || a->command[command] != NULL)
		return;
	argv = mem_array(4, sizeof(*argv));
	argv[0] = mem_strdup("sh");
	argv[1] = mem_strdup("-c");
	argv[2] = mem_strndup(line, n);
	a->command[command] = argv;
}

static int appfile_json_command(struct appfile *a, const struct field_ctx *c, const json_t *v,
    int command)
{
	const char *name = stack_command_name((enum stack_command)command);
	const char *s = json_string_value(v);

	if (s == NULL) {
		char **argv;

		if (field_argv(c, v, name, STACK_ARGV_MAX, STACK_WORD_MAX, &argv) != 0)
			return -1;
		field_free_argv(a->command[command]);
		a->command[command] = argv;
		return 0;
	}
	if (json_string_length(v) < 1 || json_string_length(v) > STACK_WORD_MAX ||
	    strlen(s) != json_string_length(v))
		return field_fail(c, name, "must have 1 to %d bytes", STACK_WORD_MAX);
	appfile_set_line(a, command, s, strlen(s));
	return 0;
}
