/*
 * Pods whose Deployment is gone, against a scripted server: what has no owner goes with its ReplicaSet, what has one stays, and so
 * does everything that the server cannot be asked about.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../fake_http.h"
#include "base/buf.h"
#include "base/mem.h"
#include "engine/kube_stray.h"

#define OWNED(kind, name, uid) "\"ownerReferences\": [{\"kind\": \"" kind "\", \"name\": \"" name "\", \"uid\": \"" uid "\", \"controller\": true}]"
#define POD(name, set, uid) "{\"metadata\": {\"name\": \"" name "\", \"labels\": {\"codinglab/tier\": \"was\"}, " OWNED("ReplicaSet", set, uid) "}}"
#define SET(name, uid, by) "{\"metadata\": {\"name\": \"" name "\", \"uid\": \"" uid "\", " OWNED("Deployment", "shop-was", by) "}}"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char deleted[512];

/* set-a is of the Deployment that there is, set-b of one that was there before, set-c came anew under its name, set-d is gone,
 * set-e cannot be asked after. */
static void serve(struct fake *f, int fd, const char *request, const char *body)
{
	const char *path = strchr(request, ' ') + 1, *name = strstr(path, "/namespaces/n/");
	size_t len = name ? strcspn(name, " ?") : 0;

	if (strncmp(request, "DELETE", 6) == 0) {
		pthread_mutex_lock(&lock);
		(void)snprintf(deleted + strlen(deleted), sizeof(deleted) - strlen(deleted), "%.*s ", (int)(len - 14), name + 14);
		pthread_mutex_unlock(&lock);
		fake_reply(fd, 200, "{}");
	} else if (strstr(path, "replicasets/set-a")) {
		fake_reply(fd, 200, SET("set-a", "a", "now"));
	} else if (strstr(path, "replicasets/set-b")) {
		fake_reply(fd, 200, SET("set-b", "b", "before"));
	} else if (strstr(path, "replicasets/set-c")) {
		fake_reply(fd, 200, SET("set-c", "another", "now"));
	} else if (strstr(path, "replicasets/set-e")) {
		fake_reply(fd, 400, "{\"message\": \"not now\"}");
	} else if (strstr(path, "deployments/shop-was")) {
		fake_reply(fd, 200, "{\"metadata\": {\"name\": \"shop-was\", \"uid\": \"now\"}}");
	} else {
		fake_reply(fd, 404, "{\"message\": \"not found\"}");
	}
}

static json_t *list(const char *items)
{
	cl_autofree char *text = mem_printf("[%s]", items);
	json_t *l = json_loads(text, 0, NULL);

	assert_non_null(l);
	return l;
}

static void only_what_has_no_owner_goes(void **state)
{
	struct kube_config c = { 0 };
	struct fake f;
	struct kube_api *a;
	json_t *pods = list(POD("p-a", "set-a", "a") "," POD("p-b", "set-b", "b") "," POD("p-c", "set-c", "c") ","
	    POD("p-d", "set-d", "d") "," POD("p-e", "set-e", "e") ","
	    "{\"metadata\": {\"name\": \"db-0\", " OWNED("StatefulSet", "shop-db", "s") "}},"
	    "{\"metadata\": {\"name\": \"bare\"}},"
	    "{\"metadata\": {\"name\": \"going\", \"deletionTimestamp\": \"2026-01-01T00:00:00Z\", " OWNED("ReplicaSet", "set-d", "d") "}}");

	snprintf(c.server, sizeof(c.server), "http://127.0.0.1:%d", fake_start_tcp(&f, serve));
	a = kube_api_new(&c);
	deleted[0] = '\0';
	assert_int_equal(kube_stray_remove(a, "n", pods), 3);
	assert_string_equal(deleted, "replicasets/set-b pods/p-b pods/p-c pods/p-d ");
	json_decref(pods);
	kube_api_free(a);
	fake_stop(&f);
}

static bool likely(const char *pods, int replicas)
{
	struct backend_env e = { .ntiers = 1 };
	cl_autofree char *text = mem_printf("{\"metadata\": {\"labels\": {\"codinglab/tier\": \"was\"}}, \"spec\": {\"replicas\": %d}}", replicas);
	json_t *p = list(pods), *c = list(text);
	bool is = kube_stray_likely(&e, p, c);

	json_decref(p);
	json_decref(c);
	return is;
}

static void more_than_wanted_is_a_reason_to_ask(void **state)
{
	assert_false(likely(POD("p-a", "set-a", "a"), 1));
	assert_true(likely(POD("p-a", "set-a", "a") "," POD("p-b", "set-b", "b"), 1));
	assert_false(likely(POD("p-a", "set-a", "a") "," POD("p-b", "set-b", "b"), 2));
	assert_false(likely("", 0));
	assert_true(likely(POD("p-a", "set-a", "a"), 0));
	/* one that is going is no more than wanted, nor is a pod of another tier */
	assert_false(likely(POD("p-a", "set-a", "a") ", {\"metadata\": {\"name\": \"x\", \"deletionTimestamp\": \"now\", \"labels\":"
	    " {\"codinglab/tier\": \"was\"}, " OWNED("ReplicaSet", "set-a", "a") "}}", 1));
	assert_false(likely(POD("p-a", "set-a", "a") ", {\"metadata\": {\"name\": \"x\", \"labels\": {\"codinglab/tier\": \"web\"}, "
	    OWNED("ReplicaSet", "set-w", "w") "}}", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_has_no_owner_goes),
		cmocka_unit_test(more_than_wanted_is_a_reason_to_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
