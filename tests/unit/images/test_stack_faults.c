/*
 * Faults in stack files: for each field every wrong type, size and byte is refused, by a message
 * that begins with the file's path and names the field.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "images/stack.h"

static const char good[] =
    "{\"id\":\"x\",\"title\":\"X\",\"kind\":\"framework\",\"summary\":\"s\",\"parent\":null,"
    "\"images\":{\"dev\":{\"id\":\"x\",\"file\":\"C\",\"parent\":null},"
    "\"run\":{\"id\":\"x-run\",\"file\":\"C.run\",\"parent\":\"x\"}},"
    "\"commands\":{\"run\":[\"a\"],\"serve\":[\"b\",\"c\"]},\"port\":80,\"health\":\"/up\","
    "\"env\":{\"A\":\"1\"},\"secrets\":[\"KEY\"],\"tmp\":[\"/tmp\"],\"template\":\"t\","
    "\"versions\":{\"a-1.0\":[\"a\",\"-v\"]},\"registries\":[[\"npm\",\"config\"],[\"a\"]]}";

static char dir[64], path[128];

static void write_bytes(const char *text, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
	cl_autofree char *folder = NULL, *template = NULL;

	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/cl-faults-XXXXXX");
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/x/stack.json", dir);
	folder = mem_printf("%s/x", dir);
	template = mem_printf("%s/x/t", dir);
	return mkdir(folder, 0755) == 0 && mkdir(template, 0755) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	cl_autofree char *folder = mem_printf("%s/x", dir), *template = mem_printf("%s/x/t", dir);

	(void)state;
	(void)unlink(path);
	(void)rmdir(template);
	(void)rmdir(folder);
	return rmdir(dir);
}

static int load(struct cl_err *err)
{
	struct stack_set set;
	int rc = stack_load(&set, dir, err);

	if (rc == 0)
		stack_clear(&set);
	return rc;
}

/* "images.run.file" of the good one becomes this value; NULL: it is left out. */
static void change(const char *field, const char *value)
{
	json_t *o = json_loads(good, 0, NULL), *at = o, *v;
	char copy[64], *rest = copy, *word, *last = NULL;
	cl_autofree char *text = NULL;

	(void)mem_copy_str(copy, sizeof(copy), field);
	while ((word = strsep(&rest, ".")) != NULL) {
		if (last != NULL)
			at = json_object_get(at, last);
		last = word;
	}
	if (value == NULL) {
		json_object_del(at, last);
	} else {
		v = json_loads(value, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		if (v == NULL)
			fail_msg("not JSON: %s", value);
		json_object_set_new(at, last, v);
	}
	text = json_dumps(o, 0);
	write_bytes(text, strlen(text));
	json_decref(o);
}

static void refused(const char *field, const char *value, const char *named)
{
	struct cl_err err = { 0 };

	change(field, value);
	if (load(&err) == 0)
		fail_msg("%s = %s was accepted", field, value != NULL ? value : "(nothing)");
	if (err.code != CL_USAGE || strncmp(err.message, path, strlen(path)) != 0 ||
	    strstr(err.message + strlen(path), named) == NULL)
		fail_msg("%s = %s: %s", field, value != NULL ? value : "(nothing)", err.message);
}

static void the_good_one_is_good(void **state)
{
	struct cl_err err = { 0 };

	(void)state;
	write_bytes(good, sizeof(good) - 1);
	if (load(&err) != 0)
		fail_msg("%s", err.message);
}

static void what_must_be_there_must_be_there(void **state)
{
	static const char *const fields[] = { "id", "title", "kind", "summary", "parent", "health", "port",
		"images", "commands", "images.dev", "images.run", "images.dev.id", "images.dev.file",
		"images.dev.parent", "images.run.id", "commands.run", "commands.serve" };

	(void)state;
	for (size_t i = 0; i < CL_COUNT(fields); i++) {
		const char *dot = strrchr(fields[i], '.');
		bool command = strncmp(fields[i], "commands.", 9) == 0;

		refused(fields[i], NULL, command ? "commands" : dot != NULL ? dot + 1 : fields[i]);
	}
}

static void what_may_be_left_out_may_be(void **state)
{
	static const char *const fields[] = { "env", "secrets", "tmp", "template", "versions",
		"registries" };

	(void)state;
	for (size_t i = 0; i < CL_COUNT(fields); i++) {
		struct cl_err err = { 0 };

		change(fields[i], NULL);
		if (load(&err) != 0)
			fail_msg("without %s: %s", fields[i], err.message);
	}
}

static void types_are_what_they_must_be(void **state)
{
	static const char *const wrong[] = { "1", "true", "[]", "{}", "[\"a\"]", "1.5" };
	static const char *const strings[] = { "id", "title", "kind", "summary", "parent", "health",
		"template", "images.dev.id", "images.dev.file", "images.run.parent" };

	(void)state;
	for (size_t i = 0; i < CL_COUNT(strings); i++) {
		const char *dot = strrchr(strings[i], '.');

		for (size_t k = 0; k < CL_COUNT(wrong); k++)
			refused(strings[i], wrong[k], dot != NULL ? dot + 1 : strings[i]);
	}
}

static void numbers_are_whole_and_in_range(void **state)
{
	static const char *const ports[] = { "0", "-1", "65536", "99999999999", "80.5", "\"80\"", "null",
		"true", "[]" };
	static const char *const uids[] = { "0", "999", "65534", "-5", "\"root\"", "1e4" };

	(void)state;
	for (size_t i = 0; i < CL_COUNT(ports); i++)
		refused("port", ports[i], "port");
	for (size_t i = 0; i < CL_COUNT(uids); i++)
		refused("uid", uids[i], "uid");
}

static void texts_have_a_size_and_no_controls(void **state)
{
	static const struct {
		const char *field, *value;
	} rows[] = {
		{ "id", "\"\"" }, { "title", "\"\"" }, { "kind", "\"\"" }, { "id", "null" },
		{ "title", "\"a\\u001b[2J\"" }, { "summary", "\"a\\nb\"" },
		{ "summary", "\"\\u007f\"" }, { "health", "\"/a\\r\\nX: y\"" }, { "health", "\"up\"" },
	};
	cl_autofree char *large = mem_alloc(5001), *value = NULL;

	(void)state;
	for (size_t i = 0; i < CL_COUNT(rows); i++)
		refused(rows[i].field, rows[i].value, rows[i].field);
	memset(large, 'a', 5000);
	value = mem_printf("\"%s\"", large);
	refused("title", value, "title");
	refused("summary", value, "summary");
	refused("id", value, "id");
	refused("parent", value, "parent");
	refused("template", value, "template");
}

static void names_are_plain(void **state)
{
	static const char *const bad[] = { "\"X\"", "\"1x\"", "\"-x\"", "\"x y\"", "\"../x\"", "\"x/y\"",
		"\"x_y\"", "\"\\ud55c\"", "\"x:latest\"" };
	static const char *const files[] = { "\"../C\"", "\"/etc/passwd\"", "\"a/b\"", "\".hidden\"",
		"\"..\"", "\".\"" };

	(void)state;
	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		refused("id", bad[i], "id");
		refused("images.dev.id", bad[i], "images.id");
	}
	for (size_t i = 0; i < CL_COUNT(files); i++) {
		refused("images.run.file", files[i], "images.file");
		refused("template", files[i], "template");
	}
	refused("template", "\"gone\"", "is no folder");
}

static void kinds_are_a_list(void **state)
{
	static const char *const bad[] = { "\"Language\"", "\"frame\"", "\"service \"", "\"base,service\"" };

	(void)state;
	for (size_t i = 0; i < CL_COUNT(bad); i++)
		refused("kind", bad[i], "kind");
	refused("kind", "\"service\"", "images.dev");
	refused("kind", "\"base\"", "images.dev");
}

static void commands_are_lists_of_words(void **state)
{
	static const char *const bad[] = { "\"a b\"", "[]", "[1]", "[null]", "[[\"a\"]]", "{}", "[\"\"]", "null",
		"true" };
	static const char *const fields[] = { "commands.run", "commands.serve", "commands.build",
		"commands.migrate", "commands.repl", "commands.debug", "commands.lsp" };
	struct buf words;

	(void)state;
	for (size_t k = 0; k < CL_COUNT(fields); k++)
		for (size_t i = 0; i < CL_COUNT(bad); i++)
			refused(fields[k], bad[i], strchr(fields[k], '.') + 1);
	buf_init(&words, 1 << 20);
	(void)buf_add_str(&words, "[\"a\"");
	for (int i = 0; i < 2000; i++)
		(void)buf_add_str(&words, ",\"a\"");
	(void)buf_add_str(&words, "]");
	refused("commands.run", words.data, "run");
	buf_clear(&words);
	refused("commands", "[]", "commands");
	refused("commands.dance", "[\"a\"]", "dance");
}

static void variables_and_secrets_have_shell_names(void **state)
{
	static const char *const bad[] = { "1A", "A B", "A-B", "A=B", "\\ud55c", "A\\n", "$A", "a.b" };
	cl_autofree char *huge = NULL, *name = mem_alloc(66);
	struct buf many;

	(void)state;
	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		cl_autofree char *env = mem_printf("{\"%s\":\"1\"}", bad[i]);
		cl_autofree char *secrets = mem_printf("[\"%s\"]", bad[i]);

		refused("env", env, "env");
		refused("secrets", secrets, "secrets");
	}
	memset(name, 'A', 65);
	huge = mem_printf("[\"%s\"]", name);
	refused("secrets", huge, "secrets");
	refused("env", "{\"\":\"1\"}", "env");
	refused("env", "{\"A\":1}", "env");
	refused("env", "{\"A\":null}", "env");
	refused("env", "[\"A=1\"]", "env");
	refused("secrets", "\"KEY\"", "secrets");
	refused("secrets", "[\"A\",\"B\",\"C\",\"D\",\"E\",\"F\",\"G\",\"H\",\"I\"]", "secrets");
	buf_init(&many, 1 << 16);
	for (int i = 0; i < 65; i++)
		(void)buf_printf(&many, "%s\"V%d\":\"\"", i > 0 ? "," : "{", i);
	(void)buf_add_str(&many, "}");
	refused("env", many.data, "at most 64");
	buf_clear(&many);
}

static void paths_in_containers_are_absolute_and_stay_there(void **state)
{
	static const char *const bad[] = { "\"tmp\"", "\"/\"", "\"/a/../b\"", "\"..\"", "\"/a:/b\"", "\"\"" };

	(void)state;
	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		cl_autofree char *list = mem_printf("[\"/tmp\",%s]", bad[i]);

		refused("tmp", list, "tmp");
		refused("volume", bad[i], "volume");
	}
	refused("tmp", "\"/tmp\"", "tmp");
	refused("tmp", "[\"/1\",\"/2\",\"/3\",\"/4\",\"/5\",\"/6\",\"/7\",\"/8\",\"/9\",\"/a\",\"/b\",\"/c\","
	    "\"/d\",\"/e\",\"/f\",\"/g\",\"/h\"]", "tmp");
}

static void unknown_fields_are_typing_mistakes(void **state)
{
	static const char *const fields[] = { "prot", "images.staging", "images.dev.tag",
		"commands.start", "Title" };

	(void)state;
	for (size_t i = 0; i < CL_COUNT(fields); i++) {
		const char *dot = strrchr(fields[i], '.');

		refused(fields[i], "\"x\"", dot != NULL ? dot + 1 : fields[i]);
	}
}

static void references_must_lead_somewhere(void **state)
{
	static const struct {
		const char *field, *value, *says;
	} rows[] = {
		{ "parent", "\"gone\"", "there is no stack gone" },
		{ "db", "\"x\"", "there is no service x" }, /* it is, but no service */
		{ "db", "\"gone\"", "there is no service gone" },
		{ "images.run.parent", "\"gone\"", "there is no image gone" },
		{ "images.run.parent", "\"x-run\"", "builds upon itself" },
		{ "images.run.id", "\"x\"", "is made by stack" },
	};

	(void)state;
	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		struct cl_err err = { 0 };

		change(rows[i].field, rows[i].value);
		assert_int_equal(load(&err), -1);
		if (strncmp(err.message, "stack x: ", 9) != 0 || strstr(err.message, rows[i].says) == NULL)
			fail_msg("%s = %s: %s", rows[i].field, rows[i].value, err.message);
	}
}

static void databases_are_named_once_and_first_is_default(void **state)
{
	static const char *const bad[] = { "\"postgresql\"", "[]", "{}", "[1]", "null", "[\"a\",\"a\"]",
		"[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\"]",
		"[\"abcdefghijklmnopqrstuvwxyzabcdef\"]" };
	struct cl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < CL_COUNT(bad); i++)
		refused("dbs", bad[i], "dbs");
	change("dbs", "[\"gone\"]"); /* a list that is well, of services that are not there */
	assert_int_equal(load(&err), -1);
	assert_non_null(strstr(err.message, "stack x: db: there is no service gone"));
}

static void only_a_service_is_a_database(void **state)
{
	(void)state;
	refused("database", "{\"scheme\":\"postgres\",\"port\":5432}", "only a service");
}

static void versions_are_named_commands(void **state)
{
	static const char *const bad[] = { "[]", "1", "{\"a\":\"b\"}", "{\"a\":[]}", "{\"a\":null}",
		"{\"\":[\"a\"]}", "{\"A\":[\"a\"]}", "{\"a b\":[\"a\"]}", "{\"-a\":[\"a\"]}",
		"{\"a=b\":[\"a\"]}", "{\"abcdefghijklmnopqrstuvwxyz0123456\":[\"a\"]}" };
	struct buf many;

	(void)state;
	for (size_t i = 0; i < CL_COUNT(bad); i++)
		refused("versions", bad[i], "versions");
	buf_init(&many, 1 << 16);
	for (int i = 0; i < 33; i++)
		(void)buf_printf(&many, "%s\"v%d\":[\"a\"]", i > 0 ? "," : "{", i);
	(void)buf_add_str(&many, "}");
	refused("versions", many.data, "at most 32");
	buf_clear(&many);
}

static void registries_are_a_list_of_commands(void **state)
{
	static const char *const bad[] = { "\"npm\"", "[\"npm\"]", "[]", "[[]]", "{}", "[[1]]",
		"[[\"a\"],\"b\"]", "[[\"1\"],[\"2\"],[\"3\"],[\"4\"],[\"5\"],[\"6\"],[\"7\"],"
		"[\"8\"],[\"9\"]]" };

	(void)state;
	for (size_t i = 0; i < CL_COUNT(bad); i++)
		refused("registries", bad[i], "registries");
}

static void broken_json_names_the_line(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		const char *line;
	} rows[] = {
		{ "", 0, "line" }, { "{\n\"id\":\n}", 10, "line 3" }, { "{\"a\":1}\n}", 9, "line 2" },
		{ "{\"id\":\"x\",\n\"id\":\"x\"}", 20, "line 2" }, { "{\"a\":\"\xff\"}", 9, "line 1" },
		{ "{\"a\":\0\"b\"}", 10, "line 1" }, { "\xef\xbb\xbf{}", 5, "line 1" },
		{ "{\"id\":\n\"a\\u0000b\"}", 17, "line 2" },
	};

	(void)state;
	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		struct cl_err err = { 0 };

		write_bytes(rows[i].text, rows[i].n);
		assert_int_equal(load(&err), -1);
		if (err.code != CL_USAGE || strncmp(err.message, path, strlen(path)) != 0 ||
		    strstr(err.message, rows[i].line) == NULL)
			fail_msg("row %zu: %s", i, err.message);
	}
}

static void nested_and_huge_files_end(void **state)
{
	struct cl_err err = { 0 };
	size_t n = 3 << 20;
	cl_autofree char *text = mem_alloc(n);

	(void)state;
	memset(text, '[', 60000);
	write_bytes(text, 60000);
	assert_int_equal(load(&err), -1);
	assert_int_equal(err.code, CL_USAGE);
	err_clear(&err);
	memset(text, ' ', n);
	write_bytes(text, n);
	assert_int_equal(load(&err), -1);
	assert_int_equal(err.code, CL_TOO_LARGE);
	assert_non_null(strstr(err.message, path));
}

static void what_is_no_file_does_not_hang(void **state)
{
	struct cl_err err = { 0 };

	(void)state;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(load(&err), -1); /* a folder without one is no stack, and there is no other */
	assert_non_null(strstr(err.message, dir));
	err_clear(&err);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(load(&err), -1);
	assert_non_null(strstr(err.message, path));
	assert_int_equal(unlink(path), 0);
	err_clear(&err);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(load(&err), -1);
	assert_non_null(strstr(err.message, path));
	assert_int_equal(rmdir(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_good_one_is_good),
		cmocka_unit_test(what_must_be_there_must_be_there),
		cmocka_unit_test(what_may_be_left_out_may_be),
		cmocka_unit_test(types_are_what_they_must_be),
		cmocka_unit_test(numbers_are_whole_and_in_range),
		cmocka_unit_test(texts_have_a_size_and_no_controls),
		cmocka_unit_test(names_are_plain),
		cmocka_unit_test(kinds_are_a_list),
		cmocka_unit_test(commands_are_lists_of_words),
		cmocka_unit_test(variables_and_secrets_have_shell_names),
		cmocka_unit_test(paths_in_containers_are_absolute_and_stay_there),
		cmocka_unit_test(unknown_fields_are_typing_mistakes),
		cmocka_unit_test(references_must_lead_somewhere),
		cmocka_unit_test(databases_are_named_once_and_first_is_default),
		cmocka_unit_test(only_a_service_is_a_database),
		cmocka_unit_test(versions_are_named_commands),
		cmocka_unit_test(registries_are_a_list_of_commands),
		cmocka_unit_test(broken_json_names_the_line),
		cmocka_unit_test(nested_and_huge_files_end),
		cmocka_unit_test(what_is_no_file_does_not_hang),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
