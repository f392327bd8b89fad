/* Another password of a database: see rollout_login.h. */
#include "engine/rollout_login.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define TIMEOUT_S 120

struct output {
	struct rollout *r;
	char last[200];
};

static void tell(struct rollout *r, enum rollout_fact fact, const char *text)
{
	struct rollout_note n = { .fact = fact, .exit_code = -1, .expected = true };

	(void)mem_copy_str(n.text, sizeof(n.text), text);
	if (r->note)
		r->note(r->arg, &n);
}

static void line_cb(void *arg, const char *line, size_t len)
{
	struct output *o = arg;
	char text[512];

	(void)snprintf(text, sizeof(text), "%.*s", (int)(len > 500 ? 500 : len), line);
	(void)snprintf(o->last, sizeof(o->last), "%.199s", text);
	tell(o->r, ROLLOUT_LINE, text);
}

static bool stop_cb(void *arg)
{
	const struct output *o = arg;

	return o->r->interrupt && atomic_load(o->r->interrupt);
}

static int change(struct rollout *r, const struct backend_env *e, bool let)
{
	struct output out = { .r = r };
	struct backend_job job = { .line = line_cb, .cancelled = let ? stop_cb : NULL, .arg = &out,
		.timeout_s = TIMEOUT_S };
	struct backend *b = r->backend;
	struct backend_spec spec;
	int status = 0, rc;

	tell(r, ROLLOUT_STEP, let ? "giving the database another password" : "ending the old password");
	r->manifest.release = &r->wanted;
	if (manifest_login(&r->manifest, &r->old, let, r->op, &spec, &r->err) != 0)
		return -1;
	rc = e ? b->ops->env_run(b, e, &spec, &job, &status, &r->err) :
	    b->ops->run(b, &spec, &job, &status, &r->err);
	manifest_clear(&spec);
	if (rc == 0 && status != 0)
		rc = err_set(&r->err, CL_FAILED, "database password: ended with status %d%s%s", status,
		    out.last[0] ? ": " : "", out.last);
	return rc;
}

bool rollout_login_changes(const struct rollout *r)
{
	return r->manifest.db && !r->gone && r->wanted.version > 0 && r->old.version > 0 &&
	    strcmp(manifest_db_user(&r->wanted), manifest_db_user(&r->old)) != 0;
}

int rollout_login_let(struct rollout *r, const struct backend_env *e)
{
	return change(r, e, true);
}

/* All instances have the new one: what fails here is tried again, and is no fault of the release. */
int rollout_login_keep(struct rollout *r, const struct backend_env *e)
{
	char why[300];

	if (change(r, e, false) == 0)
		return 0;
	(void)mem_copy_str(why, sizeof(why), r->err.message);
	err_clear(&r->err);
	return err_set(&r->err, CL_UNAVAILABLE, "the old password still holds: %.280s", why);
}
