/*
 * Archives that build without us, for every stack of the platform with each of its databases: what
 * compose.yaml and the manifests name is there, agrees with the rest and asks for no right; hostile
 * text of a project stays text.  The readiness check is run by bash against a server of the test's own.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "engine/export.h"

static struct stack_set set;
static struct appfile app;
static struct export x;

static const json_t *get(const json_t *o, const char *path)
{
	cl_autofree char *text = mem_strdup(path);
	char *rest = text, *part;

	while (o && (part = strsep(&rest, "/")))
		o = json_is_array(o) ? json_array_get(o, (size_t)atol(part)) : json_object_get(o, part);
	return o;
}

static const char *str(const json_t *o, const char *path)
{
	const char *s = json_string_value(get(o, path));

	return s ? s : "";
}

static bool has(const json_t *list, const char *word)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		if (strcmp(json_string_value(item), word) == 0)
			return true;
	return false;
}

static json_t *files(void)
{
	struct cl_err err = {0};
	cl_autofree char *text = export_files(&x, &err);
	json_t *o;

	if (!text)
		fail_msg("%s: %s", x.stack->id, err.message);
	o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(o);
	return o;
}

static const char *text_of(const json_t *all, const char *name)
{
	const json_t *v = json_object_get(all, name);

	if (!v)
		fail_msg("%s: there is no %s", x.stack->id, name);
	return json_is_string(v) ? json_string_value(v) : str(v, "text");
}

static json_t *json_of(const json_t *all, const char *name)
{
	json_t *o = json_loads(text_of(all, name), JSON_REJECT_DUPLICATES, NULL);

	if (!o)
		fail_msg("%s: %s is no JSON", x.stack->id, name);
	return o;
}

static void use(const struct stack *s, const char *db)
{
	x = (struct export){.name = "shop", .stack = s, .stacks = &set, .app = &app,
	    .web = stack_find(&set, "web"), .db = db ? stack_find(&set, db) : NULL,
	    .images = CL_SOURCE "/images", .added = "/nowhere"};
}

/* Run check for each stack of the platform with each database that it leaves, or none. */
static void each(void (*check)(void))
{
	int n = 0;

	for (size_t i = 0; i < set.n; i++) {
		const struct stack *s = &set.items[i];

		if (s->kind != STACK_LANGUAGE && s->kind != STACK_FRAMEWORK)
			continue;
		for (size_t d = 0; d < s->ndbs || d == 0; d++) {
			use(s, s->ndbs ? s->dbs[d] : NULL);
			check();
			n++;
		}
	}
	assert_true(n >= 14);
}

/* -- compose -- */

static void check_service(const char *name, const json_t *s, const json_t *all)
{
	const char *on;
	json_t *how;

	if (!has(get(s, "cap_drop"), "ALL") || !has(get(s, "security_opt"), "no-new-privileges"))
		fail_msg("%s of %s has rights", name, x.stack->id);
	if (atoi(str(s, "user")) < 1000)
		fail_msg("%s of %s runs as %s", name, x.stack->id, str(s, "user"));
	assert_null(json_object_get(s, "privileged"));
	assert_null(json_object_get(s, "network_mode"));
	json_object_foreach((json_t *)json_object_get(s, "depends_on"), on, how)
		if (!get(all, on) || (strcmp(str(how, "condition"), "service_healthy") == 0 &&
		    !get(get(all, on), "healthcheck")))
			fail_msg("%s of %s waits for %s, which is not there or never healthy", name,
			    x.stack->id, on);
}

static void compose_holds_together(void)
{
	json_t *all = files(), *c = json_of(all, "compose.yaml"), *s;
	const json_t *services = get(c, "services");
	const char *name, *env = text_of(all, ".env");
	cl_autofree char *port = mem_printf("%d", export_port(&x));

	json_object_foreach((json_t *)services, name, s)
		check_service(name, s, services);
	assert_string_equal(str(services, "was/environment/PORT"), port);
	assert_int_equal(x.db != NULL, get(services, "db") != NULL);
	assert_int_equal(x.db != NULL, get(c, "volumes/db") != NULL);
	assert_int_equal(x.db != NULL, strstr(env, "DATABASE_PASSWORD=") != NULL);
	if (x.db) {
		assert_non_null(strstr(str(services, "was/environment/DATABASE_URL"), "@db:"));
		assert_non_null(strstr(str(services, "was/environment/DATABASE_URL"), "${DATABASE_PASSWORD}"));
	}
	for (size_t i = 0; x.stack->secrets && x.stack->secrets[i]; i++)
		assert_non_null(strstr(env, x.stack->secrets[i]));
	/* only the Web tier is reached from outside */
	json_object_foreach((json_t *)services, name, s)
		assert_int_equal(strcmp(name, "web") == 0, json_object_get(s, "ports") != NULL);
	json_decref(c);
	json_decref(all);
}

static void compose_of_every_stack(void **state)
{
	each(compose_holds_together);
}

/* -- Kubernetes -- */

static void check_container(const json_t *c)
{
	assert_true(json_is_false(get(c, "securityContext/allowPrivilegeEscalation")));
	assert_true(json_is_true(get(c, "securityContext/runAsNonRoot")));
	assert_true(has(get(c, "securityContext/capabilities/drop"), "ALL"));
	assert_null(get(c, "securityContext/privileged"));
}

static void check_pod(const json_t *o)
{
	const json_t *spec = get(o, "spec/template/spec"), *c, *m;
	size_t i, k, v;

	assert_true(json_is_false(get(spec, "automountServiceAccountToken")));
	assert_string_equal(str(spec, "securityContext/seccompProfile/type"), "RuntimeDefault");
	assert_true(json_integer_value(get(spec, "securityContext/runAsUser")) >= 1000);
	assert_null(get(spec, "hostNetwork"));
	assert_true(json_equal(get(o, "spec/selector/matchLabels"), get(o, "spec/template/metadata/labels")));
	json_array_foreach(get(spec, "containers"), i, c) {
		check_container(c);
		assert_non_null(get(c, "readinessProbe"));
		json_array_foreach(get(c, "volumeMounts"), k, m) {
			const json_t *volume = NULL, *claims = get(o, "spec/volumeClaimTemplates");
			bool found = strcmp(str(claims, "0/metadata/name"), str(m, "name")) == 0;

			json_array_foreach(get(spec, "volumes"), v, volume)
				found = found || strcmp(str(volume, "name"), str(m, "name")) == 0;
			if (!found)
				fail_msg("%s: %s mounts a volume that is not there", x.stack->id, str(m, "name"));
		}
	}
	json_array_foreach(get(spec, "initContainers"), i, c)
		check_container(c);
}

/* A service leads to pods that there are, on a port that they listen to. */
static void check_service_object(const json_t *all, const json_t *service)
{
	const char *name;
	json_t *text;

	json_object_foreach((json_t *)all, name, text) {
		json_t *o = strncmp(name, "kubernetes/", 11) == 0 ? json_of(all, name) : NULL;
		bool found = o && json_equal(get(o, "spec/template/metadata/labels"), get(service, "spec/selector")) &&
		    json_equal(get(o, "spec/template/spec/containers/0/ports/0/containerPort"),
		    get(service, "spec/ports/0/targetPort"));

		json_decref(o);
		if (found)
			return;
	}
	fail_msg("%s: the service %s leads nowhere", x.stack->id, str(service, "metadata/name"));
}

static void manifests_hold_together(void)
{
	json_t *all = files(), *text, *o;
	int pods = 0, secrets = 0;
	const char *name;

	json_object_foreach(all, name, text) {
		if (strncmp(name, "kubernetes/", 11) != 0)
			continue;
		o = json_of(all, name);
		if (strcmp(str(o, "kind"), "Namespace") == 0)
			assert_string_equal(str(o, "metadata/name"), "shop");
		else
			assert_string_equal(str(o, "metadata/namespace"), "shop");
		if (get(o, "spec/template")) {
			check_pod(o);
			pods++;
		}
		if (strcmp(str(o, "kind"), "Service") == 0)
			check_service_object(all, o);
		secrets += strcmp(str(o, "kind"), "Secret") == 0;
		json_decref(o);
	}
	assert_int_equal(pods, x.db ? 3 : 2);
	assert_int_equal(secrets, 1);
	json_decref(all);
}

static void manifests_of_every_stack(void **state)
{
	each(manifests_hold_together);
}

/* Each secret that a pod asks for is in the one Secret. */
static void secrets_are_there(void)
{
	json_t *all = files(), *secret = json_of(all, "kubernetes/10-secret.yaml");
	json_t *was = json_of(all, "kubernetes/30-was.yaml");
	const json_t *env = get(was, "spec/template/spec/containers/0/env"), *v;
	size_t i;

	json_array_foreach(env, i, v) {
		const char *key = str(v, "valueFrom/secretKeyRef/key");

		if (key[0] && !json_object_get(get(secret, "stringData"), key))
			fail_msg("%s: the secret %s is not there", x.stack->id, key);
	}
	json_decref(was);
	json_decref(secret);
	json_decref(all);
}

static void secrets_of_every_stack(void **state)
{
	each(secrets_are_there);
}

/* -- files -- */

/* images/build makes what the Containerfiles are FROM, each after its own parent. */
static void recipes_are_whole(void)
{
	json_t *all = files();
	const char *build = text_of(all, "images/build"), *c = text_of(all, "Containerfile");
	cl_autofree char *dev = mem_printf("FROM localhost/codinglab/%s AS build\n", x.stack->dev.id);
	cl_autofree char *run = mem_printf("FROM localhost/codinglab/%s\n", x.stack->run.id);
	char id[64], file[200];
	json_t *o;

	assert_non_null(strstr(c, dev));
	assert_non_null(strstr(c, run));
	assert_non_null(strstr(c, "USER 10102:10102\n"));
	for (const char *at = build; (at = strstr(at, "have ")); at++) {
		if (sscanf(at, "have %63s || $engine build -t localhost/codinglab/%*s -f %199s", id, file) != 2)
			continue;
		cl_autofree char *name = mem_printf("images/%s", file);
		const char *parent = strstr(text_of(all, name), "FROM localhost/codinglab/");
		cl_autofree char *needed = parent ? mem_printf("have %.*s ||", (int)strcspn(parent + 25, ": \n"),
		    parent + 25) : NULL;

		if (needed && !strstr(needed, "rootfs") && (!strstr(build, needed) || strstr(build, needed) > at))
			fail_msg("%s: %s is built before %s", x.stack->id, id, needed);
	}
	assert_true(json_is_true(get(json_object_get(all, "images/base-rootfs"), "executable")) ||
	    json_object_get(json_object_get(all, "images/base-rootfs"), "executable"));
	assert_non_null(strstr(text_of(all, "web/nginx.conf"), "server was:"));
	assert_null(strstr(text_of(all, "web/nginx.conf"), "/run/edge/was.sock"));
	o = json_of(all, "codinglab-export.json");
	assert_string_equal(str(o, "stack"), x.stack->id);
	json_decref(o);
	json_decref(all);
}

static void recipes_of_every_stack(void **state)
{
	each(recipes_are_whole);
}

static void what_is_missing_is_said(void **state)
{
	struct cl_err err = {0};

	use(stack_find(&set, "python"), NULL);
	x.images = "/nowhere";
	assert_null(export_files(&x, &err));
	assert_int_equal(err.code, CL_NOT_FOUND);
}

/* A project's own words are words, whatever compose, Kubernetes or a shell would make of them. */
static void words_of_a_project_stay_words(void **state)
{
	static const char text[] = "{\"port\": 9999, \"health\": \"/a'$(id)\\\"${X}%s`\", \"serve\": "
	    "[\"sh\", \"-c\", \"echo $PORT $(id) ${X} \\\"q\\\"\"], \"migrate\": [\"m\", \"$(X)\", \"$Y\"]}";
	struct cl_err err = {0};
	json_t *all, *c, *k;
	const json_t *test;

	use(stack_find(&set, "python"), "postgresql");
	if (appfile_add_json(&app, text, strlen(text), &err) != 0)
		fail_msg("%s", err.message);
	all = files();
	c = json_of(all, "compose.yaml");
	k = json_of(all, "kubernetes/30-was.yaml");
	assert_string_equal(str(c, "services/was/environment/PORT"), "9999");
	test = get(c, "services/was/healthcheck/test");
	assert_string_equal(json_string_value(json_array_get(test, json_array_size(test) - 1)),
	    "/a'$$(id)\"$${X}%s`");
	assert_string_equal(str(c, "services/migrate/command/1"), "$$(X)");
	assert_string_equal(str(c, "services/migrate/command/2"), "$$Y");
	assert_string_equal(str(k, "spec/template/spec/initContainers/0/args/1"), "$$(X)");
	assert_string_equal(str(k, "spec/template/spec/initContainers/0/args/2"), "$Y");
	assert_string_equal(str(k, "spec/template/spec/containers/0/readinessProbe/httpGet/path"),
	    "/a'$(id)\"${X}%s`");
	assert_non_null(strstr(text_of(all, "Containerfile"), "EXPOSE 9999\n"));
	json_decref(k);
	json_decref(c);
	json_decref(all);
	appfile_clear(&app);
	appfile_init(&app);
}

/* -- the check -- */

struct answer {
	int fd;
	const char *reply;
	char request[512];
};

static void *answer(void *arg)
{
	struct answer *a = arg;
	int fd = accept(a->fd, NULL, NULL);
	size_t n = 0;
	ssize_t got = 1;

	while (got > 0 && n < sizeof(a->request) - 1 && !strstr(a->request, "\r\n\r\n")) {
		got = read(fd, a->request + n, sizeof(a->request) - 1 - n);
		n += got > 0 ? (size_t)got : 0;
	}
	if (write(fd, a->reply, strlen(a->reply)) < 0)
		a->request[0] = '\0';
	close(fd);
	return NULL;
}

/* What bash says of this answer; what it asked is left in *a. */
static int checked(struct answer *a, const char *path, const char *reply)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	pthread_t thread;
	char *argv[8] = {NULL};
	json_t *words, *w;
	int status;
	size_t i;
	pid_t pid;

	memset(a, 0, sizeof(*a));
	a->reply = reply;
	a->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(a->fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(a->fd, 1), 0);
	assert_int_equal(getsockname(a->fd, (struct sockaddr *)&sa, &len), 0);
	pthread_create(&thread, NULL, answer, a);
	words = export_check(ntohs(sa.sin_port), path);
	json_array_foreach(words, i, w)
		argv[i] = (char *)(uintptr_t)json_string_value(w);
	pid = fork();
	if (pid == 0) {
		execvp(argv[0], argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	pthread_join(thread, NULL);
	close(a->fd);
	json_decref(words);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void the_check_says_what_the_server_answers(void **state)
{
	struct answer a;

	assert_int_equal(checked(&a, "/healthz", "HTTP/1.0 200 OK\r\n\r\n"), 0);
	assert_string_equal(a.request, "GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n");
	assert_int_equal(checked(&a, "/healthz", "HTTP/1.1 503 Busy\r\n\r\n"), 1);
	assert_int_equal(checked(&a, "/healthz", ""), 1);
	/* a path is asked for as it is, and nothing of it is run */
	assert_int_equal(checked(&a, "/x'; touch /tmp/cl-evil; $(id)`id`%s%n\\n", "HTTP/1.0 200 OK\r\n\r\n"), 0);
	assert_string_equal(a.request, "GET /x'; touch /tmp/cl-evil; $(id)`id`%s%n\\n HTTP/1.0\r\nHost: localhost\r\n\r\n");
	assert_int_not_equal(access("/tmp/cl-evil", F_OK), 0);
}

static int setup(void **state)
{
	struct cl_err err = {0};

	appfile_init(&app);
	if (stack_load(&set, CL_SOURCE "/images", &err) == 0)
		return 0;
	print_message("%s\n", err.message);
	return -1;
}

static int teardown(void **state)
{
	stack_clear(&set);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(compose_of_every_stack),
	    cmocka_unit_test(manifests_of_every_stack),
	    cmocka_unit_test(secrets_of_every_stack),
	    cmocka_unit_test(recipes_of_every_stack),
	    cmocka_unit_test(what_is_missing_is_said),
	    cmocka_unit_test(words_of_a_project_stay_words),
	    cmocka_unit_test(the_check_says_what_the_server_answers),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
