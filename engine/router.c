/*
 * From request to answer; see router.h.
 *
 *   prepare: who, route, objects, policy, body       run: begin -> handler -> settle
 *   settle:  audit row, commit or roll back, answer  (work: commit, worker, begin -> then -> settle)
 */
#include "engine/router.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "engine/gate.h"
#include "engine/idem.h"
#include "engine/reply.h"
#include "engine/reply_internal.h"
#include "engine/schema.h"
#include "engine/server.h"
#include "engine/stacks_put.h"
#include "engine/store_audit.h"
#include "engine/store_project.h"
#include "engine/store_user.h"

#define DENIALS_PER_S 20 /* audit rows about denials in one second; more are only logged */

static struct reply *deferred; /* all with work under way */

static void identify(struct engine *e, uid_t uid, struct caller *c);
static int prepare(struct reply *p, struct cl_err *err);
static void run(struct reply *p);
static void settle(struct reply *p, int rc, struct cl_err *err);
static void respond(struct reply *p, int rc, struct cl_err *err);
static void audit_denial(struct reply *p, const struct cl_err *why);

static void
conn_gone_cb(void *arg)
{
	struct reply *p = arg;

	p->conn = NULL;
}

static struct reply *
new_reply(struct engine *e, struct server_conn *c)
{
	struct reply *p = mem_alloc(sizeof *p);

	p->engine = e;
	p->conn = c;
	server_on_close(c, conn_gone_cb, p);
	return p;
}

static void
free_reply(struct reply *p)
{
	json_decref(p->body);
	json_decref(p->req.query);
	json_decref(p->req.body);
	if (p->stream != NULL)
		stream_free(p->stream);
	mem_free(p->text);
	mem_free(p);
}

void
router_handle(struct engine *e, struct server_conn *c)
{
	struct reply *p = new_reply(e, c);
	struct cl_err err = {0};

	if (prepare(p, &err) < 0) {
		audit_denial(p, &err);
		respond(p, -1, &err);
		return;
	}
	run(p);
}

size_t
router_body_max(struct engine *e, struct server_conn *c)
{
	const struct gate *g = server_gate(c);
	struct policy_object o = {0};
	struct caller caller;

	if (strcmp(g->method, "POST") != 0 || strcmp(g->target, route_table[ROUTE_STACK_ADD].path) != 0)
		return SERVER_BODY_MAX;
	identify(e, server_peer(c), &caller);
	return policy_allowed(&caller, ROUTE_STACK_ADD, &o) == POLICY_ALLOW ? STACKS_PUT_BODY_MAX
	    : SERVER_BODY_MAX;
}

void
router_refuse(struct server_conn *c, enum cl_code code, const char *message)
{
	struct reply *p = new_reply(NULL, c);
	struct cl_err err = {0};

	err_set(&err, code, "%s", message);
	respond(p, -1, &err);
}

/* -- who and what -- */

/* Uid 0 and the engine's own uid are the built-in operator; uid_base + id is that user. */
static void
identify(struct engine *e, uid_t uid, struct caller *c)
{
	struct store_user u;

	c->uid = uid;
	if (uid == 0 || uid == geteuid()) {
		c->is_root = true;
		c->role = POLICY_ADMIN;
		mem_copy_str(c->name, sizeof c->name, "root");
		return;
	}
	if ((int64_t)uid <= e->uid_base ||
	    store_user_get(e->store, (int64_t)uid - e->uid_base, &u, NULL) < 0 || u.disabled)
		return;
	c->id = u.id;
	c->role = policy_account_parse(u.role);
	mem_copy_str(c->name, sizeof c->name, u.name);
}

static int
add_query(json_t *query, const char *pair, size_t n, struct cl_err *err)
{
	const char *eq = memchr(pair, '=', n);
	size_t name_len = eq == NULL ? n : (size_t)(eq - pair);
	char name[64], value[1024] = "";

	if (route_decode(pair, name_len, name, sizeof name) < 0 ||
	    (eq != NULL && eq + 1 < pair + n &&
	        route_decode(eq + 1, n - name_len - 1, value, sizeof value) < 0))
		return err_set(err, CL_USAGE, "query: malformed or too long");
	if (json_object_get(query, name) != NULL)
		return err_set(err, CL_USAGE, "query: %s is given twice", name);
	json_object_set_new(query, name, json_string(value));
	return 0;
}

/* Splits the target; path gets what is before the '?'. */
static int
parse_target(struct reply *p, const char *target, char *path, struct cl_err *err)
{
	size_t n = strcspn(target, "?");

	memcpy(path, target, n);
	path[n] = '\0';
	p->req.query = json_object();
	for (target += n; *target != '\0'; target += n) {
		n = strcspn(++target, "&");
		if (n > 0 && add_query(p->req.query, target, n, err) < 0)
			return -1;
	}
	return 0;
}

static void
resolve_op(struct reply *p, struct policy_object *o)
{
	struct store *s = p->engine->store;
	const char *text = request_param(&p->req, "op");
	char *end;
	int64_t id = strtoll(text, &end, 10), project, user;

	if (text[0] < '1' || text[0] > '9' || *end != '\0' || strlen(text) > 15)
		return;
	if (store_number(s, 0, "SELECT count(*) FROM op WHERE id = ?", "i", id) == 0)
		return;
	project = store_number(s, 0, "SELECT project FROM op WHERE id = ?", "i", id);
	user = store_number(s, 0, "SELECT user FROM op WHERE id = ?", "i", id);
	p->req.op = id;
	o->has_op = true;
	o->op_mine = user != 0 && user == p->req.caller.id;
	o->op_platform = project == 0;
	o->op_right = project == 0 ? POLICY_NONE :
	    policy_right(&p->req.caller, store_project_role(s, project, p->req.caller.id));
}

static int
resolve_project(struct reply *p, struct policy_object *o, char *state, size_t size,
    struct cl_err *err)
{
	struct store *s = p->engine->store;
	const struct caller *c = &p->req.caller;
	struct store_project project;
	struct cl_err why = {0};
	int64_t id;

	if (store_project_resolve(s, c->id, request_param(&p->req, "project"), &id, &why) < 0 ||
	    store_project_get(s, id, &project, &why) < 0) {
		if (why.code == CL_NOT_FOUND)
			return 0; /* hidden, like one that may not be seen */
		*err = why;
		return -1;
	}
	if (strcmp(project.state, "creating") == 0)
		return 0;
	o->has_project = true;
	o->right = policy_right(c, store_project_role(s, id, c->id));
	mem_copy_str(state, size, project.state);
	if (o->right >= POLICY_VIEWER) {
		p->req.project = id;
		p->req.right = o->right;
		snprintf(p->req.object, sizeof p->req.object, "%s.%s", project.owner_name, project.name);
	}
	return 0;
}

static void
resolve_user(struct reply *p, struct policy_object *o)
{
	struct store_user u;
	const char *name = request_param(&p->req, "user");

	o->has_user = true;
	if (store_user_find(p->engine->store, name, &u, NULL) == 0)
		p->req.user = u.id;
	o->self = p->req.user != 0 && p->req.user == p->req.caller.id;
	if (p->req.object[0] == '\0')
		mem_copy_str(p->req.object, sizeof p->req.object, name);
	else
		request_detail(&p->req, "%s", name);
}

static bool
takes(const struct route *route, const char *param)
{
	const char *at = strstr(route->path, param);

	return at != NULL;
}

static int
verdict(struct reply *p, const struct policy_object *o, struct cl_err *err)
{
	const struct caller *c = &p->req.caller;

	switch (policy_allowed(c, p->req.route->id, o)) {
	case POLICY_ALLOW:
		return 0;
	case POLICY_HIDE:
		if (takes(p->req.route, "{op}"))
			return err_set(err, CL_NOT_FOUND, "%s: there is no such operation",
			    request_param(&p->req, "op"));
		err_set(err, CL_NOT_FOUND, "%s: there is no such project",
		    request_param(&p->req, "project"));
		return err_hint(err, "project ls shows yours; OWNER.NAME names another's");
	case POLICY_LOGIN:
		err_set(err, CL_UNAUTHENTICATED, "uid %u has no account here", (unsigned)c->uid);
		return err_hint(err, "log in over ssh, or ask an admin");
	case POLICY_DENY:
		break;
	}
	if (o->has_project)
		return err_set(err, CL_FORBIDDEN, "%s: as %s you may not do this", p->req.object,
		    policy_role_text(o->right));
	return err_set(err, CL_FORBIDDEN, "this needs another account than %s", c->name);
}

static int
read_body(struct reply *p, struct cl_err *err)
{
	const struct route *route = p->req.route;
	size_t n;
	const char *text = server_body(p->conn, &n);

	if (route->body[0] == '\0')
		return n == 0 ? 0 : err_set(err, CL_USAGE, "body: this route takes none");
	p->req.body = n == 0 ? json_object() : schema_parse(text, n, err);
	return p->req.body == NULL ? -1 : schema_check(route->body, p->req.body, err);
}

static void
hash_request(struct reply *p, const struct gate *g)
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state st;
	size_t n;
	const char *text = server_body(p->conn, &n);

	crypto_hash_sha256_init(&st);
	crypto_hash_sha256_update(&st, (const unsigned char *)g->method, strlen(g->method) + 1);
	crypto_hash_sha256_update(&st, (const unsigned char *)g->target, strlen(g->target) + 1);
	crypto_hash_sha256_update(&st, (const unsigned char *)text, n);
	crypto_hash_sha256_final(&st, hash);
	sodium_bin2hex(p->req.hash, sizeof p->req.hash, hash, sizeof hash);
}

static int
read_headers(struct reply *p, const struct gate *g, struct cl_err *err)
{
	char *end;

	if (g->last_event[0] != '\0') {
		p->req.last_event = strtoll(g->last_event, &end, 10);
		if (*end != '\0' || p->req.last_event < 0)
			return err_set(err, CL_USAGE, "Last-Event-ID: must be a number");
	}
	if (g->idem[0] == '\0' || strcmp(g->method, "POST") != 0)
		return 0;
	if (mem_copy_str(p->req.idem, sizeof p->req.idem, g->idem) < 0)
		return err_set(err, CL_USAGE, "Idempotency-Key: at most 128 bytes");
	hash_request(p, g);
	return 0;
}

static int
resolve(struct reply *p, struct cl_err *err)
{
	struct policy_object o = {0};
	const struct route *route = p->req.route;
	char state[16] = "";

	if (takes(route, "{op}"))
		resolve_op(p, &o);
	/* A stranger learns nothing about what exists. */
	if (takes(route, "{project}") && p->req.caller.role > POLICY_STRANGER &&
	    resolve_project(p, &o, state, sizeof state, err) < 0)
		return -1;
	if (takes(route, "{user}"))
		resolve_user(p, &o);
	if (verdict(p, &o, err) < 0)
		return -1;
	if (strcmp(state, "removing") == 0 && route->verb[0] != '\0')
		return err_set(err, CL_CONFLICT, "%s: it is being removed", p->req.object);
	if (o.has_user && p->req.user == 0)
		return err_set(err, CL_NOT_FOUND, "user %s: there is no such user",
		    request_param(&p->req, "user"));
	return 0;
}

static int
prepare(struct reply *p, struct cl_err *err)
{
	const struct gate *g = server_gate(p->conn);
	char path[GATE_TARGET_MAX + 1];

	identify(p->engine, server_peer(p->conn), &p->req.caller);
	if (parse_target(p, g->target, path, err) < 0)
		return -1;
	p->req.route = route_match(g->method, path, &p->req.params, p->allow, sizeof p->allow, err);
	if (p->req.route == NULL || resolve(p, err) < 0 || read_headers(p, g, err) < 0)
		return -1;
	return read_body(p, err);
}

/* -- audit -- */

static const char *
verb_of(const struct request *r)
{
	if (r->route == NULL)
		return "";
	return r->route->verb[0] != '\0' ? r->route->verb : r->route->name;
}

static bool
audited(const struct reply *p)
{
	return p->req.route->verb[0] != '\0';
}

static int
audit(struct reply *p, const struct cl_err *why, struct cl_err *err)
{
	const struct caller *c = &p->req.caller;
	char detail[1700], stranger[32];
	struct store_audit a = {.user = c->id, .name = c->name, .verb = verb_of(&p->req),
	    .object = p->req.object, .detail = p->req.detail, .result = "ok"};

	if (c->name[0] == '\0') {
		snprintf(stranger, sizeof stranger, "uid %u", (unsigned)c->uid);
		a.name = stranger;
	}
	if (why != NULL && why->code != CL_OK) {
		a.result = err_text(why->code);
		snprintf(detail, sizeof detail, "%s%s%s", p->req.detail, p->req.detail[0] ? ": " : "",
		    why->message);
		a.detail = detail;
	}
	return store_audit_add(p->engine->store, &a, err);
}

/* Denials (and failures of what would have been audited) before any handler ran. */
static void
audit_denial(struct reply *p, const struct cl_err *why)
{
	static int64_t second;
	static int count;
	struct cl_err err = {0};
	int64_t now = clock_ms() / 1000;
	bool denial = why->code == CL_FORBIDDEN || why->code == CL_UNAUTHENTICATED;

	if (p->req.route == NULL || (!denial && !audited(p)))
		return;
	if (now != second) {
		if (count > DENIALS_PER_S)
			log_warn("audit: %d denials were only logged", count - DENIALS_PER_S);
		second = now;
		count = 0;
	}
	if (++count > DENIALS_PER_S)
		log_warn("denied: uid %u %s: %s", (unsigned)p->req.caller.uid, verb_of(&p->req),
		    why->message);
	else if (audit(p, why, &err) < 0)
		log_error("%s", err.message);
}

/* -- running -- */

static bool
same_request(const struct reply *a, const struct reply *b)
{
	return a->req.caller.id == b->req.caller.id && strcmp(a->req.idem, b->req.idem) == 0;
}

/* Was this asked before?  1: answered or waiting, 0: new, -1: err. */
static int
repeated(struct reply *p, struct cl_err *err)
{
	if (p->req.idem[0] == '\0' || !audited(p))
		return 0;
	for (struct reply *d = deferred; d != NULL; d = d->next) {
		if (!same_request(d, p))
			continue;
		if (strcmp(d->req.hash, p->req.hash) != 0)
			return idem_conflict(err);
		p->waiters = d->waiters;
		d->waiters = p;
		return 1;
	}
	switch (idem_find(p->engine->store, &p->req, &p->status, &p->text, err)) {
	case 0:
		return 0;
	case 1:
		respond(p, 0, err);
		return 1;
	default:
		return -1;
	}
}

static void
run(struct reply *p)
{
	struct cl_err err = {0};
	route_handler *handler = route_bind_find(p->req.route->id);
	int rc = repeated(p, &err);

	if (rc != 0) {
		if (rc < 0)
			respond(p, -1, &err);
		return;
	}
	if (audited(p) && store_begin(p->engine->store, &err) < 0) {
		respond(p, -1, &err);
		return;
	}
	if (handler == NULL)
		rc = err_set(&err, CL_NOT_IMPLEMENTED, "%s: not implemented yet", verb_of(&p->req));
	else if (p->engine->stopping && audited(p))
		rc = err_set(&err, CL_UNAVAILABLE, "the engine is stopping, try again in a moment");
	else
		rc = handler(p->engine, &p->req, p, &err);
	settle(p, rc, &err);
}

static void
work_cb(uv_work_t *job)
{
	struct reply *p = job->data;

	p->work(p->engine, p->arg, &p->work_err);
}

static void
after_work_cb(uv_work_t *job, int status)
{
	struct reply *p = job->data, **at = &deferred;
	int (*then)(struct engine *, struct request *, struct reply *, void *, struct cl_err *) = p->then;
	struct cl_err err = p->work_err;
	int rc;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	p->work = NULL;
	err_clear(&p->work_err);
	if (audited(p) && store_begin(p->engine->store, &p->work_err) < 0 && err.code == CL_OK)
		err = p->work_err;
	rc = then(p->engine, &p->req, p, p->arg, &err);
	if (rc == 0)
		err_clear(&err);
	settle(p, rc, &err);
}

/* Ends the transaction that run() or after_work_cb() began: 0, or -1 with err. */
static int
finish_transaction(struct reply *p, int rc, struct cl_err *err)
{
	struct store *s = p->engine->store;
	struct cl_err why = {0};

	if (!store_busy(s)) /* it could not even begin */
		return err_set(err, CL_UNAVAILABLE, "store: cannot be written now");
	if (rc < 0 && !p->keep) {
		store_rollback(s);
		if (store_begin(s, &why) < 0)
			return -1;
	}
	if (audit(p, rc < 0 ? err : NULL, &why) < 0 ||
	    (rc == 0 && idem_save(s, &p->req, p->status, p->body, &why) < 0)) {
		store_rollback(s);
		return store_pass(err, &why);
	}
	if (store_commit(s, &why) < 0)
		return store_pass(err, &why);
	return rc;
}

static void
settle(struct reply *p, int rc, struct cl_err *err)
{
	struct store *s = p->engine->store;

	if (rc == 0 && p->work != NULL) {
		if (audited(p) && store_commit(s, err) < 0) {
			respond(p, -1, err);
			return;
		}
		p->next = deferred;
		deferred = p;
		p->job.data = p;
		uv_queue_work(p->engine->loop, &p->job, work_cb, after_work_cb);
		return;
	}
	if (audited(p))
		rc = finish_transaction(p, rc, err);
	respond(p, rc, err);
}

/* -- answering -- */

static json_t *
error_json(const struct cl_err *err)
{
	/* Messages may hold text from outside: keep what is valid UTF-8. */
	json_t *message = json_string(err->message), *hint = json_string(err->hint);

	return json_pack("{s:{s:s, s:o, s:o}}", "error", "code", err_text(err->code), "message",
	    message != NULL ? message : json_string(err_text(err->code)), "hint",
	    hint != NULL ? hint : json_string(""));
}

static void
answer(struct reply *p, int rc, const struct cl_err *err)
{
	cl_autofree char *text = NULL;
	int status = p->status;
	json_t *body = NULL;

	if (rc < 0) {
		body = error_json(err);
		status = p->allow[0] != '\0' && p->req.route == NULL ? 405 : err_http(err->code);
	}
	if (p->text == NULL || rc < 0)
		text = json_dumps(rc < 0 ? body : p->body, JSON_COMPACT | JSON_ENCODE_ANY);
	json_decref(body);
	if (p->conn != NULL) {
		const char *out = text != NULL ? text : p->text;

		if (out == NULL)
			log_fatal("router: %s gave no answer", verb_of(&p->req));
		server_on_close(p->conn, NULL, NULL);
		server_answer(p->conn, status, "application/json",
		    status == 405 ? p->allow : NULL, out, strlen(out));
	}
}

static void
respond(struct reply *p, int rc, struct cl_err *err)
{
	struct reply *w = p->waiters, *next;

	if (rc < 0 && err->code == CL_OK)
		err_set(err, CL_FAILED, "%s: failed without a reason", verb_of(&p->req));
	if (rc == 0 && p->stream != NULL && p->conn != NULL) {
		stream_start(p->stream, p->conn);
		p->stream = NULL;
	} else if (rc < 0 || p->stream == NULL) {
		answer(p, rc, err);
	}
	for (; w != NULL; w = next) {
		next = w->waiters;
		w->waiters = NULL;
		w->status = p->status;
		w->body = json_incref(p->body);
		respond(w, rc, err);
	}
	free_reply(p);
}
