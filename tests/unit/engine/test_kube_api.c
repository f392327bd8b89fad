/* The API client against a scripted server: paths, applying, pages, what is tried again and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../fake_http.h"
#include "base/buf.h"
#include "base/mem.h"
#include "engine/kube_api.h"

static struct kube_api *api_for(int port, const char *token)
{
	struct kube_config c = { 0 };

	snprintf(c.server, sizeof(c.server), "http://127.0.0.1:%d", port);
	if (token)
		c.token = mem_strdup(token);
	return kube_api_new(&c);
}

static int seen(struct fake *f, const char *what)
{
	int n = 0;

	pthread_mutex_lock(&f->lock);
	for (const char *p = f->log; (p = strstr(p, what)); p++)
		n++;
	pthread_mutex_unlock(&f->lock);
	return n;
}

static void paths(void **state)
{
	char p[256];

	assert_int_equal(kube_api_path(p, sizeof(p), "Pod", "a", "b"), 0);
	assert_string_equal(p, "/api/v1/namespaces/a/pods/b");
	assert_int_equal(kube_api_path(p, sizeof(p), "Pod", "", ""), 0);
	assert_string_equal(p, "/api/v1/pods");
	assert_int_equal(kube_api_path(p, sizeof(p), "Namespace", "ignored", "n"), 0);
	assert_string_equal(p, "/api/v1/namespaces/n");
	assert_int_equal(kube_api_path(p, sizeof(p), "Deployment", "a", "x"), 0);
	assert_string_equal(p, "/apis/apps/v1/namespaces/a/deployments/x");
	assert_int_equal(kube_api_path(p, sizeof(p), "Teapot", "a", "x"), -1);
	assert_int_equal(kube_api_path(p, sizeof(p), "Pod", "a?b", "x"), -1);
	assert_int_equal(kube_api_path(p, sizeof(p), "Pod", "a", "x%2f"), -1);
	assert_int_equal(kube_api_path(p, 20, "Pod", "a", "x"), -1);
}

static void serve_apply(struct fake *f, int fd, const char *request, const char *body)
{
	char type[64], auth[64];

	fake_header(request, "Content-Type: ", type, sizeof(type));
	fake_header(request, "Authorization: ", auth, sizeof(auth));
	if (strcmp(type, "application/apply-patch+yaml") != 0 || strcmp(auth, "Bearer tok") != 0)
		fake_reply(fd, 400, "{\"message\":\"wrong header\"}");
	else
		fake_reply(fd, 200, body);
}

static void apply(void **state)
{
	struct fake f;
	struct kube_api *a = api_for(fake_start_tcp(&f, serve_apply), "tok");
	struct cl_err err = { 0 };
	json_t *o = json_pack("{s:s, s:s, s:{s:s, s:s}}", "apiVersion", "apps/v1", "kind", "Deployment",
	    "metadata", "name", "was", "namespace", "ns"), *out = NULL;

	assert_int_equal(kube_api_apply(a, o, false, &out, &err), 0);
	assert_true(json_equal(o, out));
	assert_int_equal(seen(&f, "PATCH /apis/apps/v1/namespaces/ns/deployments/was?fieldManager=codinglab&force=true {"), 1);
	assert_int_equal(kube_api_apply(a, o, true, NULL, &err), 0);
	assert_int_equal(seen(&f, "&force=true&dryRun=All "), 1);
	json_decref(out);
	json_decref(o);
	/* a group's older version goes where it lives */
	o = json_pack("{s:s, s:s, s:{s:s, s:s}}", "apiVersion", "policy/v1beta1", "kind",
	    "PodDisruptionBudget", "metadata", "name", "was", "namespace", "ns");
	assert_int_equal(kube_api_apply(a, o, false, NULL, &err), 0);
	assert_int_equal(seen(&f, "PATCH /apis/policy/v1beta1/namespaces/ns/poddisruptionbudgets/was?"), 1);
	json_decref(o);
	o = json_pack("{s:s}", "kind", "Pod");
	assert_int_equal(kube_api_apply(a, o, false, NULL, &err), -1);
	json_decref(o);
	kube_api_free(a);
	fake_stop(&f);
}

static void serve_pages(struct fake *f, int fd, const char *request, const char *body)
{
	if (strstr(request, "continue=next%2B"))
		fake_reply(fd, 200, "{\"metadata\":{\"resourceVersion\":\"77\"},\"items\":[{\"metadata\":{\"name\":\"c\"}}]}");
	else
		fake_reply(fd, 200, "{\"metadata\":{\"resourceVersion\":\"77\",\"continue\":\"next+\"},\"items\":"
		    "[{\"metadata\":{\"name\":\"a\"}},{\"metadata\":{\"name\":\"b\"}}]}");
}

static void pages(void **state)
{
	struct fake f;
	struct kube_api *a = api_for(fake_start_tcp(&f, serve_pages), NULL);
	char version[KUBE_API_VERSION_MAX];
	struct cl_err err = { 0 };
	json_t *items = NULL;

	assert_int_equal(kube_api_list(a, "Pod", "", "app=x,y!=z", &items, version, &err), 0);
	assert_int_equal(json_array_size(items), 3);
	assert_string_equal(version, "77");
	assert_int_equal(seen(&f, "labelSelector=app%3Dx%2Cy%21%3Dz"), 2);
	json_decref(items);
	kube_api_free(a);
	fake_stop(&f);
}

static int tries;

static void serve_busy(struct fake *f, int fd, const char *request, const char *body)
{
	static const int busy[] = { 429, 503, 500 };

	if (tries < 0)
		fake_reply(fd, 503, "{}");
	else if (tries < 3)
		fake_reply(fd, busy[tries++], "{\"message\":\"later\"}");
	else
		fake_reply(fd, 200, "{}");
}

static void tried_again(void **state)
{
	struct fake f;
	struct kube_api *a = api_for(fake_start_tcp(&f, serve_busy), NULL);
	struct cl_err err = { 0 };
	json_t *out = NULL;

	tries = 0;
	assert_int_equal(kube_api_raw(a, "/version", &out, &err), 0);
	assert_int_equal(seen(&f, "GET /version"), 4);
	json_decref(out);
	/* not for ever */
	tries = -1000;
	kube_api_patience(a, 400);
	assert_int_equal(kube_api_raw(a, "/version", &out, &err), -1);
	assert_int_equal(err.code, CL_UNAVAILABLE);
	kube_api_free(a);
	fake_stop(&f);
}

static void serve_refusals(struct fake *f, int fd, const char *request, const char *body)
{
	if (strstr(request, "/gone"))
		fake_reply(fd, 404, "{\"message\":\"pods \\\"gone\\\" not found\"}");
	else if (strstr(request, "/quota"))
		fake_reply(fd, 403, "{\"message\":\"forbidden: exceeded quota: user, requested: pods=1\"}");
	else if (strstr(request, "/mine"))
		fake_reply(fd, 403, "{\"message\":\"pods is forbidden\"}");
	else if (strstr(request, "/clash"))
		fake_reply(fd, 409, "{\"message\":\"conflict\"}");
	else if (strstr(request, "/html"))
		fake_reply(fd, 200, "<html>");
	else
		fake_reply(fd, 422, "{\"message\":\"spec.replicas: Invalid value: -1\"}");
}

static void refusals(void **state)
{
	static const struct {
		const char *name;
		enum cl_code code;
	} cases[] = { { "gone", CL_NOT_FOUND }, { "quota", CL_QUOTA }, { "mine", CL_FORBIDDEN },
		{ "clash", CL_CONFLICT }, { "bad", CL_FAILED }, { "html", CL_FAILED } };
	struct fake f;
	struct kube_api *a = api_for(fake_start_tcp(&f, serve_refusals), NULL);
	json_t *out = NULL;

	for (size_t i = 0; i < CL_COUNT(cases); i++) {
		struct cl_err err = { 0 };

		assert_int_equal(kube_api_get(a, "Pod", "ns", cases[i].name, &out, &err), -1);
		assert_int_equal(err.code, cases[i].code);
	}
	for (size_t i = 0; i < CL_COUNT(cases); i++)
		assert_int_equal(seen(&f, cases[i].name), 1); /* none of these is asked twice */
	assert_int_equal(kube_api_delete(a, "Pod", "ns", "gone", NULL), 0);
	assert_int_equal(kube_api_delete_all(a, "Pod", "ns", "", NULL), -1);
	kube_api_free(a);
	fake_stop(&f);
}

/* Rights are given in each namespace: in one that is not there they are refused, which only means that nothing is. */
static void serve_rights(struct fake *f, int fd, const char *request, const char *body)
{
	if (strncmp(request, "GET /api/v1/namespaces/here ", 28) == 0)
		fake_reply(fd, 200, "{\"kind\":\"Namespace\"}");
	else if (strncmp(request, "GET /api/v1/namespaces/gone ", 28) == 0)
		fake_reply(fd, 404, "{\"message\":\"namespaces \\\"gone\\\" not found\"}");
	else
		fake_reply(fd, 403, "{\"message\":\"secrets is forbidden\"}");
}

static void rights_in_no_namespace(void **state)
{
	struct fake f;
	struct kube_api *a = api_for(fake_start_tcp(&f, serve_rights), NULL);
	struct cl_err err = { 0 };
	json_t *out = NULL;

	assert_int_equal(kube_api_list(a, "Secret", "gone", "", &out, NULL, &err), 0);
	assert_int_equal(json_array_size(out), 0);
	json_decref(out);
	out = NULL;
	assert_int_equal(kube_api_delete(a, "Secret", "gone", "x", &err), 0);
	assert_int_equal(kube_api_get(a, "Secret", "gone", "x", &out, &err), -1);
	assert_int_equal(err.code, CL_NOT_FOUND);
	err_clear(&err);
	/* where there is one, and where there is no question of one, it stays a refusal */
	assert_int_equal(kube_api_list(a, "Secret", "here", "", &out, NULL, &err), -1);
	assert_int_equal(err.code, CL_FORBIDDEN);
	assert_null(out);
	err_clear(&err);
	assert_int_equal(kube_api_list(a, "Secret", "", "", &out, NULL, &err), -1);
	assert_int_equal(err.code, CL_FORBIDDEN);
	kube_api_free(a);
	fake_stop(&f);
}

/* The server is away: the reason comes back, and stopping ends the waiting. */
static void away(void **state)
{
	struct fake f;
	int port = fake_start_tcp(&f, serve_pages);
	struct kube_api *a = api_for(port, NULL);
	struct cl_err err = { 0 };
	json_t *out = NULL;

	fake_stop(&f);
	kube_api_patience(a, 300);
	assert_int_equal(kube_api_raw(a, "/version", &out, &err), -1);
	assert_int_equal(err.code, CL_UNAVAILABLE);
	kube_api_patience(a, 600000);
	kube_api_stop(a);
	err_clear(&err);
	assert_int_equal(kube_api_raw(a, "/version", &out, &err), -1);
	kube_api_free(a);
}

static void serve_stream(struct fake *f, int fd, const char *request, const char *body)
{
	const char *head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\none\n";

	fake_write(fd, head, strlen(head));
	fake_write(fd, "two\n", 4);
}

static int gather(void *arg, const char *text, size_t len)
{
	struct buf *b = arg;

	buf_add(b, text, len);
	return b->max == 4 && b->len >= 4;
}

static void streams(void **state)
{
	struct fake f;
	struct kube_api *a = api_for(fake_start_tcp(&f, serve_stream), NULL);
	struct cl_err err = { 0 };
	struct buf b;

	buf_init(&b, 100);
	assert_int_equal(kube_api_stream(a, "Pod", "ns", "", "watch=1", gather, &b, NULL, &err), 0);
	assert_string_equal(b.data, "one\ntwo\n");
	buf_clear(&b);
	buf_init(&b, 100);
	assert_int_equal(kube_api_stream(a, "Pod", "ns", "p", "tailLines=2", gather, &b, NULL, &err), 0);
	assert_int_equal(seen(&f, "GET /api/v1/namespaces/ns/pods/p/log?tailLines=2"), 1);
	buf_clear(&b);
	kube_api_free(a);
	fake_stop(&f);
}

static void serve_old(struct fake *f, int fd, const char *request, const char *body)
{
	fake_reply(fd, 200, "{\"versions\":[{\"version\":\"v1beta1\"}]}");
}

static void discovery(void **state)
{
	struct fake f;
	struct kube_api *a = api_for(fake_start_tcp(&f, serve_old), NULL);

	assert_true(kube_api_serves(a, "policy", "v1beta1"));
	assert_false(kube_api_serves(a, "policy", "v1"));
	kube_api_free(a);
	fake_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths), cmocka_unit_test(apply), cmocka_unit_test(pages),
		cmocka_unit_test(tried_again), cmocka_unit_test(refusals),
		cmocka_unit_test(rights_in_no_namespace), cmocka_unit_test(away),
		cmocka_unit_test(streams), cmocka_unit_test(discovery),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
