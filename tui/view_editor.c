/*
 * The editor: one view per open file.  It shows rows (editor/row.h) of a text (editor/text.h); the
 * text lives here, in the session, so it outlives connections, and in the swap journal, so it
 * outlives the session.
 *
 *        editor_key.c   keys, mouse, paste, clipboard      editor_find.c  find and replace
 *        editor_draw.c  rows, columns, colours             editor_disk.c  save, changes, recovery
 *        editor.c       cursor, lines, edits               view_goto.c    choosing a file by name
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/screen.h"
#include "base/utf8.h"
#include "editor/lines.h"
#include "editor/row.h"
#include "tui/editor_internal.h"

static struct editor *of(struct view *v)
{
	return (struct editor *)v;
}

/* ---- hooks ---- */

static struct view *editor_create(struct ui *ui, const char *arg, struct cl_err *err)
{
	const struct ui_info *info = ui_info(ui);
	struct file *file;
	struct editor *e;

	if (info->root == -1) {
		err_set(err, CL_PRECONDITION, "editor: no project is open");
		return NULL;
	}
	while (arg[0] == '.' && arg[1] == '/')
		arg += 2;
	for (struct view *v = ui_next(ui, NULL); v; v = ui_next(ui, v))
		if (v->ops == &view_editor_ops && strcmp(of(v)->file->name, arg) == 0)
			return v;
	if (!arg[0]) {
		err_set(err, CL_USAGE, "editor: which file?");
		return NULL;
	}
	file = file_open(info->root, arg, err);
	if (!file)
		return NULL;
	e = mem_alloc(sizeof(*e));
	view_init(&e->view, &view_editor_ops, ui);
	e->file = file;
	e->anchor = e->want = e->go_line = EDITOR_NONE;
	field_init(&e->find.pattern, "");
	field_init(&e->find.with, "");
	editor_listen(e);
	editor_guess_indent(e);
	editor_disk_open(e);
	if (file->binary)
		ui_message(ui, UI_WARN, "%s is a binary file, shown read-only", editor_leaf(arg));
	return &e->view;
}

static void editor_free(struct view *v)
{
	struct editor *e = of(v);

	ui_timer_stop(e->index_timer);
	ui_timer_stop(e->find_timer);
	e->index_timer = e->find_timer = NULL;
	search_free(e->find.search);
	field_clear(&e->find.pattern);
	field_clear(&e->find.with);
	editor_disk_free(e);
}

static void editor_resize(struct view *v, int h, int w)
{
	of(v)->height = h;
	of(v)->width = w;
	of(v)->follow = true;
}

static void editor_draw_hook(struct view *v)
{
	editor_draw_all(of(v));
}

static bool editor_key_hook(struct view *v, const struct term_key *k)
{
	struct editor *e = of(v);

	if (e->saving)
		return true;
	return e->find.bar != EDITOR_BAR_NONE && editor_find_key(e, k) ? true : editor_key_press(e, k);
}

static bool editor_mouse_hook(struct view *v, const struct term_mouse *m)
{
	return editor_key_mouse(of(v), m);
}

static bool editor_paste_hook(struct view *v, const char *text, size_t n)
{
	struct editor *e = of(v);

	if (e->find.bar != EDITOR_BAR_NONE) {
		editor_find_paste(e, text, n);
		return true;
	}
	return editor_key_paste(e, text, n);
}

static void undo_redo(struct editor *e, bool undo)
{
	size_t pos;

	if (!editor_may_edit(e))
		return;
	if (!(undo ? text_undo : text_redo)(e->file->text, &pos)) {
		ui_message(e->view.ui, UI_INFO, "nothing to %s", undo ? "undo" : "redo");
		return;
	}
	e->cursor = pos;
	e->anchor = e->want = EDITOR_NONE;
	editor_moved(e);
}

static void goto_cb(void *arg, const char *text)
{
	struct editor *e = arg;
	unsigned long long n;
	char end;

	if (!text)
		return;
	if (sscanf(text, "%15llu%c", &n, &end) != 1 || n == 0) {
		ui_message(e->view.ui, UI_WARN, "go to line: a number from 1");
		return;
	}
	editor_goto_line(e, (size_t)n - 1);
}

static void clip_paste(struct editor *e)
{
	size_t n;
	const char *text = ui_clip(e->view.ui, &n);
	cl_autofree char *copy = mem_strndup(text, n);

	editor_paste_hook(&e->view, copy, n);
}

static void act_goto(struct editor *e, int argc, char **argv)
{
	if (argc > 1)
		goto_cb(e, argv[1]);
	else
		ui_prompt(e->view.ui, "Go to line", "Line", "", goto_cb, e);
}

/* In the find bar the clipboard and undo keys are not the text's. */
static bool editor_action(struct view *v, int argc, char **argv)
{
	struct editor *e = of(v);
	const char *a = argv[0];

	if (e->saving)
		return true;
	if (strcmp(a, "save") == 0)
		editor_disk_save(e, false);
	else if (strcmp(a, "undo") == 0 || strcmp(a, "redo") == 0)
		undo_redo(e, a[0] == 'u');
	else if (strcmp(a, "find") == 0)
		editor_find_open(e, EDITOR_BAR_FIND, argc > 1 ? argv[1] : NULL);
	else if (strcmp(a, "replace") == 0)
		editor_find_open(e, EDITOR_BAR_REPLACE, NULL);
	else if (strcmp(a, "find-next") == 0 || strcmp(a, "find-prev") == 0)
		editor_find_step(e, a[5] == 'p');
	else if (strcmp(a, "goto-line") == 0)
		act_goto(e, argc, argv);
	else if (strcmp(a, "cut") == 0 || strcmp(a, "copy") == 0)
		editor_key_clip(e, a[1] == 'u');
	else if (strcmp(a, "paste") == 0)
		clip_paste(e);
	else if (strcmp(a, "select-all") == 0) {
		e->anchor = 0;
		e->cursor = text_len(e->file->text);
		editor_moved(e);
	} else
		return false;
	return true;
}

static void editor_focus(struct view *v, bool on)
{
	if (on)
		editor_disk_check(of(v));
}

static void editor_tick(struct view *v, int64_t now_ms)
{
	editor_disk_check(of(v));
}

static const char *editor_title(struct view *v)
{
	struct editor *e = of(v);

	snprintf(e->title, sizeof(e->title), "%s%s", editor_leaf(e->file->name),
	    text_modified(e->file->text) ? " \xe2\x97\x8f" : "");
	return e->title;
}

static const char *editor_status(struct view *v)
{
	struct editor *e = of(v);
	const struct file *f = e->file;
	size_t line = 0;
	char number[24] = "?";

	if (e->saving)
		return "saving…";
	if (lines_at(f->text, e->cursor, LINES_BUDGET / 4, &line) == LINES_OK)
		snprintf(number, sizeof(number), "%zu", line + 1);
	else
		editor_index(e);
	snprintf(e->status, sizeof(e->status), "%s %s:%zu  %s%s%s%s", editor_leaf(f->name), number,
	    row_column(f->text, e->cursor, e->tab) + 1, f->binary ? "binary" : "utf-8",
	    f->bom ? " bom" : "", f->crlf ? " crlf" : "",
	    f->readonly && !f->binary ? " read-only" : "");
	return e->status;
}

static bool editor_unsaved(struct view *v)
{
	return text_modified(of(v)->file->text);
}

static bool editor_closing(struct view *v)
{
	return editor_disk_closing(of(v));
}

static json_t *editor_save(struct view *v)
{
	const char *name = of(v)->file->name;

	return utf8_valid(name, strlen(name)) ? json_pack("{s:s}", "arg", name) : NULL;
}

const struct view_ops view_editor_ops = {
	.name = "editor",
	.help = "Edit a file",
	.context = "editor",
	.place = VIEW_MAIN,
	.many = true,
	.create = editor_create,
	.free = editor_free,
	.resize = editor_resize,
	.draw = editor_draw_hook,
	.key = editor_key_hook,
	.mouse = editor_mouse_hook,
	.paste = editor_paste_hook,
	.action = editor_action,
	.focus = editor_focus,
	.tick = editor_tick,
	.title = editor_title,
	.status = editor_status,
	.unsaved = editor_unsaved,
	.closing = editor_closing,
	.save = editor_save,
};
