/* A project's own Containerfile: how it is read, what its instructions mean, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "images/dockerfile.h"

static struct dockerfile file;
static struct dockerfile_vars globals;
static struct dockerfile_stage stage;
static struct dockerfile_act act;
static struct cl_err err;

static int parse(const char *text)
{
	memset(&err, 0, sizeof(err));
	return dockerfile_parse(&file, text, strlen(text), &err);
}

static int setup(void **state)
{
	dockerfile_begin(&stage);
	(void)dockerfile_vars_set(&stage.image.env, "PATH", "/bin");
	return 0;
}

static int teardown(void **state)
{
	dockerfile_clear(&file);
	dockerfile_vars_clear(&globals);
	dockerfile_end(&stage);
	dockerfile_act_clear(&act);
	return 0;
}

/* One instruction on the stage, its act in `act`. */
static int apply(const char *line)
{
	struct dockerfile one;
	int rc;

	memset(&err, 0, sizeof(err));
	dockerfile_act_clear(&act);
	rc = dockerfile_parse(&one, line, strlen(line), &err);
	if (rc == 0)
		rc = dockerfile_apply(&stage, &globals, &one.steps[0], &act, &err);
	dockerfile_clear(&one);
	return rc;
}

static const char *env(const char *name)
{
	return dockerfile_vars_get(&stage.image.env, name);
}

static void test_lines(void **state)
{
	assert_int_equal(parse("# syntax=x\n\nFROM a \\\n# in between\n\n  as b\nrun --mount=type=cache,target=/x "
	    "--network=none  echo \\\r\n one\n   # end"), 0);
	assert_int_equal(file.n, 2);
	assert_string_equal(file.steps[0].keyword, "FROM");
	assert_string_equal(file.steps[0].text, "a   as b");
	assert_int_equal(file.steps[0].line, 3);
	assert_string_equal(file.steps[1].keyword, "RUN");
	assert_string_equal(file.steps[1].flags[1], "--network=none");
	assert_null(file.steps[1].flags[2]);
	assert_string_equal(file.steps[1].text, "echo  one");
	assert_int_equal(file.steps[1].line, 7);
}

static void test_another_escape(void **state)
{
	assert_int_equal(parse("# escape=`\nRUN a `\n b\nRUN c\\\nRUN d"), 0);
	assert_int_equal(file.n, 3);
	assert_string_equal(file.steps[0].text, "a  b");
	assert_string_equal(file.steps[1].text, "c\\");
}

static void test_texts_that_are_none(void **state)
{
	char *big = mem_alloc(DOCKERFILE_MAX + 2);

	memset(big, '#', DOCKERFILE_MAX + 1);
	assert_int_equal(parse(big), -1);
	assert_int_equal(err.code, CL_TOO_LARGE);
	mem_free(big);
	dockerfile_clear(&file);
	memset(&err, 0, sizeof(err));
	assert_int_equal(dockerfile_parse(&file, "FROM a\0b", 8, &err), -1);
	dockerfile_clear(&file);
	assert_int_equal(parse("FROM \xff"), -1);
	dockerfile_clear(&file);
	assert_int_equal(parse("RUN cat <<EOF\nx\nEOF"), -1);
	assert_non_null(strstr(err.message, "here-documents"));
	dockerfile_clear(&file);
	assert_int_equal(parse("RUN echo $((1<<3)) 1<<2"), 0);
	dockerfile_clear(&file);
	assert_int_equal(parse("AVERYLONGWORDTHATISNOINSTRUCTION x"), -1);
}

static void test_from(void **state)
{
	char image[64], name[64];

	(void)dockerfile_vars_set(&globals, "V", "3");
	assert_int_equal(parse("FROM --platform=linux/amd64 python:${V} AS Build\nFROM a b\nFROM a AS\nFROM --x a"), 0);
	assert_int_equal(dockerfile_from(&file.steps[0], &globals, image, 64, name, 64, &err), 0);
	assert_string_equal(image, "python:3");
	assert_string_equal(name, "build");
	for (int i = 1; i < 4; i++) {
		memset(&err, 0, sizeof(err));
		assert_int_equal(dockerfile_from(&file.steps[i], &globals, image, 64, name, 64, &err), -1);
	}
}

static void test_variables(void **state)
{
	assert_int_equal(apply("ENV A=1 B=\"two words\" C='$A' D=x\\ y E=$A${B}\\$ PATH=/opt:$PATH"), 0);
	assert_string_equal(env("B"), "two words");
	assert_string_equal(env("C"), "$A");
	assert_string_equal(env("D"), "x y");
	assert_string_equal(env("E"), "$"); /* what a line sets, later lines see */
	assert_string_equal(env("PATH"), "/opt:/bin");
	assert_int_equal(apply("ENV OLD the rest of $A line"), 0);
	assert_string_equal(env("OLD"), "the rest of 1 line");
	assert_int_equal(apply("ENV F=${A:-no} G=${NONE:-${A}z} H=${A:+set} I=${NONE:+set} J=\"${NONE:-a b}\""), 0);
	assert_string_equal(env("F"), "1");
	assert_string_equal(env("G"), "1z");
	assert_string_equal(env("H"), "set");
	assert_string_equal(env("I"), "");
	assert_string_equal(env("J"), "a b");
	assert_int_equal(apply("ENV 1A=x"), -1);
	assert_int_equal(apply("ENV A"), -1);
	assert_int_equal(apply("ENV A=${B"), -1);
	assert_int_equal(apply("ENV A=${B%x}"), -1);
	assert_int_equal(apply("ENV A=\"x"), -1);
	assert_int_equal(apply("ENV A=${a:-${b:-${c:-${d:-${e:-${f:-${g:-${h:-${i:-${j:-x}}}}}}}}}}"), -1);
}

static void test_arguments(void **state)
{
	(void)dockerfile_vars_set(&globals, "VERSION", "7");
	assert_int_equal(apply("ARG VERSION OTHER=o UNSET"), 0);
	assert_string_equal(dockerfile_vars_get(&stage.args, "VERSION"), "7");
	assert_null(dockerfile_vars_get(&stage.args, "UNSET"));
	assert_int_equal(apply("ENV X=$VERSION$OTHER$UNSET"), 0);
	assert_string_equal(env("X"), "7o");
	assert_int_equal(apply("ENV OTHER=mine"), 0);
	assert_int_equal(apply("ENV Y=$OTHER"), 0); /* ENV goes before ARG */
	assert_string_equal(env("Y"), "mine");
}

static void test_bounds_of_variables(void **state)
{
	char line[64];
	char *big = mem_alloc(DOCKERFILE_WORD);

	memset(big, 'x', DOCKERFILE_WORD - 10);
	memcpy(big, "ENV A=", 6);
	assert_int_equal(apply(big), 0);
	big[4] = 'B';
	assert_int_equal(apply(big), -1); /* 24 KiB in all */
	mem_free(big);
	for (int i = 0; i < DOCKERFILE_VARS; i++) {
		(void)snprintf(line, sizeof(line), "LABEL k%d=v", i);
		assert_int_equal(apply(line), 0);
	}
	assert_int_equal(apply("LABEL more=v"), -1);
	assert_int_equal(apply("LABEL k0=w"), 0);
}

static void test_run(void **state)
{
	assert_int_equal(apply("RUN a && b \"c d\""), 0);
	assert_int_equal(act.kind, DOCKERFILE_RUN);
	assert_string_equal(act.argv[0], "/bin/sh");
	assert_string_equal(act.argv[2], "a && b \"c d\"");
	assert_int_equal(apply("RUN [\"a\", \"b c\"]"), 0);
	assert_string_equal(act.argv[1], "b c");
	assert_null(act.argv[2]);
	assert_int_equal(apply("SHELL [\"bash\", \"-ec\"]"), 0);
	assert_int_equal(apply("RUN x"), 0);
	assert_string_equal(act.argv[0], "bash");
	assert_int_equal(apply("RUN --mount=type=cache,target=/c x"), 0);
	assert_non_null(strstr(act.note, "without it"));
	assert_int_equal(apply("RUN"), -1);
}

static void test_rights_are_not_to_be_asked_for(void **state)
{
	static const char *const lines[] = { "RUN --privileged x", "RUN --security=insecure x", "RUN --network=host x",
		"RUN --mount=type=bind,from=host,target=/h x", "RUN --mount=type=secret,id=a x", "RUN --mount=type=ssh x",
		"RUN --mount=target=/x x", "RUN --cap-add=ALL x", "ONBUILD RUN x", "ADD http://127.0.0.1/a /a",
		"ADD --checksum=x https://h/a /a", "ADD git@h:a /a", "COPY ftp://h/a /a", "ADD a.tar.gz /a", "ADD [\"a.TGZ\", \"/a\"]",
		"COPY --exclude=x a /a", "COPY -x a /a", "COPY a ../../b/../c/..", "WORKDIR /a/../../b", "COPY --chmod=u+s a b",
		"COPY --chmod=77777 a b", "USER --x", "USER a b", "EXPOSE 0", "EXPOSE 99999", "EXPOSE x", "WORKDIR", "COPY a",
		"FROMM x", "ENTRYPOINT --x y", "SHELL bash" };

	for (size_t i = 0; i < CL_COUNT(lines); i++) {
		if (apply(lines[i]) == 0)
			fail_msg("accepted: %s", lines[i]);
		assert_non_null(strstr(err.message, "Containerfile line 1"));
	}
}

static void test_copy(void **state)
{
	assert_int_equal(apply("WORKDIR /srv"), 0);
	assert_int_equal(act.kind, DOCKERFILE_FOLDER);
	assert_int_equal(apply("WORKDIR app/"), 0);
	assert_string_equal(stage.image.workdir, "/srv/app");
	assert_int_equal(apply("ENV WHO=me D=lib"), 0);
	assert_int_equal(apply("COPY --from=build --chown=$WHO:1 --chmod=755 --link a 'b c' ./$D/"), 0);
	assert_int_equal(act.kind, DOCKERFILE_COPY);
	assert_string_equal(act.from, "build");
	assert_string_equal(act.chown, "me:1");
	assert_string_equal(act.chmod, "755");
	assert_string_equal(act.argv[1], "b c");
	assert_string_equal(act.argv[2], "/srv/app/lib/");
	assert_int_equal(apply("ADD [\"a b\", \".\"]"), 0);
	assert_string_equal(act.argv[0], "a b");
	assert_string_equal(act.argv[1], "/srv/app/");
	assert_int_equal(apply("ADD --from=build a b"), -1);
}

static void test_what_the_image_says(void **state)
{
	assert_int_equal(apply("CMD [\"base\"]"), 0);
	assert_int_equal(apply("ENTRYPOINT [\"x\"]"), 0);
	assert_null(stage.image.cmd);
	assert_int_equal(apply("CMD y z"), 0);
	assert_string_equal(stage.image.cmd[2], "y z");
	assert_int_equal(apply("EXPOSE 53/udp"), 0);
	assert_int_equal(stage.image.port, 0);
	assert_int_equal(apply("EXPOSE 8080/tcp 9090"), 0);
	assert_int_equal(stage.image.port, 8080);
	assert_int_equal(apply("USER app:staff"), 0);
	assert_string_equal(stage.image.user, "app:staff");
	assert_int_equal(apply("VOLUME [\"/data\"]"), 0);
	assert_non_null(strstr(act.note, "VOLUME is left out"));
	assert_int_equal(apply("HEALTHCHECK --interval=1s CMD x"), 0);
	assert_int_equal(act.kind, DOCKERFILE_NOTHING);
}

static void test_before_from_only_arguments(void **state)
{
	assert_int_equal(parse("ARG A=1\nARG B=${A}2\nRUN x"), 0);
	assert_int_equal(dockerfile_global(&globals, &file.steps[0], &err), 0);
	assert_int_equal(dockerfile_global(&globals, &file.steps[1], &err), 0);
	assert_string_equal(dockerfile_vars_get(&globals, "B"), "12");
	assert_int_equal(dockerfile_global(&globals, &file.steps[2], &err), -1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { T(test_lines), T(test_another_escape), T(test_texts_that_are_none),
		T(test_from), T(test_variables), T(test_arguments), T(test_bounds_of_variables), T(test_run),
		T(test_rights_are_not_to_be_asked_for), T(test_copy), T(test_what_the_image_says),
		T(test_before_from_only_arguments) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
