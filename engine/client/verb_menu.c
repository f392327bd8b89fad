/*
 * Numbered plain text, for terminals that cannot show the IDE (TERM=dumb): the home screen as a list
 * of projects, a project as a list of what can be done with it.  A number chooses; any other line is
 * what the same words would be after `ssh HOST`.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_rest.h"
#include "engine/client/verbs.h"

#define MENU_PROJECTS 99

struct menu {
	struct verb_ctx *ctx;
	char *projects[MENU_PROJECTS]; /* "owner.name" */
	int n;
	char *open; /* the project that is open, or NULL */
};

/* What a project's numbers run; help comes from the verb's own row. */
static const char *const menu_lines[] = {"run", "shell", "status", "ship", "scale", "logs -n 20",
    "events -n 20", "releases", "url", "config get", "chat tail -n 20", "project member ls"};

static void forget(struct menu *m)
{
	while (m->n > 0)
		mem_free(m->projects[--m->n]);
}

static int home(struct menu *m)
{
	json_t *reply, *p;
	size_t i;
	int rc = verb_rest_call(m->ctx, "GET", "/v1/projects", NULL, &reply);

	if (rc)
		return rc;
	forget(m);
	verb_out_line(m->ctx, "CodingLab: projects");
	json_array_foreach(json_object_get(reply, "projects"), i, p) {
		if (m->n == MENU_PROJECTS)
			break;
		m->projects[m->n++] = mem_printf("%s.%s", verb_out_str(p, "owner"),
		    verb_out_str(p, "name"));
		verb_out_line(m->ctx, "%3d  %-24s %-10s %-8s %s", m->n, m->projects[m->n - 1],
		    verb_out_str(p, "stack"), verb_out_str(p, "dev"), verb_out_str(p, "running"));
	}
	if (m->n == 0)
		verb_out_line(m->ctx, "     none yet: project create NAME --stack ID");
	verb_out_line(m->ctx, "A number opens a project; h help, l list again, q leave; or type a verb.");
	json_decref(reply);
	return 0;
}

static void project(struct menu *m)
{
	verb_out_line(m->ctx, "CodingLab: project %s", m->open);
	for (size_t i = 0; i < CL_COUNT(menu_lines); i++) {
		const struct verb *v = verb_find_line(menu_lines[i]);

		verb_out_line(m->ctx, "%3zu  %-18s %s", i + 1, menu_lines[i], v ? v->help : "");
	}
	verb_out_line(m->ctx,
	    "A number does it; b back, h help, l list again, q leave; or type a verb or a command.");
}

static void list(struct menu *m)
{
	if (m->open)
		project(m);
	else
		(void)home(m);
}

static void open_project(struct menu *m, const char *name)
{
	mem_free(m->open);
	m->open = name ? mem_strdup(name) : NULL;
	list(m);
}

/* A line as `ssh HOST LINE` runs it; its status is told, since no shell is here to ask. */
static void run_line(struct menu *m, const char *line)
{
	struct verb_ctx own = *m->ctx;
	int rc;

	own.project = m->open ? m->open : "";
	rc = verb_exec_line(&own, line);
	if (own.signal)
		verb_out_line(m->ctx, "[ended by signal %d]", own.signal);
	else if (rc)
		verb_out_line(m->ctx, "[status %d]", rc);
}

static void choose(struct menu *m, const char *line, long number)
{
	if (!m->open && number <= m->n)
		open_project(m, m->projects[number - 1]);
	else if (m->open && number <= (long)CL_COUNT(menu_lines))
		run_line(m, menu_lines[number - 1]);
	else
		verb_out_line(m->ctx, "%.20s: no such number", line);
}

/* False to leave. */
static bool obey(struct menu *m, const char *line)
{
	char *end;
	long number = strtol(line, &end, 10);

	if (strcmp(line, "q") == 0 || strcmp(line, "exit") == 0 || strcmp(line, "quit") == 0)
		return false;
	if (line[0] == '\0')
		return true;
	if (*end == '\0' && number > 0)
		choose(m, line, number);
	else if (strcmp(line, "l") == 0)
		list(m);
	else if (strcmp(line, "b") == 0)
		open_project(m, NULL);
	else
		run_line(m, strcmp(line, "h") == 0 ? "help" : line);
	return true;
}

int verb_menu_menu(struct verb_ctx *ctx, const struct verb_args *args)
{
	struct menu m = {.ctx = ctx};
	char line[4096];
	bool on = true;
	int rc = 0;

	if (ctx->tier[0]) /* alice+shop.was-2: a shell there, as on any other terminal */
		return verb_run_line(ctx, "enter");
	if (ctx->project[0]) {
		m.open = mem_strdup(ctx->project);
		project(&m);
	} else {
		rc = home(&m);
		on = rc == 0;
	}
	while (on) {
		verb_out_ask(ctx, "%s> ", m.open ? m.open : "codinglab");
		on = verb_rest_line(ctx, line, sizeof(line)) == 0 && obey(&m, line + strspn(line, " \t"));
	}
	forget(&m);
	mem_free(m.open);
	return rc;
}
