/* Facts of images: see image_facts.h. */
#include "engine/broker/image_facts.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/path.h"
#include "engine/broker/check.h"
#include "engine/broker/docker.h"
#include "engine/broker/run.h"
#include "engine/broker/spec.h"

#define FACTS_MAX (512u << 10)
#define FACTS_VALUE 200
#define FACTS_UID 65534
#define FACTS_S 60
#define STACK_MAX (1u << 16)
#define PREFIX "codinglab."
#define PACKAGES PREFIX "packages"

/* 'word' for sh. */
static void add_quoted(struct buf *b, const char *word)
{
	buf_add(b, "'", 1);
	for (; *word; word++) {
		if (*word == '\'')
			buf_add(b, "'\\''", 4);
		else
			buf_add(b, word, 1);
	}
	buf_add(b, "' ", 2);
}

char *image_facts_script(const json_t *stack)
{
	json_t *versions = json_object_get(stack, "versions"), *argv, *word;
	const char *name;
	struct buf b;
	size_t i;

	buf_init(&b, STACK_MAX * 8);
	buf_printf(&b, "dpkg-query -W -f='p ${Package}=${Version}\\n' 2>/dev/null ||\n"
	    "rpm -qa --qf 'p %%{NAME}=%%{VERSION}-%%{RELEASE}\\n' 2>/dev/null | sort\n"
	    "[ ! -r /usr/share/codinglab/labels ] || sed 's/^/l /' /usr/share/codinglab/labels\n");
	json_object_foreach(versions, name, argv) {
		if (!check_label(name))
			continue;
		buf_printf(&b, "printf 'v %s='; { ", name);
		json_array_foreach(argv, i, word)
			add_quoted(&b, json_string_value(word) ? json_string_value(word) : "");
		buf_printf(&b, "; } 2>&1 </dev/null | sed -n '/[^ ]/{p;q;}' | grep . || echo\n");
	}
	buf_printf(&b, "exit 0\n");
	return buf_take(&b, NULL);
}

/* Printable, without what a label's quotes would need. */
static void clean(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || (unsigned char)*s > '~' || strchr("\"\\$`", *s))
			*s = ' ';
}

static void put_fact(json_t *o, const char *prefix, char *line)
{
	char key[160], *eq = strchr(line, '=');

	if (!eq)
		return;
	*eq = '\0';
	if (!check_label(line))
		return;
	if (strlen(eq + 1) > FACTS_VALUE)
		eq[1 + FACTS_VALUE] = '\0';
	clean(eq + 1);
	snprintf(key, sizeof(key), PREFIX "%s%s", prefix, line);
	json_object_set_new(o, key, json_string(eq + 1 + strspn(eq + 1, " ")));
}

json_t *image_facts_read(const char *text)
{
	cl_autofree char *copy = mem_strdup(text);
	char *rest = copy, *line;
	json_t *o = json_object();
	struct buf packages;

	buf_init(&packages, FACTS_MAX);
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (strncmp(line, "p ", 2) == 0) {
			clean(line);
			buf_printf(&packages, "%s%s", packages.len ? " " : "", line + 2);
		} else if (strncmp(line, "l ", 2) == 0) {
			put_fact(o, "", line + 2);
		} else if (strncmp(line, "v ", 2) == 0) {
			put_fact(o, "version.", line + 2);
		}
	}
	if (packages.len)
		json_object_set_new(o, PACKAGES, json_stringn(packages.data, packages.len));
	buf_clear(&packages);
	return o;
}

char *image_facts_recipe(const char *ref, const json_t *labels)
{
	const char *key;
	json_t *value;
	struct buf b;

	buf_init(&b, FACTS_MAX * 2);
	buf_printf(&b, "FROM %s\n", ref);
	json_object_foreach((json_t *)(uintptr_t)labels, key, value)
		buf_printf(&b, "LABEL %s=\"%s\"\n", key, json_string_value(value));
	return buf_take(&b, NULL);
}

static size_t words_of(const char *s)
{
	size_t n = 0;

	for (s += strspn(s, " "); *s; s += strspn(s, " ")) {
		n++;
		s += strcspn(s, " ");
	}
	return n;
}

char *image_facts_short(const json_t *labels)
{
	json_t *o = json_object(), *value;
	size_t room = IMAGE_FACTS_SHORT - 2;
	const char *key;
	char *text;

	json_object_foreach((json_t *)(uintptr_t)labels, key, value) {
		const char *s = json_string_value(value);
		char count[24];
		size_t need;

		if (!s || strncmp(key, PREFIX, sizeof(PREFIX) - 1) != 0)
			continue;
		if (strcmp(key, PACKAGES) == 0) {
			snprintf(count, sizeof(count), "%zu", words_of(s));
			s = count;
		}
		need = 6 * (strlen(key) + strlen(s)) + 8; /* each byte may become \u00XX */
		if (need > room)
			continue;
		room -= need;
		json_object_set_new(o, key + sizeof(PREFIX) - 1, json_string(s));
	}
	text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(o);
	return text;
}

static json_t *read_stack(const struct broker *b, const char *folder)
{
	cl_autofree char *text = NULL;
	cl_autoclose int root = -1;
	char dir[PLACE_PATH];
	size_t len;

	place_stack(&b->place, folder, dir);
	root = path_root(dir, NULL);
	text = root < 0 ? NULL : path_read(root, "stack.json", STACK_MAX, &len, NULL);
	return text ? json_loadb(text, len, 0, NULL) : NULL;
}

/* A container that may do nothing but look at its own files. */
static void fill(struct spec *s, const char *id, char *script)
{
	static char sh[] = "sh", c[] = "-c";

	memset(s, 0, sizeof(*s));
	snprintf(s->name, sizeof(s->name), "facts-%.60s", id);
	snprintf(s->env, sizeof(s->env), "job");
	snprintf(s->tier, sizeof(s->tier), "job");
	snprintf(s->image, sizeof(s->image), "%s", id);
	snprintf(s->workdir, sizeof(s->workdir), "/");
	s->argv.words[0] = sh;
	s->argv.words[1] = c;
	s->argv.words[2] = script;
	s->argv.n = 3;
	s->uid = s->gid = FACTS_UID;
	s->memory = INT64_C(512) << 20;
	s->pids = 128;
	s->read_only_root = true;
}

json_t *image_facts_find(const struct broker *b, const char *folder, const char *id,
    struct cl_err *err)
{
	struct line *out = mem_alloc(sizeof(*out));
	struct spec *s = mem_alloc(sizeof(*s));
	json_t *stack = read_stack(b, folder), *o = NULL;
	cl_autofree char *script = image_facts_script(stack);
	int status = -1;
	struct buf text;

	json_decref(stack);
	buf_init(&text, FACTS_MAX);
	line_keep(out, &text);
	fill(s, id, script);
	if (run_job(b, s, out, FACTS_S, &status, err) == 0 && buf_add(&text, "", 1) == 0)
		o = image_facts_read(text.data);
	if (o && status != 0) {
		json_decref(o);
		o = NULL;
		err_set(err, CL_FAILED, "image %s: looking into it ended with status %d", id, status);
	}
	buf_clear(&text);
	mem_free(s);
	mem_free(out);
	return o;
}
