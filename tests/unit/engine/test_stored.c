/* A release's image that this machine may not have: found here, fetched from the repository, or named as missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/config.h"
#include "base/mem.h"
#include "engine/stored.h"

static char here[16], stored[16]; /* a letter for each image that is there */
static const char *gives;         /* the image that a pull ends with, NULL = it fails */
static char pulled[256];
static enum cl_code listing;      /* what the lists say instead */

static int image_list(struct backend *b, struct backend_images *out, struct cl_err *err)
{
	*out = (struct backend_images){0};
	if (listing == CL_UNAVAILABLE)
		return err_set(err, listing, "container engine: is away");
	out->n = strlen(here);
	out->items = mem_array(out->n + 1, sizeof(*out->items));
	for (size_t i = 0; i < out->n; i++)
		snprintf(out->items[i].digest, sizeof(out->items[i].digest), "sha256:%c", here[i]);
	return 0;
}

static int stored_list(struct backend *b, struct backend_stored_list *out, struct cl_err *err)
{
	*out = (struct backend_stored_list){0};
	if (listing == CL_TIMEOUT)
		return err_set(err, listing, "repository: no answer in time");
	out->n = strlen(stored);
	out->items = mem_array(out->n + 1, sizeof(*out->items));
	for (size_t i = 0; i < out->n; i++) {
		struct backend_stored *s = &out->items[i];

		snprintf(s->image, sizeof(s->image), "sha256:%c", stored[i]);
		snprintf(s->digest, sizeof(s->digest), "sha256:manifest-%c", stored[i]);
		snprintf(s->repository, sizeof(s->repository), "app/p%zu", i);
		snprintf(s->tag, sizeof(s->tag), "op%zu", i);
	}
	return 0;
}

static int image_pull(struct backend *b, const char *repository, const char *digest, const char *id, const char *tag,
    const struct backend_job *job, char *image, size_t size, struct cl_err *err)
{
	snprintf(pulled, sizeof(pulled), "%s %s %s:%s", repository, digest, id, tag);
	if (!gives)
		return err_set(err, CL_UNAVAILABLE, "repository: is away");
	return mem_copy_str(image, size, gives);
}

static const struct backend_ops ops = {.name = "test", .image_list = image_list, .stored_list = stored_list, .image_pull = image_pull};
static struct backend backend = {.ops = &ops};
static struct cl_err err;

static void load(const char *port, const char *releases)
{
	char program[] = "test", *argv[] = {program, NULL};
	int argc = 1;

	setenv("CODINGLAB_REGISTRY_PORT", port, 1);
	setenv("CODINGLAB_REGISTRY_RELEASES", releases, 1);
	assert_int_equal(config_load("/dev/null", &argc, argv, &err), 0);
}

static int setup(void **state)
{
	unsetenv("CODINGLAB_REGISTRY_URL");
	load("5000", "yes");
	here[0] = stored[0] = pulled[0] = '\0';
	gives = NULL;
	listing = CL_OK;
	memset(&err, 0, sizeof(err));
	return 0;
}

static int fetch(const char *image)
{
	return stored_fetch(&backend, 7, image, NULL, &err);
}

static void test_one_that_is_here_is_not_fetched(void **state)
{
	mem_copy_str(here, sizeof(here), "abc");
	mem_copy_str(stored, sizeof(stored), "c");
	assert_int_equal(fetch("sha256:c"), 0);
	assert_string_equal(pulled, "");
}

static void test_one_of_the_repository_comes_under_its_projects_name(void **state)
{
	mem_copy_str(here, sizeof(here), "ab");
	mem_copy_str(stored, sizeof(stored), "xc");
	gives = "sha256:c";
	assert_int_equal(fetch("sha256:c"), 0);
	assert_string_equal(pulled, "app/p1 sha256:manifest-c app/p7:op1"); /* by the manifest's digest, never by a tag */
}

static void test_another_image_is_not_taken_for_it(void **state)
{
	mem_copy_str(stored, sizeof(stored), "c");
	gives = "sha256:d";
	assert_int_equal(fetch("sha256:c"), -1);
	assert_int_equal(err.code, CL_FAILED);
	assert_non_null(strstr(err.message, "the repository gave another one (sha256:d)"));
}

static void test_one_that_is_nowhere(void **state)
{
	mem_copy_str(here, sizeof(here), "a");
	mem_copy_str(stored, sizeof(stored), "b");
	assert_int_equal(fetch("sha256:c"), -1);
	assert_int_equal(err.code, CL_PRECONDITION);
	assert_string_equal(err.message, "image sha256:c: neither here nor in the repository");
	assert_string_equal(err.hint, "Deploy it anew");
}

static void test_without_a_repository_it_is_said_where_it_is_missing(void **state)
{
	load("0", "yes");
	mem_copy_str(stored, sizeof(stored), "c");
	assert_int_equal(fetch("sha256:c"), -1);
	assert_int_equal(err.code, CL_PRECONDITION);
	assert_string_equal(err.message, "image sha256:c: it is not on this machine");
	assert_string_equal(pulled, "");
}

/* The first cause is what is said: nobody looks for a lost image while only the network is. */
static void test_who_is_away_is_named(void **state)
{
	listing = CL_UNAVAILABLE;
	assert_int_equal(fetch("sha256:c"), -1);
	assert_string_equal(err.message, "container engine: is away");
	memset(&err, 0, sizeof(err));
	listing = CL_TIMEOUT;
	assert_int_equal(fetch("sha256:c"), -1);
	assert_string_equal(err.message, "repository: no answer in time");
	memset(&err, 0, sizeof(err));
	listing = CL_OK;
	mem_copy_str(stored, sizeof(stored), "c");
	assert_int_equal(fetch("sha256:c"), -1);
	assert_string_equal(err.message, "repository: is away");
}

static void test_what_is_pushed_at_all(void **state)
{
	assert_true(stored_wants_releases());
	load("5000", "no");
	assert_false(stored_wants_releases());
	load("0", "yes");
	assert_false(stored_wants_releases() || stored_wants_stacks());
	setenv("CODINGLAB_REGISTRY_URL", "https://registry.example/lab", 1);
	load("0", "yes");
	assert_true(stored_wants_releases());
}

static void test_images_of_stacks_have_a_place_of_their_own(void **state)
{
	json_t *ids = json_pack("[s, s]", "python", "django-run"), *payload = stored_payload_stacks(ids), *first;

	assert_int_equal(json_array_size(json_object_get(payload, "items")), 2);
	first = json_array_get(json_object_get(payload, "items"), 0);
	assert_string_equal(json_string_value(json_object_get(first, "image")), "python");
	assert_string_equal(json_string_value(json_object_get(first, "repository")), "stack/python");
	json_decref(payload);
	json_decref(ids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_one_that_is_here_is_not_fetched, setup),
	    cmocka_unit_test_setup(test_one_of_the_repository_comes_under_its_projects_name, setup),
	    cmocka_unit_test_setup(test_another_image_is_not_taken_for_it, setup),
	    cmocka_unit_test_setup(test_one_that_is_nowhere, setup),
	    cmocka_unit_test_setup(test_without_a_repository_it_is_said_where_it_is_missing, setup),
	    cmocka_unit_test_setup(test_who_is_away_is_named, setup),
	    cmocka_unit_test_setup(test_what_is_pushed_at_all, setup),
	    cmocka_unit_test_setup(test_images_of_stacks_have_a_place_of_their_own, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
