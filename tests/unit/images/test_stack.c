/* Stacks: the ones that come with the platform load; broken ones are refused by file and field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/mem.h"
#include "images/stack.h"

#define RUN "\"images\":{\"run\":{\"id\":\"x\",\"file\":\"Containerfile\",\"parent\":null}}"
#define BOTH "\"images\":{\"dev\":{\"id\":\"x\",\"file\":\"C\",\"parent\":null}," \
	"\"run\":{\"id\":\"x-run\",\"file\":\"C\",\"parent\":null}}"
#define CMD "\"commands\":{\"run\":[\"a\"],\"serve\":[\"b\"]}"
#define HEAD "\"id\":\"x\",\"title\":\"X\",\"summary\":\"\",\"parent\":null"
#define SERVICE(id, more) "{\"id\":\"" id "\",\"title\":\"S\",\"summary\":\"\",\"parent\":null," \
	"\"kind\":\"service\",\"images\":{\"run\":{\"id\":\"" id "\",\"file\":\"C\",\"parent\":null}}," \
	"\"commands\":{},\"uid\":2000," more TAIL "}"
#define DATA "\"volume\":\"/data\",\"database\":{\"scheme\":\"mysql\",\"port\":3306},"
#define TAIL "\"port\":80,\"health\":\"\""

static char dir[64];

static void put(const char *id, const char *text)
{
	cl_autofree char *folder = mem_printf("%s/%s", dir, id);
	cl_autofree char *path = mem_printf("%s/stack.json", folder);
	FILE *f;

	(void)mkdir(folder, 0755);
	f = fopen(path, "w");
	assert_non_null(f);
	(void)fputs(text, f);
	(void)fclose(f);
}

static void drop(const char *id)
{
	cl_autofree char *folder = mem_printf("%s/%s", dir, id);
	cl_autofree char *path = mem_printf("%s/stack.json", folder);

	(void)unlink(path);
	(void)rmdir(folder);
}

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/cl-stack-XXXXXX");
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	drop("x");
	drop("y");
	drop("z");
	return rmdir(dir);
}

static void test_own_stacks(void **state)
{
	struct stack_set set;
	struct cl_err err = { 0 };
	const struct stack *s;
	const char *images = CL_SOURCE "/images";

	(void)state;
	if (stack_load(&set, images, &err) != 0)
		fail_msg("%s", err.message);
	s = stack_find(&set, "django");
	assert_non_null(s);
	assert_int_equal(s->kind, STACK_FRAMEWORK);
	assert_string_equal(s->db, "postgresql");
	assert_string_equal(s->run.parent, "python-run");
	assert_string_equal(s->secrets[0], "SECRET_KEY");
	assert_string_equal(s->command[STACK_MIGRATE][1], "manage.py");
	assert_non_null(s->template_dir);
	assert_int_equal(stack_find(&set, "postgresql")->uid, 10103);
	assert_string_equal(stack_find(&set, "postgresql")->database.scheme, "postgres");
	assert_int_equal(stack_find(&set, "postgresql")->database.port, 5432);
	assert_non_null(stack_find_choice(&set, "python", &err));
	stack_clear(&set);
}

static void test_choice(void **state)
{
	struct stack_set set;
	struct cl_err err = { 0 };

	(void)state;
	put("x", "{" HEAD ",\"kind\":\"language\"," BOTH "," CMD "," TAIL "}");
	put("y", "{\"id\":\"y\",\"title\":\"Y\",\"summary\":\"\",\"parent\":\"x\",\"kind\":\"service\","
	    "\"images\":{\"run\":{\"id\":\"y\",\"file\":\"C\",\"parent\":\"x-run\"}},\"commands\":{},"
	    "\"uid\":2000," TAIL "}");
	assert_int_equal(stack_load(&set, dir, &err), 0);
	assert_null(stack_find_choice(&set, "y", &err));
	assert_int_equal(err.code, CL_NOT_FOUND);
	assert_non_null(strstr(err.hint, "x"));
	err_clear(&err);
	assert_null(stack_find_choice(&set, "../../etc", &err));
	assert_int_equal(err.code, CL_NOT_FOUND);
	stack_clear(&set);
	drop("y");
}

static void test_order(void **state)
{
	struct stack_set set;
	struct stack_step *steps;
	struct cl_err err = { 0 };
	const char *one[] = { "y" }, *none[] = { "zz" };
	int n;

	(void)state;
	put("x", "{" HEAD ",\"kind\":\"language\"," BOTH "," CMD "," TAIL "}");
	put("y", "{\"id\":\"y\",\"title\":\"Y\",\"summary\":\"\",\"parent\":\"x\",\"kind\":\"service\","
	    "\"images\":{\"run\":{\"id\":\"y\",\"file\":\"C\",\"parent\":\"x-run\"}},\"commands\":{},"
	    "\"uid\":2000," TAIL "}");
	assert_int_equal(stack_load(&set, dir, &err), 0);
	n = stack_order(&set, one, 1, &steps, &err);
	assert_int_equal(n, 2);
	assert_string_equal(steps[0].image->id, "x-run");
	assert_string_equal(steps[1].image->id, "y");
	mem_free(steps);
	n = stack_order(&set, NULL, 0, &steps, &err);
	assert_int_equal(n, 3);
	mem_free(steps);
	assert_int_equal(stack_order(&set, none, 1, &steps, &err), -1);
	assert_int_equal(err.code, CL_NOT_FOUND);
	stack_clear(&set);
	drop("y");
}

static void test_databases(void **state)
{
	struct stack_set set;
	struct cl_err err = { 0 };
	const struct stack *x;

	(void)state;
	put("x", "{" HEAD ",\"kind\":\"language\"," BOTH "," CMD ",\"dbs\":[\"y\",\"z\"]," TAIL "}");
	put("y", SERVICE("y", DATA));
	put("z", SERVICE("z", DATA));
	assert_int_equal(stack_load(&set, dir, &err), 0);
	x = stack_find(&set, "x");
	assert_string_equal(x->db, "y");
	assert_string_equal(stack_find_db(&set, x, "", &err)->id, "y");
	assert_string_equal(stack_find_db(&set, x, "z", &err)->id, "z");
	assert_int_equal(stack_find_db(&set, x, "z", &err)->database.port, 3306);
	assert_null(stack_find_db(&set, x, "x", &err));
	assert_int_equal(err.code, CL_USAGE);
	assert_string_equal(err.hint, "Choose one of: y, z");
	err_clear(&err);
	assert_null(stack_find_db(&set, stack_find(&set, "y"), "", &err)); /* has none itself */
	stack_clear(&set);
	/* both fields: they agree or the file is refused */
	put("x", "{" HEAD ",\"kind\":\"language\"," BOTH "," CMD ",\"db\":\"z\",\"dbs\":[\"y\",\"z\"],"
	    TAIL "}");
	err_clear(&err);
	assert_int_equal(stack_load(&set, dir, &err), -1);
	assert_non_null(strstr(err.message, "x/stack.json: db: must be the first of dbs, y"));
	/* a service that is no database */
	put("x", "{" HEAD ",\"kind\":\"language\"," BOTH "," CMD ",\"dbs\":[\"y\",\"z\"]," TAIL "}");
	put("z", SERVICE("z", ""));
	err_clear(&err);
	assert_int_equal(stack_load(&set, dir, &err), -1);
	assert_non_null(strstr(err.message, "stack x: dbs: service z is no database"));
	drop("y");
	drop("z");
}

static void test_add(void **state)
{
	struct stack_set set;
	struct cl_err err = { 0 };

	(void)state;
	put("x", "{" HEAD ",\"kind\":\"language\"," BOTH "," CMD "," TAIL "}");
	assert_int_equal(stack_load(&set, dir, &err), 0);
	put("y", "{\"id\":\"y\",\"title\":\"Y\",\"summary\":\"\",\"parent\":\"x\",\"kind\":\"service\","
	    "\"images\":{\"run\":{\"id\":\"y\",\"file\":\"C\",\"parent\":\"x-run\"}},\"commands\":{},"
	    "\"uid\":2000," TAIL "}");
	assert_int_equal(stack_add(&set, dir, "y", &err), 0);
	assert_true(stack_find(&set, "y")->added);
	assert_false(stack_find(&set, "x")->added);
	/* what does not fit leaves the set as it was: a second one, one of an image that is there, none */
	assert_int_equal(stack_add(&set, dir, "x", &err), -1);
	assert_int_equal(err.code, CL_CONFLICT);
	put("z", "{\"id\":\"z\",\"title\":\"Z\",\"summary\":\"\",\"parent\":\"x\",\"kind\":\"service\","
	    "\"images\":{\"run\":{\"id\":\"y\",\"file\":\"C\",\"parent\":\"x-run\"}},\"commands\":{},"
	    "\"uid\":2000," TAIL "}");
	err_clear(&err);
	assert_int_equal(stack_add(&set, dir, "z", &err), -1);
	assert_non_null(strstr(err.message, "is made by stack"));
	drop("z");
	err_clear(&err);
	assert_int_equal(stack_add(&set, dir, "z", &err), -1);
	assert_int_equal(err.code, CL_NOT_FOUND);
	assert_int_equal(set.n, 2);
	assert_string_equal(stack_find(&set, "y")->run.id, "y");
	stack_clear(&set);
	drop("y");
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "", "line" },
		{ "[]", "must be an object" },
		{ "{" HEAD ",\"kind\":\"base\"," RUN ",\"commands\":{}," TAIL ",\"zz\":1}", "zz" },
		{ "{" HEAD ",\"id\":\"x\"}", "duplicate" },
		{ "{" HEAD ",\"kind\":\"toy\"," RUN ",\"commands\":{}," TAIL "}", "kind" },
		{ "{\"id\":\"other\",\"title\":\"X\",\"summary\":\"\",\"parent\":null,\"kind\":\"base\","
		    RUN ",\"commands\":{}," TAIL "}", "folder's name" },
		{ "{" HEAD ",\"kind\":\"base\"," RUN ",\"commands\":{},\"port\":0,\"health\":\"\"}",
		    "port" },
		{ "{" HEAD ",\"kind\":\"base\"," RUN ",\"commands\":{},\"port\":80,\"health\":\"up\"}",
		    "health" },
		{ "{" HEAD ",\"kind\":\"language\"," BOTH ",\"commands\":{\"run\":[\"a\"]}," TAIL "}",
		    "commands" },
		{ "{" HEAD ",\"kind\":\"language\"," RUN "," CMD "," TAIL "}", "dev is missing" },
		{ "{" HEAD ",\"kind\":\"base\"," BOTH ",\"commands\":{}," TAIL "}", "images.dev" },
		{ "{" HEAD ",\"kind\":\"base\"," RUN ",\"commands\":{\"run\":[]}," TAIL "}", "run" },
		{ "{" HEAD ",\"kind\":\"base\"," RUN ",\"commands\":{\"run\":[1]}," TAIL "}", "run" },
		{ "{" HEAD ",\"kind\":\"base\"," RUN ",\"commands\":{\"run\":\"a\"}," TAIL "}", "run" },
		{ "{" HEAD ",\"kind\":\"service\"," RUN ",\"commands\":{}," TAIL "}", "uid" },
		{ "{" HEAD ",\"kind\":\"service\"," RUN ",\"commands\":{},\"uid\":0," TAIL "}", "uid" },
		{ SERVICE("x", "\"database\":{\"scheme\":\"mysql\",\"port\":1},"), "volume" },
		{ SERVICE("x", "\"volume\":\"/d\",\"database\":{\"scheme\":\"oracle\",\"port\":1},"),
		    "database.scheme: must be postgres or mysql" },
		{ SERVICE("x", "\"volume\":\"/d\",\"database\":{\"scheme\":\"mysql\"},"), "port" },
		{ SERVICE("x", "\"volume\":\"/d\",\"database\":{\"port\":1},"), "scheme" },
		{ SERVICE("x", "\"volume\":\"/d\",\"database\":{\"scheme\":\"mysql\",\"port\":0},"), "port" },
		{ SERVICE("x", "\"volume\":\"/d\",\"database\":[],"), "database" },
		{ SERVICE("x", "\"volume\":\"/d\",\"database\":{\"url\":\"x\"},"), "url" },
		{ SERVICE("x", "\"registries\":[[\"a\"]],"), "registries" },
		{ "{" HEAD ",\"kind\":\"base\"," RUN ",\"commands\":{},\"db\":\"nodb\"," TAIL "}", "db" },
		{ "{" HEAD ",\"kind\":\"base\"," RUN ",\"commands\":{},\"template\":\"../x\"," TAIL "}",
		    "template" },
		{ "{" HEAD ",\"kind\":\"base\"," RUN ",\"commands\":{},\"tmp\":[\"tmp\"]," TAIL "}",
		    "tmp" },
		{ "{" HEAD ",\"kind\":\"base\"," RUN ",\"commands\":{},\"env\":{\"A B\":\"1\"}," TAIL
		    "}", "env" },
		{ "{" HEAD ",\"kind\":\"base\",\"images\":{\"run\":{\"id\":\"x\",\"file\":\"../C\","
		    "\"parent\":null}},\"commands\":{}," TAIL "}", "file" },
		{ "{" HEAD ",\"kind\":\"base\",\"images\":{\"run\":{\"id\":\"x\",\"file\":\"C\","
		    "\"parent\":\"x\"}},\"commands\":{}," TAIL "}", "itself" },
		{ "{" HEAD ",\"kind\":\"base\",\"images\":{\"run\":{\"id\":\"x\",\"file\":\"C\","
		    "\"parent\":\"gone\"}},\"commands\":{}," TAIL "}", "gone" },
	};

	(void)state;
	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		struct stack_set set;
		struct cl_err err = { 0 };

		put("x", bad[i].text);
		if (stack_load(&set, dir, &err) == 0)
			fail_msg("accepted: %s", bad[i].text);
		if (strstr(err.message, bad[i].says) == NULL)
			fail_msg("%s\n  said %s\n  not  %s", bad[i].text, err.message, bad[i].says);
	}
}

static void test_no_folder(void **state)
{
	struct stack_set set;
	struct cl_err err = { 0 };

	(void)state;
	assert_int_equal(stack_load(&set, "/nowhere", &err), -1);
	assert_int_equal(err.code, CL_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_stacks),
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_databases),
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_folder),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
