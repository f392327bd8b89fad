/*
 * Nameless images: which go, in which order, and what stays because something stands on it; with a container
 * engine of the test's own.
 *
 *   base (named) <- step1 <- step2 <- python (named)      steps of an image that is used: stay
 *                <- old1  <- old2                          a former version: both go, old2 first
 */
#include "tests/unit/broker/ask.h"

#include "engine/broker/docker.h"
#include "engine/broker/image_prune.h"
#include "tests/unit/fake_http.h"

#define OURS "\"Labels\":{\"codinglab.image\":\"python\"}"
#define HOUR 3600
#define OF_64(c) c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c \
	c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c

static struct fake engine;
static struct broker broker;
static char images[8192], containers[1024];
static const char *stubborn; /* an id whose removal is refused */

/* An image's id from a letter. */
static void id(char letter, char out[80])
{
	snprintf(out, 80, "sha256:%064d", 0);
	memset(out + 7, letter, 64);
}

static void serve(struct fake *f, int fd, const char *request, const char *body)
{
	if (strstr(request, "/containers/json"))
		fake_reply(fd, containers[0] ? 200 : 500, containers[0] ? containers : "{\"message\":\"broken\"}");
	else if (strstr(request, "/images/json"))
		fake_reply(fd, images[0] ? 200 : 500, images[0] ? images : "{\"message\":\"broken\"}");
	else if (stubborn && strstr(request, stubborn))
		fake_reply(fd, 409, "{\"message\":\"image is in use\"}");
	else
		fake_reply(fd, 200, "[]");
}

static int setup(void **state)
{
	fake_start(&engine, serve);
	head_place(&broker.place);
	broker.docker.socket = engine.path;
	mem_copy_str(images, sizeof(images), "[");
	mem_copy_str(containers, sizeof(containers), "[]");
	stubborn = NULL;
	return 0;
}

static int teardown(void **state)
{
	fake_stop(&engine);
	return 0;
}

/* One more image: parent 0 = it stands on none; name "" = it has none. */
static void image(char letter, char parent, const char *name, const char *labels, int size, int64_t created)
{
	char me[80], above[80] = "";
	size_t n = strlen(images);

	id(letter, me);
	if (parent)
		id(parent, above);
	snprintf(images + n, sizeof(images) - n, "%s{\"Id\":\"%s\",\"ParentId\":\"%s\",\"RepoTags\":[%s%s%s],\"Size\":%d,\"Created\":%lld,%s}",
	    n > 1 ? "," : "", me, above, name[0] ? "\"" : "", name, name[0] ? "\"" : "", size, (long long)created, labels);
}

struct done {
	int rc;
	int64_t count, bytes;
};

static struct done prune(bool dry)
{
	struct line *out = mem_alloc(sizeof(*out));
	struct cl_err err = {0};
	struct done d;
	int fds[2];

	mem_copy_str(images + strlen(images), 2, "]");
	assert_int_equal(ipc_pair(fds, NULL), 0);
	line_init(out, fds[0]);
	d.rc = image_prune_run(&broker, dry, HOUR, out, &d.count, &d.bytes, &err);
	mem_free(out);
	close(fds[0]);
	close(fds[1]);
	return d;
}

/* Where its removal stands in what was asked of the container engine; 0 = nowhere. */
static size_t removed(char letter)
{
	char wanted[160], me[80];
	const char *p;

	id(letter, me);
	snprintf(wanted, sizeof(wanted), "/images/%s?", me);
	p = strstr(engine.log, wanted);
	return p ? (size_t)(p - engine.log) : 0;
}

static void tree(void)
{
	image('a', 0, "localhost/codinglab/base:latest", OURS, 100, 1);
	image('b', 'a', "", OURS, 110, 1);
	image('c', 'b', "", OURS, 120, 1);
	image('d', 'c', "localhost/codinglab/python:latest", OURS, 120, 1);
	image('e', 'a', "", OURS, 130, 1);
	image('f', 'e', "", OURS, 190, 1);
}

static void test_a_former_version_goes_with_its_steps(void **state)
{
	struct done d;

	tree();
	d = prune(false);
	assert_int_equal(d.rc, 0);
	assert_int_equal(d.count, 2);
	assert_int_equal(d.bytes, 30 + 60); /* what each adds to the one that it stands on */
	assert_true(removed('e') && removed('f'));
	for (char c = 'a'; c <= 'd'; c++)
		assert_int_equal(removed(c), 0);
}

static void test_trying_it_removes_nothing(void **state)
{
	struct done d;

	tree();
	d = prune(true);
	assert_int_equal(d.count, 2);
	assert_int_equal(d.bytes, 90);
	assert_null(strstr(engine.log, "DELETE"));
}

static void test_what_a_container_uses_stays_with_what_it_stands_on(void **state)
{
	struct done d;

	tree();
	snprintf(containers, sizeof(containers), "[{\"Id\":\"x\",\"ImageID\":\"" OF_64("f") "\"}]"); /* without sha256: */
	d = prune(false);
	assert_int_equal(d.count, 0);
	assert_null(strstr(engine.log, "DELETE"));
}

static void test_a_young_one_may_be_under_way(void **state)
{
	image('a', 0, "localhost/codinglab/base:latest", OURS, 100, 1);
	image('b', 'a', "", OURS, 110, 1);
	image('c', 'b', "", OURS, 120, (int64_t)time(NULL) - 60);
	assert_int_equal(prune(false).count, 0); /* nor what it stands on */
}

static void test_others_are_not_ours(void **state)
{
	char labels[200];

	image('a', 0, "", "\"Labels\":null", 100, 1);
	image('b', 0, "", "\"Labels\":{\"vendor\":\"somebody\"}", 100, 1);
	snprintf(labels, sizeof(labels), "\"Labels\":{\"codinglab.image\":\"x\",\"codinglab.instance\":\"%s\"}", broker.place.instance);
	image('c', 0, "", labels, 100, 1); /* an instance owns it, and removes it itself */
	image('d', 0, "", "\"Labels\":{\"codinglab.rootfs\":\"debian\"}", 50, 1);
	assert_int_equal(prune(false).count, 1);
	assert_true(removed('d'));
}

static void test_one_that_cannot_be_removed_stops_nobody(void **state)
{
	struct done d;
	char me[80];

	id('e', me);
	stubborn = me;
	tree();
	d = prune(false);
	assert_int_equal(d.rc, 0);
	assert_int_equal(d.count, 1);
	assert_int_equal(d.bytes, 60);
}

static void test_no_answer_is_told(void **state)
{
	tree();
	containers[0] = '\0';
	assert_int_equal(prune(false).rc, -1);
	assert_null(strstr(engine.log, "DELETE")); /* who is used is not known */
	mem_copy_str(containers, sizeof(containers), "[]");
	images[0] = '\0';
	assert_int_equal(prune(false).rc, -1);
}

static void test_how_often_an_image_is_used(void **state)
{
	json_t *used;
	char me[80];

	snprintf(containers, sizeof(containers), "[{\"ImageID\":\"sha256:" OF_64("f") "\"},{\"ImageID\":\"" OF_64("f") "\"},{\"ImageID\":\"" OF_64("a") "\"}]");
	used = image_prune_used(&broker, NULL);
	assert_non_null(used);
	id('f', me);
	assert_int_equal(json_integer_value(json_object_get(used, me)), 2);
	id('a', me);
	assert_int_equal(json_integer_value(json_object_get(used, me)), 1);
	assert_int_equal(json_object_size(used), 2);
	json_decref(used);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_former_version_goes_with_its_steps, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_trying_it_removes_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_what_a_container_uses_stays_with_what_it_stands_on, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_young_one_may_be_under_way, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_others_are_not_ours, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_one_that_cannot_be_removed_stops_nobody, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_answer_is_told, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_how_often_an_image_is_used, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
