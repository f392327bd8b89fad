/* What a handler says; see reply.h.  The router sends it. */
#include "engine/reply.h"

#include "base/log.h"
#include "base/mem.h"
#include "engine/reply_internal.h"

void
reply_json(struct reply *p, int status, json_t *body)
{
	json_decref(p->body);
	p->status = status;
	p->body = body;
}

void
reply_text(struct reply *p, const char *text)
{
	mem_free(p->text);
	p->text = mem_strdup(text);
}

void
reply_done(struct reply *p)
{
	reply_json(p, 200, json_pack("{s:b}", "ok", 1));
}

void
reply_work(struct reply *p, reply_work_cb *work, reply_then_cb *then, void *arg)
{
	if (p->work != NULL)
		log_fatal("reply: two works for one request");
	p->work = work;
	p->then = then;
	p->arg = arg;
}

void
reply_keep(struct reply *p)
{
	p->keep = true;
}

struct stream *
reply_stream(struct reply *p)
{
	if (p->stream == NULL)
		p->stream = stream_new(p);
	return p->stream;
}
