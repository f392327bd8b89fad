/* The log of a pod, line by line: see kube_log.h. */
#include "engine/kube_log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

#define LINE_MAX_BYTES 16384

struct output {
	const struct backend_job *job;
	struct buf line;
	int64_t until;           /* clock_ms(), 0 = without end */
};

static int output_cb(void *arg, const char *text, size_t len)
{
	struct output *o = arg;

	for (size_t i = 0; i < len; i++) {
		if (text[i] != '\n' && o->line.len < LINE_MAX_BYTES) {
			(void)buf_add(&o->line, text + i, 1);
			continue;
		}
		o->job->line(o->job->arg, o->line.len ? o->line.data : "", o->line.len);
		buf_drop(&o->line, o->line.len);
		if (text[i] != '\n')
			(void)buf_add(&o->line, text + i, 1);
	}
	return 0;
}

static bool output_stop_cb(void *arg)
{
	struct output *o = arg;

	return (o->job->cancelled && o->job->cancelled(o->job->arg)) ||
	    (o->until > 0 && clock_ms() > o->until);
}

int kube_log_read(struct kube_api *api, const char *ns, const char *pod, int tail, bool follow,
    const struct backend_job *job, struct cl_err *err)
{
	struct output o = { .job = job, .until = job->timeout_s > 0 && !follow ?
	    clock_ms() + job->timeout_s * INT64_C(1000) : 0 };
	cl_autofree char *query = mem_printf("tailLines=%d&follow=%s", tail > 0 ? tail : 1000,
	    follow ? "true" : "false");
	int rc;

	buf_init(&o.line, LINE_MAX_BYTES * 2);
	rc = kube_api_stream(api, "Pod", ns, pod, query, output_cb, &o, output_stop_cb, err);
	if (o.line.len > 0)
		job->line(job->arg, o.line.data, o.line.len);
	buf_clear(&o.line);
	return rc;
}
