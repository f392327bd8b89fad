/* The long verbs of saves: SAVE and LOAD. */
#include <string.h>

#include "base/mem.h"
#include "engine/broker/files.h"
#include "engine/broker/load.h"
#include "engine/broker/save.h"
#include "engine/broker/serve.h"
#include "engine/broker/serve_internal.h"

static int send_report(struct serve *s, const json_t *report, struct cl_err *err)
{
	char *text = json_dumps(report, JSON_COMPACT);
	int rc = text ? files_send(s->sock, text, strlen(text), err) : -1;

	mem_free(text);
	return rc;
}

static int save_body(struct serve *s, void *arg, struct cl_err *err)
{
	struct line *out = mem_alloc(sizeof(*out));
	struct save_made made;

	line_init(out, s->sock);
	if (save_run(s->b, arg, out, &made, err) < 0 || send_report(s, made.report, err) < 0)
		return -1;
	ipc_put_str(&s->out, made.dev);
	ipc_put_str(&s->out, made.work);
	return 0;
}

static void save_cleanup(const struct broker *b, void *arg)
{
	save_clean(b, ((struct save *)arg)->op);
}

int serve_save_make(struct serve *s, struct cl_err *err)
{
	struct save a;
	int rc = save_read(&a, &s->in, err);

	if (rc == 0)
		rc = serve_parsed(s, err);
	return rc < 0 ? -1 : serve_long_worker(s, save_body, save_cleanup, &a, err);
}

static int load_body(struct serve *s, void *arg, struct cl_err *err)
{
	return load_prepare(s->b, arg, err);
}

static void load_cleanup(const struct broker *b, void *arg)
{
	const struct load *l = arg;

	load_drop(b, l->project, l->op, NULL);
}

int serve_save_load(struct serve *s, struct cl_err *err)
{
	struct load a;
	int rc = load_read(&a, &s->in, err);

	if (rc == 0)
		rc = serve_parsed(s, err);
	return rc < 0 ? -1 : serve_long_worker(s, load_body, load_cleanup, &a, err);
}
