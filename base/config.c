/*
 * Reading options: see config.h.  Each source only replaces text in `values`; when all are read
 * the texts are expanded, checked against the table and kept in `resolved`, which the getters
 * answer from.
 */
#include "base/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"

#define CONFIG_DEFAULT_FILE "/etc/codinglab/codinglab.conf"
#define CONFIG_DEFAULT_STATE "/var/lib/codinglab"
#define CONFIG_LINE_MAX 4096
#define CONFIG_OPTIONS_MAX 256

struct value {
	char *text;     /* as given; NULL = the fallback */
	char *where;    /* "FILE:LINE", "$NAME" or "--name", for errors */
	char *resolved; /* expanded */
	int64_t number; /* CONFIG_INT and CONFIG_BOOL */
};
static struct value values[CONFIG_OPTIONS_MAX];
static bool loaded;

static int find(const char *name, size_t n)
{
	for (int i = 0; i < config_table_count; i++)
		if (strncmp(config_table[i].name, name, n) == 0 && !config_table[i].name[n])
			return i;
	return -1;
}

static void give(int i, const char *text, size_t n, char *where)
{
	mem_free(values[i].text);
	mem_free(values[i].where);
	values[i].text = mem_strndup(text, n);
	values[i].where = where;
}

static const char *expand(int i, struct cl_err *err);

/* What a "${...}" stands for, or NULL. */
static const char *variable(const char *s, size_t n, struct cl_err *err)
{
	if (n == 5 && memcmp(s, "state", n) == 0)
		return expand(find("state.dir", 9), err);
	if (n == 5 && memcmp(s, "share", n) == 0)
		return expand(find("share.dir", 9), err);
	if (n == 3 && memcmp(s, "run", n) == 0)
		return expand(find("run.dir", 7), err);
	return NULL;
}

/* The sockets live in /run unless the state is somewhere else. */
static void default_run_dir(struct cl_err *err)
{
	static const char usual[] = "/run/codinglab", beside[] = "${state}/run";
	const char *state = expand(find("state.dir", 9), err);
	int run = find("run.dir", 7);

	if (values[run].text)
		return;
	if (strcmp(state, CONFIG_DEFAULT_STATE) == 0)
		give(run, usual, sizeof(usual) - 1, NULL);
	else
		give(run, beside, sizeof(beside) - 1, NULL);
}

/* The text of option i with its variables replaced; kept in values[i].resolved. */
static const char *expand(int i, struct cl_err *err)
{
	const char *s = values[i].text ? values[i].text : config_table[i].fallback, *end, *v;
	char *out = NULL, *next;

	if (values[i].resolved)
		return values[i].resolved;
	/* An option that names itself must not recurse for ever. */
	values[i].resolved = mem_strdup("");
	out = mem_strdup("");
	while (*s) {
		end = strncmp(s, "${", 2) == 0 ? strchr(s, '}') : NULL;
		if (end) {
			v = variable(s + 2, (size_t)(end - s - 2), err);
			if (!v) {
				err_set(err, CL_USAGE, "%s: %s: ${%.*s} is not known",
				    values[i].where ? values[i].where : "default",
				    config_table[i].name, (int)(end - s - 2), s + 2);
				v = "";
			}
			s = end + 1;
			next = mem_printf("%s%s", out, v);
		} else {
			next = mem_printf("%s%c", out, *s++);
		}
		mem_free(out);
		out = next;
	}
	mem_free(values[i].resolved);
	values[i].resolved = out;
	return out;
}

static int check_bool(const char *s, int64_t *out)
{
	static const char *const yes[] = {"yes", "true", "on", "1"};
	static const char *const no[] = {"no", "false", "off", "0"};

	for (size_t i = 0; i < CL_COUNT(yes); i++) {
		if (strcasecmp(s, yes[i]) == 0)
			return (int)(*out = 1) - 1;
		if (strcasecmp(s, no[i]) == 0)
			return (int)(*out = 0);
	}
	return -1;
}

static int check_word(const char *words, const char *s, int64_t *out)
{
	size_t n;

	for (*out = 0; *words; words += n + (words[n] == '|'), (*out)++) {
		n = strcspn(words, "|");
		if (strlen(s) == n && memcmp(words, s, n) == 0)
			return 0;
	}
	return -1;
}

static int check(int i, struct cl_err *err)
{
	const struct config_option *o = &config_table[i];
	const char *where = values[i].where ? values[i].where : "default";
	const char *s = expand(i, err);
	long long n;
	char *end;

	if (err->code)
		return -1;
	if (o->type == CONFIG_PATH && s[0] != '/')
		return err_set(err, CL_USAGE, "%s: %s: \"%s\" is not an absolute path", where, o->name, s);
	if (o->type == CONFIG_BOOL && check_bool(s, &values[i].number) < 0)
		return err_set(err, CL_USAGE, "%s: %s: \"%s\" is not yes or no", where, o->name, s);
	if (o->type == CONFIG_WORD && check_word(o->words, s, &values[i].number) < 0)
		return err_set(err, CL_USAGE, "%s: %s: \"%s\" is none of: %s", where, o->name, s, o->words);
	if (o->type != CONFIG_INT)
		return 0;
	errno = 0;
	n = strtoll(s, &end, 10);
	if (errno || end == s || *end || isspace((unsigned char)*s))
		return err_set(err, CL_USAGE, "%s: %s: \"%s\" is not a number", where, o->name, s);
	if (n < o->min || n > o->max)
		return err_set(err, CL_USAGE, "%s: %s: %lld is not in %lld..%lld", where, o->name, n,
		    (long long)o->min, (long long)o->max);
	values[i].number = n;
	return 0;
}

static char *trim(char *s)
{
	size_t n;

	while (isspace((unsigned char)*s))
		s++;
	n = strlen(s);
	while (n && isspace((unsigned char)s[n - 1]))
		s[--n] = '\0';
	return s;
}

/* One line of a file; section is kept across lines. */
static int read_line(char *line, const char *file, int number, char *section, size_t size,
    struct cl_err *err)
{
	cl_autofree char *full = NULL;
	char *s = trim(line), *value;
	size_t n = strlen(s);
	int i;

	if (!*s || *s == '#' || *s == ';')
		return 0;
	if (*s == '[') {
		if (s[n - 1] != ']' || n < 3 || n - 2 >= size)
			return err_set(err, CL_USAGE, "%s:%d: expected [section]", file, number);
		s[n - 1] = '\0';
		return mem_copy_str(section, size, trim(s + 1));
	}
	value = strchr(s, '=');
	if (!value)
		return err_set(err, CL_USAGE, "%s:%d: expected \"section.name = value\"", file, number);
	*value++ = '\0';
	s = trim(s);
	value = trim(value);
	n = strlen(value);
	if (n >= 2 && value[0] == '"' && value[n - 1] == '"') {
		value[n - 1] = '\0';
		value++;
	}
	full = section[0] && !strchr(s, '.') ? mem_printf("%s.%s", section, s) : mem_strdup(s);
	i = find(full, strlen(full));
	if (i < 0) {
		err_set(err, CL_USAGE, "%s:%d: unknown option \"%s\"", file, number, full);
		return err_hint(err, "`codinglab info --options` lists them");
	}
	give(i, value, strlen(value), mem_printf("%s:%d", file, number));
	return 0;
}

static int read_file(const char *file, bool must, struct cl_err *err)
{
	cl_autofclose FILE *f = fopen(file, "re");
	char line[CONFIG_LINE_MAX + 2], section[64] = "";
	size_t n, at = 0;
	int number = 1, c = 0;

	if (!f)
		return must || errno != ENOENT ? err_errno(err, CL_USAGE, "%s", file) : 0;
	for (; c != EOF; number++, at = 0) {
		while ((c = getc(f)) != EOF && c != '\n') {
			/* A cut line would turn its end into a line of its own. */
			if (c == '\0' || at == CONFIG_LINE_MAX)
				return err_set(err, CL_USAGE, "%s:%d: %s", file, number,
				    c ? "the line is too long" : "there is a NUL byte");
			line[at++] = (char)c;
		}
		n = at;
		line[n] = '\0';
		if (read_line(line, file, number, section, sizeof(section), err) < 0)
			return -1;
	}
	return ferror(f) ? err_errno(err, CL_USAGE, "%s", file) : 0;
}

static void read_env(void)
{
	const char *state = getenv("CODINGLAB_STATE"), *v;
	char name[128];

	if (state && *state)
		give(find("state.dir", 9), state, strlen(state), mem_strdup("$CODINGLAB_STATE"));
	for (int i = 0; i < config_table_count; i++) {
		snprintf(name, sizeof(name), "CODINGLAB_%s", config_table[i].name);
		for (char *p = name; *p; p++)
			*p = *p == '.' ? '_' : (char)toupper((unsigned char)*p);
		v = getenv(name);
		if (v && *v)
			give(i, v, strlen(v), mem_printf("$%s", name));
	}
}

/* The option that "--section-name" names, '-' standing for '.' and '_'; -1 if none does. */
static int find_arg(const char *arg, size_t n)
{
	const char *name;
	size_t k;

	for (int i = 0; i < config_table_count; i++) {
		name = config_table[i].name;
		for (k = 0; k < n && name[k]; k++)
			if (arg[k] != name[k] && !(arg[k] == '-' && (name[k] == '.' || name[k] == '_')))
				break;
		if (k == n && !name[k])
			return i;
	}
	return -1;
}

static int read_args(int *argc, char **argv, struct cl_err *err)
{
	int kept = 1, i, a;
	const char *s;
	size_t n;

	for (a = 1; a < *argc; a++) {
		s = argv[a];
		n = strcspn(s, "=");
		if (strcmp(s, "--") == 0)
			break;
		i = strncmp(s, "--", 2) == 0 ? find_arg(s + 2, n - 2) : -1;
		if (i < 0) {
			argv[kept++] = argv[a];
			continue;
		}
		if (s[n] == '=')
			give(i, s + n + 1, strlen(s + n + 1), mem_strndup(s, n));
		else if (a + 1 == *argc)
			return err_set(err, CL_USAGE, "%s: needs a value", s);
		else
			a++, give(i, argv[a], strlen(argv[a]), mem_strdup(s));
	}
	while (a < *argc)
		argv[kept++] = argv[a++];
	argv[kept] = NULL;
	*argc = kept;
	return 0;
}

int config_load(const char *file, int *argc, char **argv, struct cl_err *err)
{
	struct cl_err own = {0};
	bool must = file != NULL;
	int rc;

	if (config_table_count > CONFIG_OPTIONS_MAX)
		log_fatal("config: the table has more than %d options", CONFIG_OPTIONS_MAX);
	for (int i = 0; i < config_table_count; i++) {
		mem_free(values[i].text);
		mem_free(values[i].where);
		mem_free(values[i].resolved);
		memset(&values[i], 0, sizeof(values[i]));
	}
	if (!file && (file = getenv("CODINGLAB_CONF")) && *file)
		must = true;
	if (!file || !*file)
		file = CONFIG_DEFAULT_FILE;
	rc = read_file(file, must, &own);
	if (rc == 0)
		read_env();
	if (rc == 0 && argc)
		rc = read_args(argc, argv, &own);
	if (rc == 0)
		default_run_dir(&own);
	for (int i = 0; rc == 0 && i < config_table_count; i++)
		rc = check(i, &own);
	loaded = rc == 0;
	if (rc < 0 && err && !err->code)
		*err = own;
	return rc;
}

#define OF(type) (1u << (type))

static const struct value *get(const char *name, unsigned types)
{
	struct cl_err err = {0};
	int i = find(name, strlen(name));

	if (i < 0 || !(OF(config_table[i].type) & types))
		log_fatal("config: no option %s of that type", name);
	if (!loaded && config_load("/dev/null", NULL, NULL, &err) < 0)
		log_fatal("config: %s", err.message);
	return &values[i];
}

const char *config_str(const char *name)
{
	return get(name, OF(CONFIG_STR) | OF(CONFIG_PATH) | OF(CONFIG_WORD))->resolved;
}

int config_word(const char *name)
{
	return (int)get(name, OF(CONFIG_WORD))->number;
}

int64_t config_int(const char *name)
{
	return get(name, OF(CONFIG_INT))->number;
}

bool config_bool(const char *name)
{
	return get(name, OF(CONFIG_BOOL))->number != 0;
}

void config_print(FILE *f)
{
	get("state.dir", OF(CONFIG_PATH));
	for (int i = 0; i < config_table_count; i++)
		fprintf(f, "%s = %s   # %s\n", config_table[i].name, values[i].resolved,
		    config_table[i].help);
}
