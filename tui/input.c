/*
 * A key goes to the first of: dialog, menu, palette, (in a raw view without the prefix) the program,
 * a binding of the focused view's context, the view itself.
 */
#include "tui/input.h"

#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "tui/chrome.h"
#include "tui/doors.h"
#include "tui/dialog.h"
#include "tui/keymap.h"
#include "tui/menu.h"
#include "tui/palette.h"
#include "tui/ui.h"
#include "tui/ui_internal.h"

static void redraw_all(struct ui *ui)
{
	ui->redraw = ui->redraw_all = true;
}

/* ---- dialogs ---- */

static void call_back(struct ui_dialog *u, bool done)
{
	const char *values[DIALOG_FIELDS_MAX];
	int button = dialog_button(u->dialog);

	/* a dialog's second button says no, as Esc does */
	if (u->kind != UI_DIALOG_CHOOSE)
		done = done && button == 0;
	for (int i = 0; i < u->nfields; i++)
		values[i] = dialog_value(u->dialog, i);
	if (u->kind == UI_DIALOG_PROMPT)
		((ui_prompt_cb *)u->cb)(u->arg, done ? values[0] : NULL);
	else if (u->kind == UI_DIALOG_CHOOSE)
		((ui_choose_cb *)u->cb)(u->arg, done ? button : -1);
	else if (u->kind == UI_DIALOG_CONFIRM)
		((ui_confirm_cb *)u->cb)(u->arg, done);
	else
		((ui_form_cb *)u->cb)(u->arg, done ? values : NULL);
}

static void dialog_ended(struct ui *ui, enum dialog_state state)
{
	struct ui_dialog *u = ui->dialogs;

	redraw_all(ui);
	if (state == DIALOG_OPEN)
		return;
	ui->dialogs = u->next; /* the callback may open another one */
	call_back(u, state == DIALOG_DONE);
	dialog_free(u->dialog);
	mem_free(u);
}

/* ---- menu and palette ---- */

static void menu_ended(struct ui *ui, enum menu_state state)
{
	struct menu *m = ui->menu;

	redraw_all(ui);
	if (state == MENU_OPEN)
		return;
	ui->menu = NULL;
	if (state == MENU_CHOSEN)
		ui_command(ui, menu_text(m));
	menu_free(m);
}

static void palette_ended(struct ui *ui, enum palette_state state)
{
	struct palette *p = ui->palette;

	redraw_all(ui);
	if (state == PALETTE_OPEN)
		return;
	ui->palette = NULL;
	if (state == PALETTE_RUN)
		ui_command(ui, palette_text(p));
	palette_free(p);
}

/* ---- keys ---- */

static bool view_key(struct view *v, const struct term_key *k)
{
	return v->ops->key && v->ops->key(v, k);
}

/* In a terminal: everything but the prefix is the program's. */
static void raw_key(struct ui *ui, struct view *v, const struct term_key *k)
{
	const char *text;

	if (!ui->prefix) {
		if (key_is(k, "C-]"))
			ui_command(ui, "prefix");
		else
			view_key(v, k);
		return;
	}
	ui->prefix = false;
	redraw_all(ui);
	text = keymap_find(v->ops->context, k);
	if (key_is(k, "C-]"))
		view_key(v, k);
	else if (text)
		ui_command(ui, text);
	else if (k->code != KEYC_ESC) {
		char name[32];
		ui_message(ui, UI_INFO, "Ctrl-] %s is not bound", key_label(k, name, sizeof(name)));
	}
}

static void key(struct ui *ui, const struct term_key *k)
{
	struct view *v = ui->focused;
	const char *text;

	if (ui->message_until && ui->message_level != UI_INFO) {
		ui->message_until = 0; /* read, since a key came */
		redraw_all(ui);
	}
	if (ui->dialogs)
		dialog_ended(ui, dialog_key(ui->dialogs->dialog, k));
	else if (ui->menu)
		menu_ended(ui, menu_key(ui->menu, k));
	else if (ui->palette)
		palette_ended(ui, palette_key(ui->palette, k));
	else if (v && v->ops->raw_keys)
		raw_key(ui, v, k);
	else if ((text = keymap_find(v ? v->ops->context : "global", k)))
		ui_command(ui, text);
	else if (v)
		view_key(v, k);
}

/* ---- mouse ---- */

static void press_outside_views(struct ui *ui, const struct term_mouse *m)
{
	struct view *tab = chrome_tab_at(ui, m->y, m->x);
	char text[32];
	int which;

	if (tab)
		ui_focus(ui, tab);
	else if (m->y == 0 && (which = menu_at(m->x)) >= 0) {
		snprintf(text, sizeof(text), "menu %d", which);
		ui_command(ui, text);
	} else if (m->y == term_rows() - 1 && chrome_bar_at(ui, m->x))
		ui_command(ui, chrome_bar_at(ui, m->x));
}

static void mouse(struct ui *ui, const struct term_mouse *m)
{
	struct view *v;
	struct term_mouse inner = *m;
	bool press = m->kind == MOUSE_PRESS;

	if (ui->dialogs) {
		const struct rect *r = &ui->dialogs->rect;
		if (press)
			dialog_ended(ui,
			    dialog_mouse(ui->dialogs->dialog, m->y - r->y, m->x - r->x));
		return;
	}
	if (ui->menu) {
		if (press)
			menu_ended(ui, menu_mouse(ui->menu, m->y, m->x));
		return;
	}
	if (ui->palette) {
		palette_ended(ui, palette_mouse(ui->palette, m, term_rows(), term_cols()));
		return;
	}
	v = chrome_view_at(ui, m->y, m->x);
	if (ui->popup && v != ui->current[VIEW_POPUP]) {
		if (press && ui->focused == ui->current[VIEW_POPUP])
			ui_command(ui, "close"); /* pressed beside it */
		return;
	}
	if (!v) {
		if (press)
			press_outside_views(ui, m);
		return;
	}
	if (press && v != ui->focused)
		ui_focus(ui, v);
	inner.y -= v->rect.y;
	inner.x -= v->rect.x;
	if (v->ops->mouse)
		v->ops->mouse(v, &inner);
}

static void paste(struct ui *ui, const char *text, size_t n)
{
	struct view *v = ui->focused;

	if (ui->dialogs)
		dialog_paste(ui->dialogs->dialog, text, n);
	else if (ui->palette)
		palette_paste(ui->palette, text, n);
	else if (v && v->ops->paste)
		v->ops->paste(v, text, n);
	redraw_all(ui);
}

void input_event(struct ui *ui, const struct term_event *ev)
{
	if (ev->kind == TERM_KEY)
		key(ui, &ev->key);
	else if (ev->kind == TERM_MOUSE && doors_mouse(ui->doors))
		mouse(ui, &ev->mouse);
	else if (ev->kind == TERM_PASTE)
		paste(ui, ev->paste, ev->paste_len);
}
