/*
 * The home screen: projects on one side, the state of the platform (images, events) on the other.
 *
 *    ┌ Projects ──────────────────────┬ Platform ─────────┐     under 100 columns the platform is
 *    │ ▸ shop   django  running  URL  │ base      ready   │     below the list
 *    │   tools  python  stopped       │ django    building│
 *    └────────────────────────────────┴───────────────────┘
 */
#include <stdio.h>
#include <string.h>
#include "base/giturl.h"
#include "base/mem.h"
#include "base/name.h"
#include "engine/client/client.h"
#include "tui/dialog.h"
#include "tui/home_model.h"
#include "tui/quote.h"
#include "tui/scroll.h"
#include "tui/text.h"
#include "tui/ui.h"

#define SIDE_WIDTH 38
#define FORM_DB_DEFAULT "default"

struct home {
	struct view view;
	struct home_model model;
	struct scroll news;
	uint64_t projects_request, stacks_request, images_request;
	bool loaded, form_wanted;
	bool form_dbs;      /* the form asks for a database too */
	char trouble[256];  /* why the list could not be read */
	char created[32];   /* choose this one when it is listed */
	char removing[80];  /* "owner.name" that the user is asked about */
	int top;            /* first row shown */
};

static const char *str(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* ---- loading ---- */

static void projects_cb(void *arg, json_t *reply, const struct cl_err *err)
{
	struct home *h = arg;
	const char *user = ui_info(h->view.ui)->user;

	h->projects_request = 0;
	h->loaded = true;
	mem_copy_str(h->trouble, sizeof(h->trouble), err ? err->message : "");
	if (!err)
		home_model_projects(&h->model, reply, user);
	if (h->created[0])
		home_model_choose_name(&h->model, user, h->created);
	view_redraw(&h->view);
}

static void open_form(struct home *h);

static void stacks_cb(void *arg, json_t *reply, const struct cl_err *err)
{
	struct home *h = arg;

	h->stacks_request = 0;
	if (err && h->form_wanted)
		ui_message_err(h->view.ui, err);
	else if (!err)
		home_model_stacks(&h->model, reply);
	if (!err && h->form_wanted)
		open_form(h);
	h->form_wanted = false;
	view_redraw(&h->view);
}

static void images_cb(void *arg, json_t *reply, const struct cl_err *err)
{
	struct home *h = arg;

	h->images_request = 0;
	if (!err)
		home_model_images(&h->model, reply);
	view_redraw(&h->view);
}

static uint64_t get(struct home *h, const char *path, client_reply_cb *cb)
{
	return client_start(ui_client(h->view.ui), "GET", path, NULL, cb, h);
}

static void load(struct home *h)
{
	if (!h->projects_request)
		h->projects_request = get(h, "/v1/projects", projects_cb);
	if (!h->images_request)
		h->images_request = get(h, "/v1/images", images_cb);
}

/* ---- life ---- */

static struct view *home_create(struct ui *ui, const char *arg, struct cl_err *err)
{
	struct home *h = mem_alloc(sizeof(*h));

	view_init(&h->view, &view_home_ops, ui);
	scroll_init(&h->news, 200);
	load(h);
	return &h->view;
}

static void home_free(struct view *v)
{
	struct home *h = (struct home *)v;
	uint64_t open[] = { h->projects_request, h->stacks_request, h->images_request };

	for (size_t i = 0; i < CL_COUNT(open); i++)
		if (open[i])
			client_cancel(ui_client(v->ui), open[i]);
	scroll_clear(&h->news);
	home_model_clear(&h->model);
	mem_free(h);
}

/* ---- new project ---- */

static const char *check_name(const char *name)
{
	return name_valid(name) ? NULL : "small letters, digits and -, beginning with a letter";
}

static const char *check_stack(const char *stack)
{
	return *stack ? NULL : "no stack is there yet";
}

static const char *check_from(const char *from)
{
	struct giturl u;
	bool good = !*from || giturl_parse(from, &u, NULL) == 0;

	giturl_wipe(&u);
	return good ? NULL : "https://HOST/PATH, ssh://git@HOST/PATH or git@HOST:PATH";
}

static void form_cb(void *arg, const char *const *values)
{
	struct home *h = arg;
	const char *db = "", *text, *from;
	cl_autofree char *about = NULL, *source = NULL;

	if (!values)
		return;
	mem_copy_str(h->created, sizeof(h->created), values[0]);
	if (h->form_dbs && strcmp(values[2], FORM_DB_DEFAULT) != 0)
		db = values[2];
	text = values[h->form_dbs ? 3 : 2];
	from = values[h->form_dbs ? 4 : 3];
	about = quote_word(text);
	source = quote_word(from);
	if (from[0]) { /* what comes tells its stack */
		view_commandf(&h->view, "project create %s --from %s%s%s%s%s", values[0], source,
		    db[0] ? " --db " : "", db, text[0] ? " --description " : "", text[0] ? about : "");
		return;
	}
	view_commandf(&h->view, "project create %s --stack %s%s%s%s%s", values[0], values[1],
	    db[0] ? " --db " : "", db, text[0] ? " --description " : "", text[0] ? about : "");
}

static void open_form(struct home *h)
{
	const char *ids[HOME_STACKS_MAX], *notes[HOME_STACKS_MAX];
	const char *dbs[HOME_DBS_MAX + 1] = { FORM_DB_DEFAULT };
	char texts[HOME_STACKS_MAX][112];
	struct home_model *m = &h->model;
	uint64_t with[HOME_DBS_MAX + 1] = { 0 };
	struct dialog_field_spec fields[] = {
		{ .label = "Name", .hint = "part of its address: NAME.you.domain", .initial = "",
		    .check = check_name },
		{ .label = "Stack", .hint = "left and right, or its first letter", .choices = ids,
		    .notes = notes, .nchoices = m->nstacks, .check = check_stack },
		{ .label = "Database", .hint = "those that the stack can use",
		    .choices = dbs, .nchoices = m->ndbs + 1, .with = with },
		{ .label = "Description", .hint = "for the people you share it with",
		    .initial = "" },
		{ .label = "From", .hint = "a git or archive URL, which tells the stack; or nothing",
		    .initial = "", .check = check_from },
	};
	int n = CL_COUNT(fields);

	for (int i = 0; i < m->nstacks; i++) {
		ids[i] = m->stacks[i].id;
		snprintf(texts[i], sizeof(texts[i]), "%s%s%s%s", m->stacks[i].title,
		    m->stacks[i].ready ? "" : " (", m->stacks[i].ready ? "" : m->stacks[i].state,
		    m->stacks[i].ready ? "" : ")");
		notes[i] = texts[i];
		for (int db = 0; db < m->ndbs; db++)
			with[db + 1] |= (uint64_t)(m->stacks[i].dbs >> db & 1) << i;
	}
	for (int i = 0; i < m->ndbs; i++)
		dbs[i + 1] = m->dbs[i];
	h->form_dbs = m->ndbs > 0;
	if (!h->form_dbs) {
		fields[2] = fields[3];
		fields[3] = fields[4];
		n--;
	}
	ui_form(h->view.ui, "New project", "", fields, n, "&Create", form_cb, h);
}

static void new_project(struct home *h)
{
	/* asked for each time: what is built changes from minute to minute */
	h->form_wanted = true;
	if (!h->stacks_request)
		h->stacks_request = get(h, "/v1/stacks", stacks_cb);
}

/* ---- acting on the chosen one ---- */

static void open_chosen(struct home *h)
{
	const struct home_model_project *p = home_model_chosen(&h->model);
	const char *user = ui_info(h->view.ui)->user;

	if (!p)
		ui_message(h->view.ui, UI_INFO, "no project is chosen; n makes a new one");
	else if (strcmp(p->owner, user) == 0)
		view_commandf(&h->view, "open-project %s", p->name);
	else
		view_commandf(&h->view, "open-project %s:%s", p->owner, p->name);
}

static void remove_cb(void *arg, bool yes)
{
	struct home *h = arg;

	if (yes)
		view_commandf(&h->view, "project rm %s -y", h->removing);
}

static void remove_chosen(struct home *h)
{
	const struct home_model_project *p = home_model_chosen(&h->model);
	char text[256];

	if (!p)
		return;
	if (strcmp(p->role, "owner") != 0 && p->role[0]) {
		ui_message(h->view.ui, UI_WARN, "%s is %s's: only the owner removes it", p->name,
		    p->owner);
		return;
	}
	snprintf(h->removing, sizeof(h->removing), "%s.%s", p->owner, p->name);
	snprintf(text, sizeof(text),
	    text_of("Remove %s: its containers, database, files and history. This cannot be undone."),
	    p->name);
	ui_confirm(h->view.ui, "Remove project", text, p->name, remove_cb, h);
}

static bool list_action(struct home *h, const char *name)
{
	static const struct {
		const char *name;
		int by;
	} moves[] = {
		{ "list-down", 1 },	   { "list-up", -1 },	     { "list-first", -100000 },
		{ "list-last", 100000 }, { "list-page-down", 10 }, { "list-page-up", -10 },
	};

	for (size_t i = 0; i < CL_COUNT(moves); i++)
		if (strcmp(moves[i].name, name) == 0) {
			home_model_choose(&h->model, h->model.chosen + moves[i].by);
			return true;
		}
	return false;
}

static bool home_action(struct view *v, int argc, char **argv)
{
	struct home *h = (struct home *)v;

	view_redraw(v);
	if (strcmp(argv[0], "project-new") == 0)
		new_project(h);
	else if (strcmp(argv[0], "project-open") == 0)
		open_chosen(h);
	else if (strcmp(argv[0], "project-remove") == 0)
		remove_chosen(h);
	else if (strcmp(argv[0], "reload") == 0)
		load(h);
	else
		return list_action(h, argv[0]);
	return true;
}

/* ---- events ---- */

static void home_event(struct view *v, const char *type, json_t *event)
{
	struct home *h = (struct home *)v;
	json_t *data = json_object_get(event, "data");
	const char *at = str(event, "at");
	char lead[16];

	if (strcmp(type, "engine.up") == 0 || strncmp(type, "project.", 8) == 0 ||
	    strcmp(type, "dev.state") == 0 || strcmp(type, "release.serving") == 0)
		load(h);
	if (strcmp(type, "image.state") == 0)
		home_model_image_state(&h->model, str(data, "image"), str(data, "state"));
	if (event && strcmp(type, "stats") != 0 && strcmp(type, "op.log") != 0 &&
	    str(event, "text")[0]) {
		snprintf(lead, sizeof(lead), "%.5s", strlen(at) >= 16 ? at + 11 : "");
		scroll_add_lead(&h->news, THEME_DIM, lead, THEME_TEXT, str(event, "text"));
	}
	view_redraw(v);
}

/* ---- drawing ---- */

static enum term_theme state_theme(const char *state)
{
	if (strcmp(state, "running") == 0 || strcmp(state, "ready") == 0)
		return THEME_OK;
	if (strcmp(state, "failed") == 0)
		return THEME_ERROR;
	if (strcmp(state, "building") == 0 || strcmp(state, "starting") == 0)
		return THEME_WARN;
	return THEME_DIM;
}

static void draw_project(struct home *h, int i, int y, const struct rect *r)
{
	const struct home_model_project *p = &h->model.projects[i];
	bool on = i == h->model.chosen, own = strcmp(p->owner, ui_info(h->view.ui)->user) == 0;
	const struct term_style *st = term_theme(on ? THEME_SELECTED : THEME_TEXT);
	char name[80];
	int x = r->x + 1, end = r->x + r->w - 1;

	snprintf(name, sizeof(name), own ? "%s" : "%s  (%s)", p->name, p->owner);
	term_fill(y, x, r->w - 2, st, ' ');
	if (on)
		term_fill(y, x + 1, 1, st, TERM_ARROW_RIGHT);
	term_text(y, x + 3, 24, st, name, -1);
	term_text(y, x + 28, 10, st, p->stack, -1);
	term_text(y, x + 39, 9, on ? st : term_theme(state_theme(p->dev)), text_of(p->dev), -1);
	if (end > x + 49)
		term_text(y, x + 49, end - x - 49, on ? st : term_theme(p->url[0] ? THEME_LINK
								   : THEME_DIM),
		    p->url[0] ? p->url : p->about, -1);
}

static void draw_list(struct home *h, const struct rect *r)
{
	int rows = r->h - 3, y = r->y + 2;
	const struct term_style *dim = term_theme(THEME_DIM);

	term_text(r->y + 1, r->x + 4, 24, dim, text_of("NAME"), -1);
	term_text(r->y + 1, r->x + 29, 10, dim, text_of("STACK"), -1);
	term_text(r->y + 1, r->x + 40, 9, dim, text_of("DEV"), -1);
	term_text(r->y + 1, r->x + 50, r->w - 51, dim, text_of("SERVES AT"), -1);
	if (h->model.chosen < h->top)
		h->top = h->model.chosen;
	if (h->model.chosen >= h->top + rows)
		h->top = h->model.chosen - rows + 1;
	for (int i = 0; i < rows && h->top + i < h->model.nprojects; i++)
		draw_project(h, h->top + i, y + i, r);
	if (h->model.nprojects)
		return;
	if (h->trouble[0])
		term_text(y + 1, r->x + 4, r->w - 6, term_theme(THEME_ERROR), h->trouble, -1);
	else
		term_text(y + 1, r->x + 4, r->w - 6, term_theme(THEME_HEADING),
		    h->loaded ? text_of("No project yet. Press n to make one.") : "...", -1);
}

static void draw_side(struct home *h, const struct rect *r)
{
	int y = r->y + 1, end = r->y + r->h - 1;

	for (int i = 0; i < h->model.nimages && y < end; i++, y++) {
		const struct home_model_image *m = &h->model.images[i];
		term_text(y, r->x + 2, 20, term_theme(THEME_TEXT), m->id, -1);
		term_text(y, r->x + 23, r->w - 25, term_theme(state_theme(m->state)),
		    text_of(m->state), -1);
	}
	y++;
	if (end - y > 0)
		scroll_draw(&h->news, y, r->x + 2, end - y, r->w - 4);
}

static void home_draw(struct view *v)
{
	struct home *h = (struct home *)v;
	int rows = term_height(), cols = term_width(), below = rows / 3;
	bool beside = cols >= 100;
	struct rect list = { 0, 0, beside ? rows : rows - below, beside ? cols - SIDE_WIDTH : cols };
	struct rect side = { beside ? 0 : rows - below, beside ? cols - SIDE_WIDTH : 0,
			     beside ? rows : below, beside ? SIDE_WIDTH : cols };

	term_clear(term_theme(THEME_TEXT));
	term_box(&list, term_theme(THEME_BORDER_FOCUS), text_of("Projects"), term_theme(THEME_TITLE_FOCUS));
	term_box(&side, term_theme(THEME_BORDER), text_of("Platform"), term_theme(THEME_TITLE));
	draw_list(h, &list);
	draw_side(h, &side);
}

static bool home_mouse(struct view *v, const struct term_mouse *m)
{
	struct home *h = (struct home *)v;

	if (m->kind == MOUSE_WHEEL_UP || m->kind == MOUSE_WHEEL_DOWN)
		home_model_choose(&h->model, h->model.chosen + (m->kind == MOUSE_WHEEL_UP ? -1 : 1));
	else if (m->kind == MOUSE_PRESS && m->y >= 2 && h->top + m->y - 2 < h->model.nprojects) {
		bool again = h->model.chosen == h->top + m->y - 2;
		home_model_choose(&h->model, h->top + m->y - 2);
		if (again)
			open_chosen(h);
	} else
		return false;
	view_redraw(v);
	return true;
}

static const char *home_status(struct view *v)
{
	const struct home_model_project *p = home_model_chosen(&((struct home *)v)->model);

	return p ? p->about : "";
}

const struct view_ops view_home_ops = {
	.name = "home",
	.help = "Your projects",
	.context = "home",
	.place = VIEW_FULL,
	.create = home_create,
	.free = home_free,
	.draw = home_draw,
	.mouse = home_mouse,
	.action = home_action,
	.event = home_event,
	.status = home_status,
};
