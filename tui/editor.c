/* What the files of the editor view share: the cursor, edits, line numbers, how a file is typed. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "editor/lines.h"
#include "editor/row.h"
#include "tui/editor_internal.h"

const char *editor_leaf(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

static void on_change_cb(void *arg, size_t pos, size_t del, size_t ins)
{
	struct editor *e = arg;

	/* What is above the screen moved: keep showing the same rows. */
	if (pos + del <= e->top && pos < e->top)
		e->top = e->top - del + ins;
	else if (pos < e->top)
		e->top = pos;
	if (e->index_timer == NULL)
		e->indexed = false;
	editor_disk_changed(e);
}

void editor_moved(struct editor *e)
{
	e->follow = true;
	view_redraw(&e->view);
}

bool editor_may_edit(struct editor *e)
{
	if (e->saving)
		ui_message(e->view.ui, UI_WARN, "%s is being saved", editor_leaf(e->file->name));
	else if (e->file->readonly)
		ui_message(e->view.ui, UI_WARN, "%s is %s", editor_leaf(e->file->name),
		    e->file->binary ? "a binary file, shown read-only" : "read-only");
	else
		return true;
	return false;
}

bool editor_replace(struct editor *e, size_t pos, size_t del, const char *ins, size_t n)
{
	struct cl_err err = { 0 };

	if (text_delete(e->file->text, pos, del, &err) < 0 ||
	    text_insert(e->file->text, pos, ins, n, &err) < 0) {
		ui_message_err(e->view.ui, &err);
		return false;
	}
	e->cursor = pos + n;
	e->anchor = e->want = EDITOR_NONE;
	editor_moved(e);
	return true;
}

bool editor_selection(const struct editor *e, size_t *start, size_t *end)
{
	if (e->anchor == EDITOR_NONE || e->anchor == e->cursor)
		return false;
	*start = e->anchor < e->cursor ? e->anchor : e->cursor;
	*end = e->anchor < e->cursor ? e->cursor : e->anchor;
	return true;
}

static void index_cb(void *arg)
{
	struct editor *e = arg;
	size_t line = e->go_line, count;
	bool done;

	if (e->saving)
		return;
	done = lines_count(e->file->text, LINES_BUDGET, &count) == LINES_OK;
	if (done) {
		ui_timer_stop(e->index_timer);
		e->index_timer = NULL;
		e->indexed = true;
		view_redraw(&e->view);
	}
	if (line != EDITOR_NONE) {
		e->go_line = EDITOR_NONE;
		editor_goto_line(e, line);
	}
}

void editor_index(struct editor *e)
{
	if (!e->index_timer && !e->indexed)
		e->index_timer = ui_timer_start(e->view.ui, 5, 5, index_cb, e);
}

void editor_goto_line(struct editor *e, size_t line)
{
	size_t pos = 0, count = 0;

	switch (lines_pos(e->file->text, line, LINES_BUDGET, &pos)) {
	case LINES_MORE:
		e->go_line = line;
		e->indexed = false;
		editor_index(e);
		return;
	case LINES_NONE:
		lines_count(e->file->text, SIZE_MAX, &count);
		ui_message(e->view.ui, UI_WARN, "the last line is %zu", count);
		pos = row_start(e->file->text, text_len(e->file->text));
		break;
	case LINES_OK:
		break;
	}
	e->cursor = pos;
	e->anchor = e->want = EDITOR_NONE;
	editor_moved(e);
}

void editor_listen(struct editor *e)
{
	text_listen(e->file->text, on_change_cb, e);
}

void editor_new_text(struct editor *e)
{
	size_t len = text_len(e->file->text);

	editor_listen(e);
	e->cursor = e->cursor < len ? e->cursor : len;
	e->top = row_start(e->file->text, e->top);
	e->anchor = e->want = e->go_line = EDITOR_NONE;
	e->indexed = false;
	e->find.running = e->find.all = false;
	editor_moved(e);
}

/* TABs or spaces, and how wide: what the file does, else what its kind does. */
void editor_guess_indent(struct editor *e)
{
	static const char *const two[] = { ".js", ".ts", ".css", ".html", ".json", ".yml", ".yaml",
					   ".rb", ".vue", ".xml" };
	static const char *const tabs[] = { ".go", ".mk", ".c", ".h" };
	const char *name = editor_leaf(e->file->name), *dot = strrchr(name, '.');
	char head[8192];
	size_t n = text_copy(e->file->text, 0, head, sizeof(head));

	e->tab = 4;
	e->spaces = true;
	for (size_t i = 0; dot && i < CL_COUNT(two); i++)
		if (strcmp(dot, two[i]) == 0)
			e->tab = 2;
	for (size_t i = 0; dot && i < CL_COUNT(tabs); i++)
		if (strcmp(dot, tabs[i]) == 0)
			e->spaces = false;
	if (strcmp(name, "Makefile") == 0 || strcmp(name, "makefile") == 0)
		e->spaces = false;
	for (size_t i = 1; i < n; i++) {
		if (head[i - 1] == '\n' && head[i] == '\t')
			e->spaces = false;
		if (head[i - 1] == '\n' && head[i] == '\t')
			break;
	}
	if (!e->spaces)
		e->tab = 8;
}
