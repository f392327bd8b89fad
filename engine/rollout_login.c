/* Another password of a database: see rollout_login.h. */
#include "engine/rollout_login.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/rollout_whole.h"

#define TIMEOUT_S 120
#define ENDING_MS 120000         /* for instances that end */
#define LOOK_MS 300

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

/* One job in the database's image, to its end. */
static int change(struct rollout *r, bool let)
{
	struct output out = { .r = r };
	struct backend_job job = { .line = line_cb, .cancelled = let ? stop_cb : NULL, .arg = &out,
		.timeout_s = TIMEOUT_S };
	struct backend *b = r->backend;
	bool whole = b->ops->env_apply != NULL;
	struct backend_env e;
	struct backend_spec spec;
	int status = 0, rc;

	tell(r, ROLLOUT_STEP, let ? "giving the database another password" : "ending the old password");
	if (whole && rollout_whole_wanted(r, &e, &r->err) != 0)
		return -1;
	r->manifest.release = &r->wanted;
	rc = manifest_login(&r->manifest, &r->old, let, r->op, &spec, &r->err);
	if (rc == 0) {
		rc = whole ? b->ops->env_run(b, &e, &spec, &job, &status, &r->err) :
		    b->ops->run(b, &spec, &job, &status, &r->err);
		manifest_clear(&spec);
	}
	if (whole)
		rollout_whole_clear(&e);
	if (rc == 0 && status != 0)
		rc = err_set(&r->err, CL_FAILED, "database password: ended with status %d%s%s", status,
		    out.last[0] ? ": " : "", out.last);
	return rc;
}

static bool changes(const struct rollout *r)
{
	return r->manifest.db && !r->gone && r->wanted.version > 0 && r->old.version > 0 &&
	    strcmp(manifest_db_user(&r->wanted), manifest_db_user(&r->old)) != 0;
}

static void pass(struct rollout *r)
{
	if (r->backend->ops->env_apply)
		rollout_whole_run(r);
	else
		rollout_run(r);
}

/* Nothing was replaced yet: the release is taken back, or the runtime is waited for. */
static void refused(struct rollout *r)
{
	r->result = r->interrupt && atomic_load(r->interrupt) ? ROLLOUT_AGAIN :
	    r->err.code == CL_UNAVAILABLE ? ROLLOUT_UNAVAILABLE : ROLLOUT_FAILED;
	r->release_failed = r->result == ROLLOUT_FAILED;
}

/* All instances have the new one: what fails now is tried again, and is no fault of the release. */
static void lingers(struct rollout *r)
{
	char why[300];

	(void)mem_copy_str(why, sizeof(why), r->err.message);
	err_clear(&r->err);
	err_set(&r->err, CL_UNAVAILABLE, "the old password still holds: %.280s", why);
	r->result = ROLLOUT_UNAVAILABLE;
}

/* Instances that are replaced answer what they have begun, with the old password. */
static int old_ones_ended(struct rollout *r)
{
	int64_t until = clock_ms() + ENDING_MS;
	struct backend_env_state st;
	struct backend_env e;
	int rc;

	if (!r->backend->ops->env_apply)
		return 0; /* a pass removes them itself */
	if (rollout_whole_wanted(r, &e, &r->err) != 0)
		return -1;
	for (;;) {
		rc = r->backend->ops->env_look(r->backend, &e, &st, &r->err);
		if (rc == 0)
			backend_list_clear(&st.list);
		if (rc != 0 || st.ending == 0)
			break;
		if (clock_ms() > until) {
			rc = err_set(&r->err, CL_UNAVAILABLE, "%d instances do not end", st.ending);
			break;
		}
		(void)nanosleep(&(struct timespec){ .tv_nsec = LOOK_MS * 1000000L }, NULL);
	}
	rollout_whole_clear(&e);
	return rc;
}

void rollout_login_run(struct rollout *r)
{
	if (!changes(r)) {
		pass(r);
		return;
	}
	if (change(r, true) != 0) {
		refused(r);
		return;
	}
	pass(r);
	if (r->result == ROLLOUT_OK && (old_ones_ended(r) != 0 || change(r, false) != 0))
		lingers(r);
}
