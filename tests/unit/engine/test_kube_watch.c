/*
 * Watching a cluster against a scripted server: a version that is too old (410, as a status and as an event) is
 * listed again and what changed meanwhile is told; a server that is away is told once, and that it is back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../fake_http.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "engine/kube_watch.h"

#define POD(name) "{\"metadata\": {\"name\": \"" name "\", \"namespace\": \"n\", \"resourceVersion\": \"5\", \"labels\":" \
	" {\"codinglab/project\": \"" name "\", \"codinglab/env\": \"prod\", \"codinglab/tier\": \"was\"}}}"
#define LIST(version, items) "{\"metadata\": {\"resourceVersion\": \"" version "\"}, \"items\": [" items "]}"

static int watches, lists, versions;

static void serve(struct fake *f, int fd, const char *request, const char *body)
{
	static const char *const said[] = { LIST("10", POD("1")), LIST("20", POD("1") "," POD("2")),
		LIST("30", POD("2")), LIST("40", POD("2")) };
	static const char gone[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"type\": \"ERROR\", \"object\":"
	    " {\"kind\": \"Status\", \"code\": 410}}\n";
	static const char quiet[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";

	if (strstr(request, "/version")) {
		/* still away at the first look */
		fake_reply(fd, versions++ == 0 ? 503 : 200, "{}");
	} else if (!strstr(request, "watch=1")) {
		fake_reply(fd, 200, said[lists < 3 ? lists : 3]);
		lists++;
	} else if (watches++ == 0) {
		fake_reply(fd, 410, "{\"message\": \"too old resource version\"}");
	} else if (watches == 2) {
		fake_write(fd, gone, strlen(gone));
	} else if (watches == 3) {
		fake_reply(fd, 503, "{\"message\": \"it stops\"}");
	} else {
		(void)nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
		fake_write(fd, quiet, strlen(quiet));
	}
}

struct told {
	pthread_mutex_t lock;
	struct buf text;
	bool stop;
};

static void told_cb(void *arg, const struct backend_change *c)
{
	struct told *t = arg;

	pthread_mutex_lock(&t->lock);
	buf_printf(&t->text, "%s%s%s ", c->what, c->name[0] ? ":" : "", strcmp(c->what, "away") == 0 ? "why" : c->name);
	pthread_mutex_unlock(&t->lock);
}

static bool stop_cb(void *arg)
{
	return ((struct told *)arg)->stop;
}

static bool has(struct told *t, const char *what)
{
	bool is;

	pthread_mutex_lock(&t->lock);
	is = t->text.data && strstr(t->text.data, what) != NULL;
	pthread_mutex_unlock(&t->lock);
	return is;
}

static void gone_and_away(void **state)
{
	struct told t = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct kube_config c = { 0 };
	struct fake f;
	struct kube_api *api;
	struct kube_watch *w;
	int64_t until = clock_ms() + 60000;

	buf_init(&t.text, 10000);
	snprintf(c.server, sizeof(c.server), "http://127.0.0.1:%d", fake_start_tcp(&f, serve));
	api = kube_api_new(&c);
	w = kube_watch_start(api, "lab", told_cb, stop_cb, &t);
	assert_non_null(w);
	while (!has(&t, "back") && clock_ms() < until)
		(void)nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	t.stop = true;
	kube_watch_stop(w);
	assert_string_equal(t.text.data, "change:p1-prod-was-1-r0 change:p2-prod-was-1-r0 remove:p1-prod-was-1-r0"
	    " away:why back ");
	assert_true(lists >= 3);
	kube_api_free(api);
	fake_stop(&f);
	buf_clear(&t.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(gone_and_away) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
