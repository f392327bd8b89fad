/* Projects from elsewhere: see import.h. */
#include "engine/import.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/event.h"
#include "engine/project.h"
#include "engine/stacks.h"
#include "engine/store_project.h"
#include "images/detect.h"

struct import_secret {
	struct import_secret *next;
	int64_t op;
	char *url;
};

struct import_job {
	struct backend_import spec;
	struct backend_imported got;
	const struct stack_set *stacks;
	char db[32];                /* asked for, or "" */
	const struct stack *stack;  /* said by the user, then what was found; NULL = neither */
	char file[256];             /* what it was told by; "" = by the user */
	char from[1100];            /* for people */
	char name[NAME_SIZE];
	bool create;
	struct buf text;            /* of the file that detect looks at */
	struct cl_err err;
};

static struct import_secret *import_secrets;

static char *import_take_secret(int64_t op);
static int import_prepare(struct op_live *o, struct import_job *j, struct cl_err *err);
static void import_free(struct import_job *j);
static void import_work(struct op_live *o, void *arg);
static int import_detect(struct op_live *o, struct import_job *j);
static const char *import_read(void *arg, const char *name);
static void import_done(struct op_live *o, void *arg);
static int import_ready(struct op_live *o, struct import_job *j, struct cl_err *err);
static void import_result(const struct import_job *j, char *out, size_t size);

json_t *import_source(struct request *r, char **secret, struct cl_err *err)
{
	const char *url = request_str(r, "url"), *upload = request_str(r, "upload"),
	           *branch = request_str(r, "branch");
	char shown[1600] = "";
	struct giturl u;
	int rc = 0;

	*secret = NULL;
	if ((url == NULL) == (upload == NULL)) {
		(void)err_set(err, CL_USAGE, "import: say one of url and upload");
		return NULL;
	}
	if (branch != NULL && branch[0] == '-') {
		(void)err_set(err, CL_USAGE, "import: a branch does not begin with \"-\"");
		return NULL;
	}
	if (url != NULL) {
		rc = giturl_parse(url, &u, err);
		if (rc == 0 && u.kind == GITURL_FILE && !r->caller.is_root &&
		    r->caller.role < POLICY_ADMIN)
			rc = err_set(err, CL_FORBIDDEN, "import: a path of this machine: only an admin may");
		giturl_print(&u, shown, sizeof(shown));
		if (rc == 0 && giturl_secret(&u))
			*secret = mem_strdup(url);
		giturl_wipe(&u);
	}
	if (rc != 0)
		return NULL;
	request_detail(r, "from %s", url != NULL ? shown : "an upload");
	return json_pack("{s:s, s:s, s:I, s:s, s:I, s:b}", "url", shown, "upload",
	    upload != NULL ? upload : "", "uploader", (json_int_t)r->caller.uid, "branch",
	    branch != NULL ? branch : "", "depth", (json_int_t)request_int(r, "depth", 0), "secret",
	    *secret != NULL);
}

void import_keep_secret(int64_t op, char *secret)
{
	struct import_secret *s;

	if (secret == NULL)
		return;
	s = mem_alloc(sizeof(*s));
	s->op = op;
	s->url = secret;
	s->next = import_secrets;
	import_secrets = s;
}

static char *import_take_secret(int64_t op)
{
	for (struct import_secret **at = &import_secrets; *at != NULL; at = &(*at)->next) {
		struct import_secret *s = *at;
		char *url = s->url;

		if (s->op != op)
			continue;
		*at = s->next;
		mem_free(s);
		return url;
	}
	return NULL;
}

int import_run(struct op_live *o, struct cl_err *err)
{
	struct import_job *j = mem_alloc(sizeof(*j));

	buf_init(&j->text, DETECT_READ_MAX + 1);
	if (import_prepare(o, j, err) != 0) {
		import_free(j);
		if (err->code != CL_NOT_FOUND)
			import_cancel(o);
		return -1;
	}
	op_step(o->e, o->id, j->spec.upload[0] != '\0' ? "unpacking" : "fetching");
	op_work(o, import_work, import_done, j);
	return 0;
}

static int import_prepare(struct op_live *o, struct import_job *j, struct cl_err *err)
{
	struct engine *e = o->e;
	const json_t *p = o->payload;
	const char *stack = json_string_value(json_object_get(p, "stack"));
	const char *db = json_string_value(json_object_get(p, "db"));
	struct store_project project;
	cl_autofree char *secret = import_take_secret(o->id);
	const char *url = json_string_value(json_object_get(p, "url"));

	if (store_project_get(e->store, o->project, &project, err) != 0)
		return -1;
	j->create = strcmp(project.state, "creating") == 0;
	j->stacks = stacks_take(e);
	j->stack = stack != NULL && stack[0] != '\0' ? stack_find(j->stacks, stack) : NULL;
	(void)mem_copy_str(j->db, sizeof(j->db), db != NULL ? db : "");
	(void)mem_copy_str(j->name, sizeof(j->name), project.name);
	(void)mem_copy_str(j->from, sizeof(j->from), url[0] != '\0' ? url : "the upload");
	if (json_is_true(json_object_get(p, "secret")) && secret == NULL) {
		err_set(err, CL_FAILED, "import: it was interrupted, and the URL's password is not kept");
		return err_hint(err, "Ask for it again");
	}
	j->spec.project = o->project;
	j->spec.uid = engine_uid(e, project.owner);
	j->spec.gid = engine_gid(e, o->project);
	j->spec.uploader = (uint32_t)json_integer_value(json_object_get(p, "uploader"));
	j->spec.depth = (int)json_integer_value(json_object_get(p, "depth"));
	j->spec.replace = json_is_true(json_object_get(p, "force"));
	(void)mem_copy_str(j->spec.url, sizeof(j->spec.url), secret != NULL ? secret : url);
	(void)mem_copy_str(j->spec.upload, sizeof(j->spec.upload),
	    json_string_value(json_object_get(p, "upload")));
	(void)mem_copy_str(j->spec.branch, sizeof(j->spec.branch),
	    json_string_value(json_object_get(p, "branch")));
	if (secret != NULL)
		mem_wipe(secret, strlen(secret));
	return 0;
}

static void import_free(struct import_job *j)
{
	stacks_give(j->stacks);
	buf_clear(&j->text);
	mem_wipe(j, sizeof(*j));
	mem_free(j);
}

/* Nothing was at work on it: what there is of a new project goes. */
void import_cancel(struct op_live *o)
{
	struct store_project p;
	char *secret = import_take_secret(o->id);

	if (secret != NULL)
		mem_wipe(secret, strlen(secret));
	mem_free(secret);
	if (store_project_get(o->e->store, o->project, &p, NULL) == 0 &&
	    strcmp(p.state, "creating") == 0)
		project_discard(o->e, o->project);
}

/* --- on a worker ------------------------------------------------------------------------------ */

static void import_work(struct op_live *o, void *arg)
{
	struct import_job *j = arg;
	struct backend *b = &o->e->backend;
	struct backend_job job = { .line = op_line_cb, .cancelled = op_is_cancelled, .arg = o };

	if (j->create && b->ops->workspace_create(b, o->project, j->spec.uid, j->spec.gid, NULL, NULL,
	    0, &j->err) != 0)
		return;
	if (b->ops->import(b, &j->spec, &job, &j->got, &j->err) != 0)
		return;
	if (j->stack == NULL && j->got.stack[0] != '\0')
		j->stack = stack_find_choice(j->stacks, j->got.stack, NULL);
	if (j->stack == NULL)
		(void)import_detect(o, j);
}

struct import_reading {
	struct op_live *o;
	struct import_job *j;
};

static int import_detect(struct op_live *o, struct import_job *j)
{
	struct import_reading reading = { o, j };
	const struct detect_row *row = detect_stack(j->got.top, import_read, &reading, j->file);

	if (row != NULL)
		j->stack = stack_find_choice(j->stacks, row->stack, NULL);
	if (j->stack != NULL || !j->create)
		return 0;
	if (row != NULL)
		err_set(&j->err, CL_PRECONDITION, "import: it looks like %s (%.100s), which is no stack "
		    "here", row->stack, j->file);
	else
		err_set(&j->err, CL_PRECONDITION, "import: nothing at its top tells the stack "
		    "(manage.py, pom.xml, package.json, go.mod, ...)");
	return err_hint(&j->err, "Say which: --stack ID (`stack ls`)");
}

static const char *import_read(void *arg, const char *name)
{
	struct import_reading *r = arg;
	struct backend *b = &r->o->e->backend;

	buf_clear(&r->j->text);
	buf_init(&r->j->text, DETECT_READ_MAX + 1);
	if (b->ops->workspace_read(b, r->o->project, r->j->spec.uid, name, DETECT_READ_MAX,
	    &r->j->text, NULL) != 0)
		return NULL;
	return r->j->text.data;
}

/* --- back on the loop ------------------------------------------------------------------------- */

static void import_done(struct op_live *o, void *arg)
{
	struct import_job *j = arg;
	struct engine *e = o->e;
	struct cl_err err = { 0 };
	struct store_project p;
	int64_t id = o->id;
	char result[1000];

	if (e->stopping) { /* the next engine does it anew */
		import_free(j);
		return;
	}
	if (j->err.code == CL_UNAVAILABLE) {
		/* its own URL is needed again */
		if (json_is_true(json_object_get(o->payload, "secret")))
			import_keep_secret(id, mem_strdup(j->spec.url));
		op_retry(o, 3000, "waiting for the container runtime");
		import_free(j);
		return;
	}
	if (j->err.code == CL_OK && atomic_load(&o->cancel))
		(void)err_set(&j->err, CL_FAILED, "cancelled");
	if (j->err.code == CL_OK && import_ready(o, j, &err) != 0)
		j->err = err;
	if (j->err.code == CL_OK) {
		import_result(j, result, sizeof(result));
		op_done(e, id, result);
	} else {
		if (j->create && store_project_get(e->store, o->project, &p, NULL) == 0 &&
		    strcmp(p.state, "creating") == 0)
			project_discard(e, o->project);
		op_failed(e, id, &j->err);
	}
	import_free(j);
}

static int import_ready(struct op_live *o, struct import_job *j, struct cl_err *err)
{
	struct engine *e = o->e;
	struct store_project p;
	int rc;

	if (!j->create && json_object_get(o->payload, "stack") == NULL)
		return 0;
	if (store_begin(e->store, err) != 0)
		return -1;
	rc = j->stack != NULL ? project_set_stack(e, o->project, j->stacks, j->stack, j->db, err) : 0;
	if (rc == 0 && j->create)
		rc = store_project_set_state(e->store, o->project, "ready", err);
	if (rc == 0)
		rc = store_project_get(e->store, o->project, &p, err);
	if (rc != 0) {
		store_rollback(e->store);
		return -1;
	}
	if (j->create)
		event_publish(e, EVENT_PROJECT_CREATED, o->project, NULL, o->by, json_pack("{s:s, s:s}",
		    "name", p.name, "owner", p.owner_name), "%s imported %s", o->by, p.name);
	return store_commit(e->store, err);
}

static bool import_has(const char *names, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = names; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n')
		if (strncmp(p, name, n) == 0 && (p[n] == '\n' || p[n] == '\0'))
			return true;
	return false;
}

static void import_result(const struct import_job *j, char *out, size_t size)
{
	int n = snprintf(out, size, "project %s: %d files and folders, %lld KB, from %.200s", j->name,
	    j->got.files, (long long)(j->got.bytes + 1023) / 1024, j->from);
	size_t at = n > 0 && (size_t)n < size ? (size_t)n : size - 1;

	if (j->stack != NULL && j->create && j->file[0] != '\0')
		(void)snprintf(out + at, size - at, "; stack %s, because of %.100s (`project stack ID` "
		    "changes it)", j->stack->id, j->file);
	else if (j->stack != NULL && j->create)
		(void)snprintf(out + at, size - at, "; stack %s", j->stack->id);
	at += strlen(out + at);
	if (import_has(j->got.top, "Dockerfile") || import_has(j->got.top, "Containerfile"))
		(void)snprintf(out + at, size - at, "; its Containerfile is what `ship` builds");
	at += strlen(out + at);
	if (j->got.note[0] != '\0')
		(void)snprintf(out + at, size - at, "; %.200s", j->got.note);
}
