#include "app.h"

#include <microhttpd.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

#define NAME_MAX_CHARACTERS 100
#define NAME_MAX_BYTES (NAME_MAX_CHARACTERS * 4)
#define IDLE_S 120 /* a proxy in front keeps its connections for a minute: ours must last longer */
#define STOP_MS 20000

struct app {
	struct MHD_Daemon *daemon;
	struct store *store;
	atomic_int active;   /* requests begun and not ended */
	atomic_bool stopping; /* answers say that the connection ends */
};

struct request {
	struct MHD_PostProcessor *form;
	char name[NAME_MAX_BYTES + 2];
	size_t len;
};

static enum MHD_Result reply(struct app *a, struct MHD_Connection *c, unsigned status, const char *type,
    struct text *body)
{
	struct MHD_Response *r = MHD_create_response_from_buffer_with_free_callback(body->len,
	    body->data, free);
	enum MHD_Result rc;

	MHD_add_response_header(r, "Content-Type", type);
	if (a->stopping)
		MHD_add_response_header(r, "Connection", "close");
	rc = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return rc;
}

static enum MHD_Result say(struct app *a, struct MHD_Connection *c, unsigned status, const char *s)
{
	struct text t = {0};

	text_add(&t, s);
	return reply(a, c, status, "text/plain; charset=utf-8", &t);
}

static void add_row(void *arg, const char *name)
{
	text_add(arg, "<li>");
	text_add_html(arg, name ? name : "");
	text_add(arg, "</li>\n");
}

static enum MHD_Result page(struct app *a, struct MHD_Connection *c)
{
	const char *instance = getenv("CODINGLAB_INSTANCE");
	struct text t = {0};

	text_add(&t, "<!doctype html>\n<html lang=\"en\">\n"
	    "<head><meta charset=\"utf-8\"><title>{{project}}</title></head>\n<body>\n"
	    "<h1>Hello from {{project}}</h1>\n<ul>\n");
	if (!store_names(a->store, add_row, &t)) {
		free(t.data);
		return say(a, c, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal error");
	}
	text_add(&t, "</ul>\n<form method=\"post\" action=\"/items\">\n"
	    "<label>Name <input type=\"text\" name=\"name\" maxlength=\"100\" required></label>\n"
	    "<button>Add</button>\n</form>\n<p>served by ");
	text_add_html(&t, instance ? instance : "this machine");
	text_add(&t, "</p>\n</body>\n</html>\n");
	return reply(a, c, MHD_HTTP_OK, "text/html; charset=utf-8", &t);
}

static enum MHD_Result add_item(struct app *a, struct MHD_Connection *c, struct request *q)
{
	char *name = q->len > NAME_MAX_BYTES || strlen(q->name) != q->len ? "" : text_trim(q->name);
	struct MHD_Response *r;
	enum MHD_Result rc;

	if (!text_is_name(name, NAME_MAX_CHARACTERS))
		return say(a, c, MHD_HTTP_BAD_REQUEST, "a name has 1 to 100 characters");
	if (!store_add(a->store, name))
		return say(a, c, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal error");
	r = MHD_create_response_from_buffer_static(0, "");
	MHD_add_response_header(r, "Location", "/");
	if (a->stopping)
		MHD_add_response_header(r, "Connection", "close");
	rc = MHD_queue_response(c, MHD_HTTP_SEE_OTHER, r);
	MHD_destroy_response(r);
	return rc;
}

static enum MHD_Result field_cb(void *arg, enum MHD_ValueKind kind, const char *key, const char *file,
    const char *type, const char *encoding, const char *data, uint64_t off, size_t n)
{
	struct request *q = arg;

	(void)kind, (void)file, (void)type, (void)encoding;
	if (strcmp(key, "name") != 0)
		return MHD_YES;
	for (size_t i = 0; i < n && q->len <= NAME_MAX_BYTES; i++)
		q->name[q->len++] = data[i];
	(void)off;
	return MHD_YES;
}

static enum MHD_Result request_cb(void *arg, struct MHD_Connection *c, const char *url,
    const char *method, const char *version, const char *data, size_t *n, void **state)
{
	struct app *a = arg;
	struct request *q = *state;
	bool get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;

	(void)version;
	if (!q) { /* the head has come; what follows is the body */
		q = calloc(1, sizeof(*q));
		if (!q)
			return MHD_NO;
		*state = q;
		a->active++;
		if (strcmp(method, "POST") == 0)
			q->form = MHD_create_post_processor(c, 1024, field_cb, q);
		return MHD_YES;
	}
	if (*n) {
		if (q->form)
			MHD_post_process(q->form, data, *n);
		*n = 0;
		return MHD_YES;
	}
	if (get && strcmp(url, "/") == 0)
		return page(a, c);
	if (get && strcmp(url, "/healthz") == 0)
		return say(a, c, MHD_HTTP_OK, "ok");
	if (strcmp(method, "POST") == 0 && strcmp(url, "/items") == 0)
		return add_item(a, c, q);
	return say(a, c, MHD_HTTP_NOT_FOUND, "not found");
}

static void done_cb(void *arg, struct MHD_Connection *c, void **state,
    enum MHD_RequestTerminationCode how)
{
	struct app *a = arg;
	struct request *q = *state;

	(void)c, (void)how;
	if (!q)
		return;
	if (q->form)
		MHD_destroy_post_processor(q->form);
	free(q);
	a->active--;
}

struct app *app_start(struct store *s, int port, int threads)
{
	struct app *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->store = s;
	a->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG | MHD_USE_ITC,
	    (uint16_t)port, NULL, NULL, request_cb, a, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)threads,
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_NOTIFY_COMPLETED, done_cb, a,
	    MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
	if (!a->daemon) {
		free(a);
		return NULL;
	}
	return a;
}

int app_port(const struct app *a)
{
	return MHD_get_daemon_info(a->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

void app_stop(struct app *a)
{
	int listening;

	a->stopping = true;
	listening = MHD_quiesce_daemon(a->daemon);
	for (int ms = 0; a->active > 0 && ms < STOP_MS; ms += 10)
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	MHD_stop_daemon(a->daemon);
	if (listening >= 0)
		close(listening);
	free(a);
}
