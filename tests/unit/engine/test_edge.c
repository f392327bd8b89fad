/*
 * The edge against a real HAProxy that the test starts: host names, servers in and out, draining
 * waits for the request in flight, a dead server costs no request.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/fetch.h"
#include "engine/edge.h"
#include "engine/edge_config.h"

static char dir[] = "/var/tmp/codinglab-edge-XXXXXX";
static pid_t haproxy;
static int edge_port;

/* -- instances: one thread each, one connection at a time until it is closed, answering with their letter,
 * slowly when asked -- */

struct instance {
	int fd, port;
	char letter;
	pthread_t thread;
	volatile int served, accepted;
};

static void *serve_cb(void *arg)
{
	struct instance *i = arg;

	for (;;) {
		char req[4096], reply[256];
		int c = accept(i->fd, NULL, NULL);
		ssize_t n;

		if (c < 0)
			return NULL;
		i->accepted++;
		while ((n = read(c, req, sizeof(req) - 1)) > 0) {
			req[n] = '\0';
			if (strstr(req, "/slow") != NULL)
				usleep(700000);
			i->served++;
			n = snprintf(reply, sizeof(reply),
			    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%c", i->letter);
			if (write(c, reply, (size_t)n) != n)
				break;
		}
		close(c);
	}
}

/* Nobody listens there yet. */
static int bind_any(int *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	getsockname(fd, (struct sockaddr *)&a, &len);
	*port = ntohs(a.sin_port);
	return fd;
}

static void start_serving(struct instance *i)
{
	assert_int_equal(listen(i->fd, 64), 0);
	pthread_create(&i->thread, NULL, serve_cb, i);
}

static void start_instance(struct instance *i, char letter)
{
	*i = (struct instance){.letter = letter};
	i->fd = bind_any(&i->port);
	start_serving(i);
}

static void stop_instance(struct instance *i)
{
	shutdown(i->fd, SHUT_RDWR);
	close(i->fd);
	pthread_join(i->thread, NULL);
}

/* -- the user's side -- */

/* The status, the first byte of the body in *letter. */
static int get(const char *host, const char *path, char *letter)
{
	char url[128], header[128];
	const char *headers[] = {header, NULL};
	struct fetch_reply reply = {0};
	struct cl_err err = {0};
	int status;

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", edge_port, path);
	snprintf(header, sizeof(header), "Host: %s", host);
	struct fetch_request req = {.method = "GET", .url = url, .headers = headers, .timeout_ms = 10000};
	if (fetch_run(&req, &reply, &err) < 0)
		return -1;
	status = reply.status;
	*letter = reply.body.len > 0 ? reply.body.data[0] : '?';
	buf_clear(&reply.body);
	return status;
}

static int setup(void **state)
{
	char conf[128], env[128];
	struct cl_err err = {0};
	int argc = 1, fd;
	char *argv[] = {(char *)"test", NULL};
	FILE *f;

	assert_non_null(mkdtemp(dir));
	fd = bind_any(&edge_port);
	close(fd);
	snprintf(env, sizeof(env), "%d", edge_port);
	setenv("CODINGLAB_EDGE_PORT", env, 1);
	setenv("CODINGLAB_EDGE_SLOTS", "4", 1);
	setenv("CODINGLAB_EDGE_DIR", dir, 1);
	setenv("CODINGLAB_STATE", dir, 1); /* run.dir too, where the doors of the package proxy are */
	snprintf(conf, sizeof(conf), "%s/run", dir);
	assert_int_equal(mkdir(conf, 0755), 0);
	snprintf(env, sizeof(env), "%s/admin.sock", dir);
	setenv("CODINGLAB_EDGE_SOCKET", env, 1);
	setenv("CODINGLAB_ENGINE_USER", "root", 1);
	setenv("CODINGLAB_CONF", "/dev/null", 1);
	assert_int_equal(config_load(NULL, &argc, argv, &err), 0);
	snprintf(conf, sizeof(conf), "%s/haproxy.cfg", dir);
	f = fopen(conf, "w");
	assert_int_equal(edge_config_write(f, &err), 0);
	fclose(f);
	haproxy = fork();
	if (haproxy == 0) {
		execlp("haproxy", "haproxy", "-db", "-f", conf, NULL);
		_exit(127);
	}
	for (int i = 0; i < 100; i++) {
		struct stat st;
		char c;

		if (stat(env, &st) == 0 && get("x", "/", &c) > 0)
			return 0;
		usleep(50000);
	}
	return -1;
}

static int teardown(void **state)
{
	char cmd[256];

	kill(haproxy, SIGTERM);
	waitpid(haproxy, NULL, 0);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static void test_a_host_without_app_is_404(void **state)
{
	char c;

	assert_int_equal(get("nobody.lab.localhost", "/", &c), 404);
}

static void test_host_names_lead_to_their_slot(void **state)
{
	struct cl_err err = {0};
	struct instance a, b;
	char c;

	start_instance(&a, 'a');
	start_instance(&b, 'b');
	assert_int_equal(edge_host_set("one.lab", 0, &err), 0);
	assert_int_equal(edge_host_set("two.lab", 1, &err), 0);
	assert_int_equal(edge_host_set("two.lab", 1, &err), 0); /* again is harmless */
	assert_int_equal(edge_server_add(0, "web", "web-1", "127.0.0.1", a.port, &err), 0);
	assert_int_equal(edge_server_add(1, "web", "web-1", "127.0.0.1", b.port, &err), 0);
	assert_int_equal(get("one.lab", "/", &c), 200);
	assert_int_equal(c, 'a');
	assert_int_equal(get("TWO.lab:8080", "/", &c), 200);
	assert_int_equal(c, 'b');
	assert_int_equal(edge_host_unset("two.lab", &err), 0);
	assert_int_equal(edge_host_unset("two.lab", &err), 0);
	assert_int_equal(get("two.lab", "/", &c), 404);
	assert_int_equal(edge_server_drain(0, "web", "web-1", 5, &err), 0);
	assert_int_equal(edge_server_drain(1, "web", "web-1", 5, &err), 0);
	assert_int_equal(edge_server_drain(1, "web", "web-1", 5, &err), 0); /* absent is fine */
	assert_int_equal(edge_host_unset("one.lab", &err), 0);
	stop_instance(&a);
	stop_instance(&b);
}

static void test_a_server_that_came_back_elsewhere(void **state)
{
	struct cl_err err = {0};
	struct instance a, b;
	struct buf names;
	char c;

	start_instance(&a, 'a');
	start_instance(&b, 'b');
	assert_int_equal(edge_host_set("back.lab", 2, &err), 0);
	assert_int_equal(edge_server_add(2, "web", "web-1", "127.0.0.1", a.port, &err), 0);
	assert_int_equal(edge_server_add(2, "web", "web-1", "127.0.0.1", b.port, &err), 0);
	assert_int_equal(get("back.lab", "/", &c), 200);
	assert_int_equal(c, 'b');
	buf_init(&names, 4096);
	assert_int_equal(edge_server_list(2, "web", &names, &err), 0);
	assert_string_equal(names.data, "web-1\n");
	buf_clear(&names);
	assert_int_equal(edge_server_drain(2, "web", "web-1", 5, &err), 0);
	stop_instance(&a);
	stop_instance(&b);
}

static void *slow_cb(void *arg)
{
	char c;

	*(int *)arg = get("drain.lab", "/slow", &c);
	return NULL;
}

static void test_draining_waits_for_what_is_in_flight(void **state)
{
	struct cl_err err = {0};
	struct instance a, b;
	struct edge_traffic t;
	pthread_t thread;
	int status = 0;
	char c;

	start_instance(&a, 'a');
	start_instance(&b, 'b');
	assert_int_equal(edge_host_set("drain.lab", 3, &err), 0);
	assert_int_equal(edge_server_add(3, "web", "web-1", "127.0.0.1", a.port, &err), 0);
	pthread_create(&thread, NULL, slow_cb, &status);
	usleep(200000);
	assert_int_equal(edge_traffic(3, "web", &t, &err), 0);
	assert_int_equal(t.active, 1);
	assert_int_equal(edge_server_add(3, "web", "web-2", "127.0.0.1", b.port, &err), 0);
	assert_int_equal(edge_server_drain(3, "web", "web-1", 10, &err), 0);
	pthread_join(thread, NULL);
	assert_int_equal(status, 200);
	assert_int_equal(get("drain.lab", "/", &c), 200);
	assert_int_equal(c, 'b');
	assert_int_equal(edge_traffic(3, "web", &t, &err), 0);
	assert_true(t.rps > 0);
	assert_int_equal(edge_server_drain(3, "web", "web-2", 5, &err), 0);
	stop_instance(&a);
	stop_instance(&b);
}

static void test_a_dead_server_costs_no_request(void **state)
{
	struct cl_err err = {0};
	struct instance a, b;
	char c;

	start_instance(&a, 'a');
	start_instance(&b, 'b');
	assert_int_equal(edge_host_set("dead.lab", 0, &err), 0);
	assert_int_equal(edge_server_add(0, "web", "web-1", "127.0.0.1", a.port, &err), 0);
	assert_int_equal(edge_server_add(0, "web", "web-2", "127.0.0.1", b.port, &err), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(get("dead.lab", "/", &c), 200);
	stop_instance(&a);
	for (int i = 0; i < 30; i++) {
		assert_int_equal(get("dead.lab", "/", &c), 200);
		assert_int_equal(c, 'b');
	}
	assert_int_equal(edge_server_drain(0, "web", "web-1", 5, &err), 0);
	assert_int_equal(edge_server_drain(0, "web", "web-2", 5, &err), 0);
	stop_instance(&b);
}

/* -- connections to instances -- */

static int visit(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	    .sin_port = htons((uint16_t)edge_port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* n requests over one connection of the visitor's, each answered by `letter`. */
static void ask_again(int fd, int n, char letter)
{
	static const char ask[] = "GET / HTTP/1.1\r\nHost: kept.lab\r\n\r\n";
	struct timeval limit = {.tv_sec = 20};
	char got[4096];

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	while (n-- > 0) {
		ssize_t len = 0, more;

		assert_int_equal(write(fd, ask, sizeof(ask) - 1), (ssize_t)sizeof(ask) - 1);
		while (len == 0 || got[len - 1] != letter) {
			more = read(fd, got + len, sizeof(got) - (size_t)len);
			assert_true(more > 0);
			len += more;
		}
		assert_memory_equal(got, "HTTP/1.1 200", 12);
	}
}

static void test_a_connection_to_an_instance_serves_many_requests(void **state)
{
	struct cl_err err = {0};
	struct instance a;
	int fd = visit();

	start_instance(&a, 'k');
	assert_int_equal(edge_host_set("kept.lab", 0, &err), 0);
	assert_int_equal(edge_server_add(0, "web", "kept", "127.0.0.1", a.port, &err), 0);
	for (int i = 0; i < 4; i++) {
		ask_again(fd, 10, 'k');
		close(fd);
		fd = visit();
	}
	assert_true(a.accepted <= 4); /* of the edge's checks as well */
	close(fd);
	assert_int_equal(edge_server_drain(0, "web", "kept", 5, &err), 0);
	assert_int_equal(edge_host_unset("kept.lab", &err), 0);
	stop_instance(&a);
}

static void test_a_service_is_asked_by_a_connection_for_each_request(void **state)
{
	struct cl_err err = {0};
	struct instance a;
	int fd = visit();

	start_instance(&a, 's');
	assert_int_equal(edge_host_set("kept.lab", 0, &err), 0);
	assert_int_equal(edge_service_add(0, "web", "service", "127.0.0.1", a.port, &err), 0);
	ask_again(fd, 40, 's');
	assert_true(a.accepted >= 40);
	close(fd);
	assert_int_equal(edge_server_drain(0, "web", "service", 5, &err), 0);
	assert_int_equal(edge_host_unset("kept.lab", &err), 0);
	stop_instance(&a);
}

/* As a beginner's server is: a connection that is kept for one visitor must not hold up the next. */
static void test_one_that_serves_one_connection_at_a_time_serves_all(void **state)
{
	struct cl_err err = {0};
	struct instance a;
	int fds[4];

	start_instance(&a, 'o');
	assert_int_equal(edge_host_set("kept.lab", 0, &err), 0);
	assert_int_equal(edge_server_add(0, "web", "one", "127.0.0.1", a.port, &err), 0);
	for (int i = 0; i < 4; i++) { /* all of them stay */
		fds[i] = visit();
		ask_again(fds[i], 3, 'o');
	}
	ask_again(fds[0], 3, 'o');
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	assert_int_equal(edge_server_drain(0, "web", "one", 5, &err), 0);
	assert_int_equal(edge_host_unset("kept.lab", &err), 0);
	stop_instance(&a);
}

/* As a Service is, which is there before what it passes requests on to. */
static void test_one_that_was_added_too_early_serves_when_it_is_said_to(void **state)
{
	struct cl_err err = {0};
	struct instance a = {.letter = 'e'};
	int64_t end = clock_ms() + 10000;
	char c;

	a.fd = bind_any(&a.port);
	assert_int_equal(edge_host_set("early.lab", 0, &err), 0);
	assert_int_equal(edge_server_add(0, "web", "early", "127.0.0.1", a.port, &err), 0);
	while (get("early.lab", "/", &c) != 503)
		assert_true(clock_ms() < end);
	start_serving(&a);
	assert_int_equal(edge_server_up(0, "web", "early", &err), 0);
	assert_int_equal(get("early.lab", "/", &c), 200);
	assert_int_equal(c, 'e');
	assert_int_equal(edge_server_up(0, "web", "early; show info", &err), -1);
	assert_int_equal(edge_server_drain(0, "web", "early", 5, &err), 0);
	assert_int_equal(edge_host_unset("early.lab", &err), 0);
	stop_instance(&a);
}

static void test_was_is_reached_by_the_slots_socket(void **state)
{
	struct cl_err err = {0};
	struct fetch_reply reply = {0};
	struct instance a;
	char path[128];

	start_instance(&a, 'w');
	assert_int_equal(edge_server_add(1, "was", "was-1", "127.0.0.1", a.port, &err), 0);
	snprintf(path, sizeof(path), "%s/1/was.sock", dir);
	struct fetch_request req = {.method = "GET", .url = "http://was/", .unix_path = path};
	assert_int_equal(fetch_run(&req, &reply, &err), 0);
	assert_int_equal(reply.status, 200);
	assert_int_equal(reply.body.data[0], 'w');
	buf_clear(&reply.body);
	assert_int_equal(edge_server_drain(1, "was", "was-1", 5, &err), 0);
	stop_instance(&a);
}

static void test_what_is_no_name_is_refused(void **state)
{
	struct cl_err err = {0};

	assert_int_equal(edge_server_add(0, "web", "x; shutdown sessions", "127.0.0.1", 80, &err), -1);
	err_clear(&err);
	assert_int_equal(edge_server_add(0, "web", "x", "127.0.0.1\nshow info", 80, &err), -1);
	err_clear(&err);
	assert_int_equal(edge_server_add(0, "db", "x", "127.0.0.1", 80, &err), -1);
	err_clear(&err);
	assert_int_equal(edge_server_add(4, "web", "x", "127.0.0.1", 80, &err), -1);
	err_clear(&err);
	assert_int_equal(edge_host_set("a b", 0, &err), -1);
}

static void test_no_edge_says_so(void **state)
{
	struct cl_err err = {0};

	kill(haproxy, SIGSTOP);
	kill(haproxy, SIGCONT);
	setenv("CODINGLAB_EDGE_SOCKET", "/nonexistent/admin.sock", 1);
	int argc = 1;
	char *argv[] = {(char *)"test", NULL};
	assert_int_equal(config_load(NULL, &argc, argv, &err), 0);
	assert_int_equal(edge_host_set("x.lab", 0, &err), -1);
	assert_non_null(strstr(err.hint, "edge"));
}

/* Pods come to the package proxy by network: through the edge, when it is said where. */
static void test_the_proxy_s_door_for_pods(void **state)
{
	static const char *const bad[] = {"proxy", "proxy:", ":3130", "proxy:0", "proxy:65536"};
	struct cl_err err = {0};
	int argc = 1;
	char *argv[] = {(char *)"test", NULL}, *text = NULL;
	size_t len;
	FILE *f;

	setenv("CODINGLAB_KUBE_PROXY", "proxy.codinglab:3130", 1);
	assert_int_equal(config_load(NULL, &argc, argv, &err), 0);
	f = open_memstream(&text, &len);
	assert_int_equal(edge_config_write(f, &err), 0);
	fclose(f);
	assert_non_null(strstr(text, "listen proxy_pods\n\tbind 127.0.0.1:3130\n\tserver squid 127.0.0.1:3128\n"));
	free(text);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err_clear(&err);
		setenv("CODINGLAB_KUBE_PROXY", bad[i], 1);
		assert_int_equal(config_load(NULL, &argc, argv, &err), 0);
		f = open_memstream(&text, &len);
		assert_int_equal(edge_config_write(f, &err), -1);
		assert_int_equal(err.code, CL_USAGE);
		fclose(f);
		free(text);
	}
	unsetenv("CODINGLAB_KUBE_PROXY");
	assert_int_equal(config_load(NULL, &argc, argv, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_host_without_app_is_404),
	    cmocka_unit_test(test_host_names_lead_to_their_slot),
	    cmocka_unit_test(test_a_server_that_came_back_elsewhere),
	    cmocka_unit_test(test_draining_waits_for_what_is_in_flight),
	    cmocka_unit_test(test_a_dead_server_costs_no_request),
	    cmocka_unit_test(test_a_connection_to_an_instance_serves_many_requests),
	    cmocka_unit_test(test_a_service_is_asked_by_a_connection_for_each_request),
	    cmocka_unit_test(test_one_that_serves_one_connection_at_a_time_serves_all),
	    cmocka_unit_test(test_one_that_was_added_too_early_serves_when_it_is_said_to),
	    cmocka_unit_test(test_was_is_reached_by_the_slots_socket),
	    cmocka_unit_test(test_what_is_no_name_is_refused),
	    cmocka_unit_test(test_no_edge_says_so),
	    cmocka_unit_test(test_the_proxy_s_door_for_pods),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, setup, teardown);
}
