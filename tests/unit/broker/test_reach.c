/* What dev containers and builds get to reach registries, and when they get nothing. */
#include "tests/unit/broker/head.h"

#include "engine/broker/docker.h"
#include "engine/broker/reach.h"

struct world {
	char dir[64];
	struct place place;
	json_t *body;
};

static void touch(const char *dir, const char *name)
{
	cl_autofree char *path = mem_printf("%s/%s", dir, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fclose(f);
}

static void folder(const char *dir, const char *name)
{
	cl_autofree char *path = mem_printf("%s/%s", dir, name);

	assert_int_equal(mkdir(path, 0755), 0);
}

static int begin(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));

	mem_copy_str(w->dir, sizeof(w->dir), "/tmp/cl-reach-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	head_place(&w->place);
	folder(w->dir, "trust");
	folder(w->dir, "proxy");
	folder(w->dir, "proxy/dev");
	folder(w->dir, "proxy/build");
	touch(w->dir, "trust/ca-certificates.crt");
	snprintf(w->place.trust, sizeof(w->place.trust), "%s/trust", w->dir);
	snprintf(w->place.proxy, sizeof(w->place.proxy), "%s/proxy", w->dir);
	mem_copy_str(w->place.net, sizeof(w->place.net), "/lib/codinglab-net");
	w->body = json_pack("{s:[ss], s:[s], s:{s:[]}}", "Cmd", "sh", "-l", "Env", "no_proxy=mine",
	    "HostConfig", "Mounts");
	*state = w;
	return 0;
}

static int end(void **state)
{
	static const char *const names[] = {"trust/ca-certificates.crt", "trust/cacerts", "trust",
	    "proxy/dev", "proxy/build", "proxy", "."};
	struct world *w = *state;

	for (size_t i = 0; i < CL_COUNT(names); i++) {
		cl_autofree char *path = mem_printf("%s/%s", w->dir, names[i]);

		if (strcmp(names[i], ".") == 0)
			rmdir(w->dir);
		else
			(void)remove(path);
	}
	json_decref(w->body);
	mem_free(w);
	return 0;
}

/* Where target comes from; "" when it is not mounted.  All mounts are read-only binds. */
static const char *source(const struct world *w, const char *target)
{
	json_t *list = json_object_get(json_object_get(w->body, "HostConfig"), "Mounts"), *m;
	size_t i;

	json_array_foreach(list, i, m) {
		assert_string_equal(docker_str(m, "Type"), "bind");
		assert_true(json_is_true(json_object_get(m, "ReadOnly")));
		if (strcmp(docker_str(m, "Target"), target) == 0)
			return docker_str(m, "Source");
	}
	return "";
}

static const char *value(const struct world *w, const char *name)
{
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(w->body, "Env"), i, item) {
		const char *text = json_string_value(item);

		if (strncmp(text, name, strlen(name)) == 0 && text[strlen(name)] == '=')
			return text + strlen(name) + 1;
	}
	return NULL;
}

static const char *word(const struct world *w, size_t i)
{
	return json_string_value(json_array_get(json_object_get(w->body, "Cmd"), i));
}

static void test_a_dev_container_gets_certificates_and_the_proxy(void **state)
{
	struct world *w = *state;

	reach_give(w->body, &w->place, REACH_DEV);
	assert_non_null(strstr(source(w, "/etc/ssl/certs/ca-certificates.crt"), "/trust/ca-certificates.crt"));
	assert_string_equal(source(w, "/etc/ssl/certs/java/cacerts"), ""); /* none was made */
	assert_string_equal(source(w, REACH_TRUST), w->place.trust);
	assert_non_null(strstr(source(w, REACH_PROXY), "/proxy/dev"));
	assert_string_equal(source(w, REACH_HELPER), "/lib/codinglab-net");
	assert_string_equal(value(w, "HTTPS_PROXY"), "http://127.0.0.1:3128");
	assert_string_equal(value(w, "http_proxy"), "http://127.0.0.1:3128");
	assert_string_equal(value(w, "no_proxy"), "mine");
	assert_non_null(strstr(value(w, "NO_PROXY"), "localhost"));
	assert_string_equal(word(w, 0), REACH_HELPER);
	assert_string_equal(word(w, 1), REACH_PROXY "/proxy.sock");
	assert_string_equal(word(w, 2), "sh");
	assert_string_equal(word(w, 3), "-l");
}

static void test_a_build_gets_the_narrow_door(void **state)
{
	struct world *w = *state;

	assert_true(reach_closed(&w->place));
	assert_non_null(strstr(reach_text(&w->place), "registries only"));
	touch(w->dir, "trust/cacerts");
	reach_give(w->body, &w->place, REACH_BUILD);
	assert_non_null(strstr(source(w, REACH_PROXY), "/proxy/build"));
	assert_non_null(strstr(source(w, "/etc/ssl/certs/java/cacerts"), "/trust/cacerts"));
}

static void test_an_open_build_gets_the_wide_one(void **state)
{
	struct world *w = *state;

	w->place.network = PLACE_OPEN;
	assert_false(reach_closed(&w->place));
	reach_give(w->body, &w->place, REACH_BUILD);
	assert_non_null(strstr(source(w, REACH_PROXY), "/proxy/dev"));
}

static void test_a_build_without_network_gets_no_proxy(void **state)
{
	struct world *w = *state;

	w->place.network = PLACE_NONE;
	assert_true(reach_closed(&w->place));
	assert_false(reach_proxied(&w->place, REACH_BUILD));
	assert_true(reach_proxied(&w->place, REACH_DEV));
	reach_give(w->body, &w->place, REACH_BUILD);
	assert_string_equal(source(w, REACH_PROXY), "");
	assert_null(value(w, "HTTPS_PROXY"));
	assert_string_equal(word(w, 0), "sh");
}

/* Where the proxy is off there is nothing that could keep a build to the registries: it says so. */
static void test_without_a_proxy_the_network_is_direct(void **state)
{
	struct world *w = *state;

	w->place.proxy[0] = '\0';
	assert_false(reach_closed(&w->place));
	assert_non_null(strstr(reach_text(&w->place), "open, since"));
	reach_give(w->body, &w->place, REACH_BUILD);
	assert_null(value(w, "HTTPS_PROXY"));
	assert_string_equal(word(w, 0), "sh");
	assert_non_null(strstr(source(w, REACH_TRUST), "/trust"));
}

static void test_nothing_to_trust_mounts_nothing(void **state)
{
	struct world *w = *state;

	mem_copy_str(w->place.trust, sizeof(w->place.trust), "/nonexistent");
	w->place.proxy[0] = '\0';
	reach_give(w->body, &w->place, REACH_DEV);
	assert_int_equal(json_array_size(json_object_get(json_object_get(w->body, "HostConfig"), "Mounts")), 0);
}

static void test_without_a_command_there_is_nothing_to_put_it_before(void **state)
{
	struct world *w = *state;

	json_object_del(w->body, "Cmd");
	reach_give(w->body, &w->place, REACH_DEV);
	assert_null(json_object_get(w->body, "Cmd"));
	assert_null(value(w, "HTTPS_PROXY"));
}

/* A dev container that is saved: its image must start where there is no proxy too. */
static void test_an_image_of_such_a_container_is_told_to_forget_it(void **state)
{
	struct world *w = *state;
	json_t *list = reach_undo(w->body);

	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
	reach_give(w->body, &w->place, REACH_DEV);
	list = reach_undo(w->body);
	assert_int_equal(json_array_size(list), 7);
	assert_string_equal(json_string_value(json_array_get(list, 0)), "CMD [\"sh\",\"-l\"]");
	assert_string_equal(json_string_value(json_array_get(list, 3)), "ENV HTTPS_PROXY=");
	json_decref(list);
	assert_string_equal(word(w, 0), REACH_HELPER); /* the container's own stays */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_dev_container_gets_certificates_and_the_proxy, begin, end),
	    cmocka_unit_test_setup_teardown(test_a_build_gets_the_narrow_door, begin, end),
	    cmocka_unit_test_setup_teardown(test_an_open_build_gets_the_wide_one, begin, end),
	    cmocka_unit_test_setup_teardown(test_a_build_without_network_gets_no_proxy, begin, end),
	    cmocka_unit_test_setup_teardown(test_without_a_proxy_the_network_is_direct, begin, end),
	    cmocka_unit_test_setup_teardown(test_nothing_to_trust_mounts_nothing, begin, end),
	    cmocka_unit_test_setup_teardown(test_without_a_command_there_is_nothing_to_put_it_before, begin, end),
	    cmocka_unit_test_setup_teardown(test_an_image_of_such_a_container_is_told_to_forget_it, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
