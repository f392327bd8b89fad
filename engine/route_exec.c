/*
 * Routes of the dev container and of executions.  A ticket for a program is made in three turns: the
 * handler resolves who and where (loop), a worker reads what the project says about `run`, starts
 * the dev container when needed and prepares the execution, then the ticket goes out (loop).
 */
#include <stdio.h>
#include <string.h>
#include "base/config.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "engine/manifest.h"
#include "engine/op.h"
#include "engine/reconcile.h"
#include "engine/reply.h"
#include "engine/request.h"
#include "engine/stacks.h"
#include "engine/status.h"
#include "engine/store_project.h"
#include "engine/store_save.h"
#include "images/appfile.h"
#include "images/field.h"

#define EXEC_TICKET_SIZE 129
/* Files made in the workspace stay writable for the project's group. */
#define EXEC_WRAP "umask 0007; exec \"$@\""
#define EXEC_SHELL "command -v bash >/dev/null && exec bash; exec sh"

struct exec_job {
	struct backend_exec spec;
	struct backend_spec dev;     /* of the dev container; name "" for an instance */
	const struct stack_set *stacks; /* taken, for stack */
	const struct stack *stack;
	int64_t project;
	uint32_t owner;
	enum stack_command task;     /* what is run; STACK_COMMANDS = argv says it */
	bool running;
	char **argv;                 /* before wrapping; NULL with a task */
	char ticket[EXEC_TICKET_SIZE];
};

static int exec_argv(const struct request *r, struct exec_job *j, struct cl_err *err);
static int exec_task(const struct request *r, struct exec_job *j, struct cl_err *err);
static char **exec_words(const char *const *words);
static void exec_env(const struct request *r, struct backend_exec *x);
static void exec_set(struct backend_exec *x, const char *name, const char *value);
static bool exec_env_allowed(const char *name);
static int exec_dev(struct engine *e, const struct request *r, struct exec_job *j,
    struct cl_err *err);
static int exec_instance(struct engine *e, const struct request *r, struct exec_job *j,
    struct cl_err *err);
static int exec_work_cb(struct engine *e, void *arg, struct cl_err *err);
static int exec_task_argv(struct engine *e, struct exec_job *j, struct cl_err *err);
static int exec_read(struct engine *e, const struct exec_job *j, struct appfile *a,
    const char *name, int (*add)(struct appfile *a, const char *text, size_t len,
    struct cl_err *err), struct cl_err *err);
static void exec_wrap(struct exec_job *j);
static int exec_then_cb(struct engine *e, struct request *r, struct reply *p, void *arg,
    struct cl_err *err);
static void exec_free(struct exec_job *j);

static int exec(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct exec_job *j = mem_alloc(sizeof(*j));
	const char *tier = request_str(r, "tier");

	j->project = r->project;
	j->spec.tty = request_bool(r, "tty");
	j->spec.rows = (int)request_int(r, "rows", 24);
	j->spec.cols = (int)request_int(r, "cols", 80);
	j->spec.peer_uid = r->caller.uid;
	if (exec_argv(r, j, err) != 0 || (tier != NULL ? exec_instance(e, r, j, err) :
	    exec_dev(e, r, j, err)) != 0) {
		exec_free(j);
		return -1;
	}
	request_detail(r, "%s: %s", tier != NULL ? j->spec.name : "dev container",
	    j->task != STACK_COMMANDS ? stack_command_name(j->task) :
	    request_bool(r, "shell") ? "shell" : "program");
	reply_work(p, exec_work_cb, exec_then_cb, j);
	return 0;
}

/* What shall run, of the four ways to say it. */
static int exec_argv(const struct request *r, struct exec_job *j, struct cl_err *err)
{
	struct field_ctx c = { "exec", err };
	const char *line = request_str(r, "command");
	int ways = request_has(r, "argv") + request_bool(r, "run") + request_bool(r, "shell") +
	    (line != NULL) + request_has(r, "task");

	if (ways != 1)
		return err_set(err, CL_USAGE, "exec: say one of argv, run, task, shell and command");
	if (exec_task(r, j, err) != 0)
		return -1;
	if (j->task != STACK_COMMANDS && request_has(r, "tier"))
		return err_set(err, CL_USAGE, "exec: %s is for the dev container",
		    stack_command_name(j->task));
	if (request_has(r, "argv"))
		return field_argv(&c, json_object_get(r->body, "argv"), "argv", 256, 65536, &j->argv);
	if (line != NULL)
		j->argv = exec_words((const char *const[]){ "/bin/sh", "-c", line, NULL });
	else if (request_has(r, "tier"))
		j->argv = exec_words((const char *const[]){ "/bin/sh", "-c", EXEC_SHELL, NULL });
	else if (j->task == STACK_COMMANDS)
		j->argv = exec_words((const char *const[]){ "bash", "-l", NULL });
	return 0;
}

/* Of a stack's commands those that are for the dev container. */
static int exec_task(const struct request *r, struct exec_job *j, struct cl_err *err)
{
	static const enum stack_command known[] = { STACK_RUN, STACK_TEST, STACK_REPL, STACK_DEBUG,
		STACK_LSP };
	const char *name = request_bool(r, "run") ? "run" : request_str(r, "task");

	j->task = STACK_COMMANDS;
	for (size_t i = 0; name != NULL && i < CL_COUNT(known); i++)
		if (strcmp(stack_command_name(known[i]), name) == 0)
			j->task = known[i];
	if (name != NULL && j->task == STACK_COMMANDS)
		return err_set(err, CL_USAGE, "task: must be run, test, repl, debug or lsp");
	return 0;
}

static char **exec_words(const char *const *words)
{
	char **argv;
	size_t n = 0;

	while (words[n] != NULL)
		n++;
	argv = mem_array(n + 1, sizeof(*argv));
	for (size_t i = 0; i < n; i++)
		argv[i] = mem_strdup(words[i]);
	return argv;
}

static void exec_env(const struct request *r, struct backend_exec *x)
{
	json_t *env = json_object_get(r->body, "env"), *v;
	const char *name;

	json_object_foreach(env, name, v)
		if (exec_env_allowed(name) && json_is_string(v) &&
		    json_string_length(v) < 1024 && strlen(json_string_value(v)) ==
		    json_string_length(v))
			exec_set(x, name, json_string_value(v));
}

static void exec_set(struct backend_exec *x, const char *name, const char *value)
{
	x->env_vars = mem_resize(x->env_vars, x->nenv + 1, sizeof(*x->env_vars));
	x->env_vars[x->nenv].name = mem_strdup(name);
	x->env_vars[x->nenv++].value = mem_strdup(value);
}

static bool exec_env_allowed(const char *name)
{
	static const char *const known[] = { "TERM", "COLORTERM", "NO_COLOR", "TZ", "LANG", "SSH_AUTH_SOCK",
		NULL };

	for (size_t i = 0; known[i] != NULL; i++)
		if (strcmp(known[i], name) == 0)
			return true;
	return strncmp(name, "LC_", 3) == 0 && strlen(name) < 32 &&
	    strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == strlen(name);
}

static int exec_dev(struct engine *e, const struct request *r, struct exec_job *j,
    struct cl_err *err)
{
	struct store_project p;
	char text[64];

	if (store_project_get(e->store, r->project, &p, err) != 0)
		return -1;
	if (strcmp(p.state, "ready") != 0)
		return err_set(err, CL_CONFLICT, "project %s: it is %s", p.name, p.state);
	if (reconcile_dev_held(e, r->project)) {
		err_set(err, CL_UNAVAILABLE, "project %s: a save is being loaded", p.name);
		return err_hint(err, "Try again in a moment");
	}
	j->stacks = stacks_take(e);
	j->stack = stack_find_choice(j->stacks, p.stack, err);
	if (j->stack == NULL || reconcile_dev_spec(e, r->project, &j->dev, err) != 0)
		return -1;
	/* whoever works in a project keeps its container wanted */
	if (!p.dev_want && store_project_set_dev(e->store, r->project, true, p.dev_state,
	    p.dev_reason, err) != 0)
		return -1;
	j->running = reconcile_dev_running(e, r->project);
	j->owner = engine_uid(e, p.owner);
	j->spec.uid = r->caller.id > 0 ? engine_uid(e, r->caller.id) : j->owner;
	j->spec.gid = engine_gid(e, r->project);
	(void)mem_copy_str(j->spec.name, sizeof(j->spec.name), j->dev.name);
	(void)mem_copy_str(j->spec.workdir, sizeof(j->spec.workdir), "/workspace");
	exec_env(r, &j->spec);
	exec_set(&j->spec, "HOME", "/home/dev");
	exec_set(&j->spec, "SHELL", "/bin/bash");
	(void)snprintf(text, sizeof(text), "%s", r->caller.id > 0 ? r->caller.name : p.owner_name);
	exec_set(&j->spec, "USER", text);
	exec_set(&j->spec, "LOGNAME", text);
	return 0;
}

struct exec_search {
	const char *tier;
	int n;
	struct exec_job *j;
};

static void exec_search_cb(void *arg, const struct reconcile_seen *s)
{
	struct exec_search *f = arg;
	struct exec_job *j = f->j;

	if (strcmp(s->tier, f->tier) != 0 || (f->n != 0 && f->n != s->n) ||
	    strcmp(s->state, "failed") == 0)
		return;
	/* of two releases the newer, of several the first */
	if (j->spec.name[0] == '\0' || strcmp(s->state, "ready") == 0)
		(void)mem_copy_str(j->spec.name, sizeof(j->spec.name), s->container);
}

static int exec_instance(struct engine *e, const struct request *r, struct exec_job *j,
    struct cl_err *err)
{
	struct exec_search f = { request_str(r, "tier"), (int)request_int(r, "n", 0), j };
	const char *env = request_str(r, "environment");
	const struct stack *service = NULL, *own;
	struct store_project p;

	if (env != NULL && strcmp(env, "dev") != 0 && strcmp(env, "prod") != 0)
		return err_set(err, CL_USAGE, "environment: must be dev or prod");
	env = status_env(e, r->project, env);
	if (strcmp(env, "prod") == 0 && r->right < POLICY_OPERATOR)
		return err_set(err, CL_FORBIDDEN, "production: only an operator of the project enters "
		    "its instances");
	reconcile_each_seen(e, r->project, env, exec_search_cb, &f);
	if (j->spec.name[0] == '\0') {
		err_set(err, CL_NOT_FOUND, f.n > 0 ? "%s-%d: there is no such instance in %s" :
		    "%s: there is none (%d) in %s", f.tier, f.n, env);
		return err_hint(err, "status shows what runs");
	}
	if (store_project_get(e->store, r->project, &p, err) != 0)
		return -1;
	if (strcmp(f.tier, "web") == 0)
		service = stack_find(stacks_now(e), "web");
	else if (strcmp(f.tier, "db") == 0)
		service = (own = stack_find(stacks_now(e), p.stack)) != NULL ?
		    stack_db(stacks_now(e), own, p.db) : NULL;
	j->spec.uid = j->spec.gid = service != NULL ? service->uid : MANIFEST_UID_WAS;
	(void)mem_copy_str(j->spec.workdir, sizeof(j->spec.workdir),
	    service != NULL ? "/tmp" : "/app");
	exec_env(r, &j->spec);
	return 0;
}

/* --- on a worker ------------------------------------------------------------------------------ */

static int exec_work_cb(struct engine *e, void *arg, struct cl_err *err)
{
	struct exec_job *j = arg;
	struct backend *b = &e->backend;
	struct cl_err first = { 0 };

	if (j->task != STACK_COMMANDS && exec_task_argv(e, j, err) != 0)
		return -1;
	if (j->dev.name[0] != '\0')
		exec_wrap(j);
	j->spec.argv = j->argv;
	if (j->dev.name[0] == '\0')
		return b->ops->exec(b, &j->spec, j->ticket, sizeof(j->ticket), err);
	/* what was seen last may be old: when it does not work, look again and start it */
	if (j->running && b->ops->exec(b, &j->spec, j->ticket, sizeof(j->ticket), &first) == 0)
		return 0;
	if (first.code == CL_NOT_IMPLEMENTED || first.code == CL_USAGE) {
		*err = first;
		return -1;
	}
	if (reconcile_dev_up(e, &j->dev, NULL, NULL, err) != 0)
		return -1;
	return b->ops->exec(b, &j->spec, j->ticket, sizeof(j->ticket), err);
}

/* The project's own command, else the stack's; and its port. */
static int exec_task_argv(struct engine *e, struct exec_job *j, struct cl_err *err)
{
	const char *task = stack_command_name(j->task);
	char *const *argv;
	struct appfile a;
	char port[16];
	int rc;

	appfile_init(&a);
	rc = exec_read(e, j, &a, ".codinglab.json", appfile_add_json, err);
	if (rc == 0)
		rc = exec_read(e, j, &a, "Procfile", appfile_add_procfile, err);
	argv = rc == 0 ? appfile_get(&a, j->stack, j->task) : NULL;
	if (argv != NULL) {
		j->argv = exec_words((const char *const *)argv);
	} else if (rc == 0) {
		rc = err_set(err, CL_PRECONDITION, "%s: stack %s has no such command", task,
		    j->stack->id);
		err_hint(err, "Give the project one in its .codinglab.json: {\"%s\": \"COMMAND\"}", task);
	}
	if (rc == 0 && a.port > 0) {
		(void)snprintf(port, sizeof(port), "%d", a.port);
		exec_set(&j->spec, "PORT", port);
	}
	appfile_clear(&a);
	return rc;
}

static int exec_read(struct engine *e, const struct exec_job *j, struct appfile *a,
    const char *name, int (*add)(struct appfile *a, const char *text, size_t len,
    struct cl_err *err), struct cl_err *err)
{
	struct cl_err why = { 0 };
	struct buf text;
	int rc;

	buf_init(&text, APPFILE_MAX);
	rc = e->backend.ops->workspace_read(&e->backend, j->project, j->owner, name, APPFILE_MAX,
	    &text, &why);
	if (rc == 0)
		rc = add(a, text.data != NULL ? text.data : "", text.len, err);
	else if (why.code == CL_NOT_FOUND)
		rc = 0;
	else
		*err = why;
	buf_clear(&text);
	return rc;
}

static void exec_wrap(struct exec_job *j)
{
	size_t n = 0;
	char **argv;

	while (j->argv[n] != NULL)
		n++;
	argv = mem_array(n + 5, sizeof(*argv));
	argv[0] = mem_strdup("/bin/sh");
	argv[1] = mem_strdup("-c");
	argv[2] = mem_strdup(EXEC_WRAP);
	argv[3] = mem_strdup("sh");
	memcpy(argv + 4, j->argv, n * sizeof(*argv));
	mem_free(j->argv);
	j->argv = argv;
}

static int exec_then_cb(struct engine *e, struct request *r, struct reply *p, void *arg,
    struct cl_err *err)
{
	struct exec_job *j = arg;
	bool dev = j->dev.name[0] != '\0' && !j->running;

	(void)r;
	if (err->code == CL_OK)
		reply_json(p, 200, json_pack("{s:s, s:s}", "ticket", j->ticket, "socket",
		    config_str(strncmp(j->ticket, BACKEND_TICKET_POD, strlen(BACKEND_TICKET_POD)) == 0 ?
		    "kube.exec_socket" : "runtime.exec_socket")));
	if (dev) /* its entry learns what happened */
		(void)reconcile_kick(e, j->project, "ide");
	exec_free(j);
	return err->code == CL_OK ? 0 : -1;
}

static void exec_free(struct exec_job *j)
{
	field_free_argv(j->argv);
	for (size_t i = 0; i < j->spec.nenv; i++) {
		mem_free(j->spec.env_vars[i].name);
		mem_free(j->spec.env_vars[i].value);
	}
	mem_free(j->spec.env_vars);
	manifest_clear(&j->dev);
	stacks_give(j->stacks);
	mem_wipe(j->ticket, sizeof(j->ticket));
	mem_free(j);
}

/* --- the dev container itself ----------------------------------------------------------------- */

static int dev(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	const char *action = request_str(r, "action");
	struct store_project project;

	if (strcmp(action, "up") != 0 && strcmp(action, "stop") != 0 &&
	    strcmp(action, "restart") != 0 && strcmp(action, "fresh") != 0)
		return err_set(err, CL_USAGE, "action: must be up, stop, restart or fresh");
	if (store_project_get(e->store, r->project, &project, err) != 0)
		return -1;
	if (strcmp(project.state, "ready") != 0)
		return err_set(err, CL_CONFLICT, "project %s: it is %s", project.name, project.state);
	request_detail(r, "%s", action);
	if (store_project_set_dev(e->store, r->project, strcmp(action, "stop") != 0,
	    project.dev_state, project.dev_reason, err) != 0)
		return -1;
	if (strcmp(action, "fresh") == 0) {
		action = "restart";
		if (op_check(e, r->project, "ide", err) != 0 ||
		    store_save_set_loaded(e->store, r->project, 0, err) != 0)
			return -1;
	}
	return op_begin(e, r, p, action, r->project, "ide", NULL, NULL, err);
}

const struct route_bind route_exec_binds[] = {
	{ ROUTE_EXEC, exec },
	{ ROUTE_DEV, dev },
	{ 0, NULL },
};
