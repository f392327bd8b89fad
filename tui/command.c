/* Running text: actions at once, verbs on a worker thread. */
#include "tui/command.h"

#include <stdio.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "engine/client/verb.h"
#include "tui/action.h"
#include "tui/actions.h"
#include "tui/keymap.h"
#include "tui/ui.h"
#include "tui/ui_internal.h"
#include "tui/view_output.h"

#define OUTPUT_MAX (1u << 20)

/* ---- words ---- */

/* Copy one word from *p to *out without its quotes; false for an open quote. */
static bool word(const char **p, char **out)
{
	const char *s = *p;
	char *o = *out, quote = 0;

	for (; *s && (quote || (*s != ' ' && *s != '\t' && *s != '\n')); s++) {
		if (!quote && (*s == '\'' || *s == '"'))
			quote = *s;
		else if (quote && *s == quote)
			quote = 0;
		else if (*s == '\\' && quote != '\'' && s[1])
			*o++ = *++s;
		else
			*o++ = *s;
	}
	*o++ = 0;
	*p = s;
	*out = o;
	return quote == 0;
}

char **command_split(const char *line, int *argc)
{
	size_t n = strlen(line), max = n / 2 + 2;
	/* pointers first, the words' bytes behind them: at most one NUL for each separator */
	char **argv = mem_alloc(max * sizeof(*argv) + n + 2), *out = (char *)(argv + max);

	*argc = 0;
	for (const char *p = line;;) {
		p += strspn(p, " \t\n");
		if (!*p)
			break;
		argv[(*argc)++] = out;
		if (!word(&p, &out)) {
			mem_free(argv);
			return NULL;
		}
	}
	return argv;
}

/* ---- verbs ---- */

struct job {
	struct ui *ui;
	char *line;
	struct buf out, err;
	struct verb_ctx ctx;
	char *project, *socket;
	int status;
};

static void out_cb(void *arg, const char *text, size_t len, bool raw)
{
	struct job *j = arg;

	buf_add(&j->out, text, len);
}

static void err_cb(void *arg, const char *text, size_t len)
{
	struct job *j = arg;

	buf_add(&j->err, text, len);
}

static void job_work(void *arg)
{
	struct job *j = arg;

	j->status = verb_run_line(&j->ctx, j->line);
}

static void job_free(struct job *j)
{
	buf_clear(&j->out);
	buf_clear(&j->err);
	mem_free(j->line);
	mem_free(j->project);
	mem_free(j->socket);
	mem_free(j);
}

static int lines_of(const struct buf *b)
{
	int n = 0;

	for (size_t i = 0; i < b->len; i++)
		n += b->data[i] == '\n';
	return n + (b->len && b->data[b->len - 1] != '\n');
}

static void trim(struct buf *b)
{
	while (b->len && (b->data[b->len - 1] == '\n' || b->data[b->len - 1] == ' '))
		b->data[--b->len] = 0;
}

static void show_error(struct job *j)
{
	const char *text = j->err.len ? j->err.data : "it gave no reason";

	if (strncmp(text, "codinglab: ", 11) == 0)
		text += 11;
	if (lines_of(&j->err) > 2) {
		view_output_show(j->ui, j->line, j->err.data, j->err.len);
		return;
	}
	trim(&j->err);
	for (char *nl = j->err.data; nl && (nl = strchr(nl, '\n'));)
		*nl = ' ';
	ui_message(j->ui, UI_ERROR, "%s", text);
}

static void job_done(void *arg)
{
	struct job *j = arg;

	if (j->status != 0)
		show_error(j);
	else if (lines_of(&j->out) > 1)
		view_output_show(j->ui, j->line, j->out.data, j->out.len);
	else if (!strstr(j->line, " -q")) {
		trim(&j->out);
		ui_message(j->ui, UI_INFO, "%s", j->out.len ? j->out.data : "done");
	}
	job_free(j);
}

static void start(struct ui *ui, const char *line, bool yes)
{
	struct job *j = mem_alloc(sizeof(*j));

	j->ui = ui;
	j->line = mem_strdup(line);
	j->project = mem_strdup(ui->info->project_id ? ui->info->project_ref : "");
	j->socket = mem_strdup(ui->info->socket);
	buf_init(&j->out, OUTPUT_MAX);
	buf_init(&j->err, OUTPUT_MAX);
	j->ctx = (struct verb_ctx){
		.socket = j->socket, .project = j->project, .tier = "", .env = "", .yes = yes,
		.in = -1, .remote = true, .out = out_cb, .err = err_cb, .arg = j, .rows = 24, .cols = 100,
	};
	ui_work(ui, job_work, job_done, j);
}

struct question {
	struct ui *ui;
	char *line;
};

static void confirmed_cb(void *arg, bool yes)
{
	struct question *q = arg;

	if (yes)
		start(q->ui, q->line, true);
	mem_free(q->line);
	mem_free(q);
}

static bool says_yes(const char *line)
{
	return strstr(line, " -y") || strstr(line, " --yes");
}

static void ask(struct ui *ui, const struct verb *v, const char *line)
{
	struct question *q = mem_alloc(sizeof(*q));
	char text[400];

	q->ui = ui;
	q->line = mem_strdup(line);
	snprintf(text, sizeof(text), "%s\n\n%s", v->help ? v->help : "", line);
	ui_confirm(ui, v->name, text, NULL, confirmed_cb, q);
}

/* What the IDE shows in a terminal of its own. */
static bool is_program(const struct verb *v)
{
	static const char *const names[] = { "run", "test", "repl", "debug", "enter" };

	for (size_t i = 0; i < CL_COUNT(names); i++)
		if (strcmp(v->name, names[i]) == 0)
			return true;
	return false;
}

static void run_verb(struct ui *ui, const struct verb *v, const char *line)
{
	const char *rest = line + strspn(line, " ");

	if (is_program(v)) {
		if (ui->info->project_id)
			ui_open(ui, "terminal", rest, true);
		else
			ui_message(ui, UI_WARN, "%s: open a project first", v->name);
	} else if (v->flags & VERB_NO_IDE)
		ui_message(ui, UI_WARN, "%s: not in the IDE; use it as `ssh HOST %s`", v->name,
		    v->name);
	else if (strstr(line, " -f"))
		view_output_follow(ui, rest);
	else if ((v->flags & VERB_DANGER) && !says_yes(line))
		ask(ui, v, line);
	else
		start(ui, line, says_yes(line));
}

/* ---- text ---- */

/* Hand an action to the view it belongs to: the focused one, else one of its context. */
static void run_in_view(struct ui *ui, const struct action *a, int argc, char **argv)
{
	struct view *v = ui->focused;
	const char *context = v ? v->ops->context : "";
	bool list = strcmp(a->context, "list") == 0 && keymap_is_list(context);

	if (!v || (strcmp(context, a->context) != 0 && !list)) {
		struct view *other = NULL;
		for (struct view *i = NULL; (i = ui_next(ui, i));)
			if (strcmp(i->ops->context, a->context) == 0)
				if (!other || ui->current[i->ops->place] == i)
					other = i;
		v = other;
	}
	if (!v || !v->ops->action || !v->ops->action(v, argc, argv))
		ui_message(ui, UI_WARN, "%s: nothing here to do that with", a->name);
}

void command_run(struct ui *ui, const char *text)
{
	int argc;
	cl_autofree char **argv = command_split(text, &argc);
	const struct action *a;
	const struct verb *v;

	if (!argv) {
		ui_message(ui, UI_ERROR, "a quote is not closed");
		return;
	}
	if (argc == 0)
		return;
	a = action_find(argv[0], ui->focused ? ui->focused->ops->context : NULL);
	v = verb_find_line(text);
	if (a && a->context)
		run_in_view(ui, a, argc, argv);
	else if (a)
		actions_run(ui, argc, argv);
	else if (v)
		run_verb(ui, v, text);
	else
		ui_message(ui, UI_ERROR, "%s: no such command. F2 shows them all", argv[0]);
}

void command_run_pending(struct ui *ui)
{
	struct ui_command_line *c;

	/* a command may queue another; a loop of them must not hang the session */
	for (int i = 0; i < 200 && (c = ui->pending); i++) {
		ui->pending = c->next;
		if (!ui->pending)
			ui->pending_end = &ui->pending;
		command_run(ui, c->text);
		mem_free(c->text);
		mem_free(c);
	}
}
