/*
 * What was open, in a small file for each project:
 *
 *    [{"view":"editor","arg":"shop/views.py","shown":true}, {"view":"terminal","arg":""}]
 *
 * The file is the user's own and may hold anything: only views that can be open many times are
 * taken, as many as there is room for, and names are opened beneath the workspace like any other.
 */
#include "tui/tabs.h"

#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/path.h"
#include "tui/ui.h"
#include "tui/ui_internal.h"
#include "tui/view_table.h"

#define FILE_MAX 65536
#define TABS_MAX 32
#define TERMINALS_MAX 6

static char *file_name(const struct ui *ui)
{
	return mem_printf("tabs-%lld.json", (long long)ui->info->project_id);
}

static json_t *collect(struct ui *ui)
{
	json_t *list = json_array();

	for (struct view *v = NULL; (v = ui_next(ui, v));) {
		json_t *o = v->ops->many && v->ops->save ? v->ops->save(v) : NULL;
		if (!o)
			continue;
		json_object_set_new(o, "view", json_string(v->ops->name));
		if (ui->current[v->ops->place] == v)
			json_object_set_new(o, "shown", json_true());
		json_array_append_new(list, o);
	}
	return list;
}

static int write_whole(int dir, const char *name, const char *text, struct cl_err *err)
{
	struct path_save save;
	size_t n = strlen(text);

	if (path_save_begin(&save, dir, name, err) < 0)
		return -1;
	if (write(save.fd, text, n) != (ssize_t)n) {
		path_save_abort(&save);
		return -1;
	}
	return path_save_commit(&save, NULL, err);
}

void tabs_save(struct ui *ui)
{
	struct cl_err err = { 0 };
	cl_autofree char *name = file_name(ui), *text = NULL;
	json_t *list;
	int dir = ui->info->project_id ? path_root(ui->info->home, &err) : -1;

	if (dir < 0)
		return;
	list = collect(ui);
	text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	if (text && strlen(text) < FILE_MAX)
		write_whole(dir, name, text, &err);
	close(dir);
}

static bool there(struct ui *ui, const char *name)
{
	struct cl_err err = { 0 };
	struct stat st;

	return name[0] && ui->info->root >= 0 && path_stat(ui->info->root, name, &st, &err) == 0 &&
	       S_ISREG(st.st_mode);
}

static struct view *reopen(struct ui *ui, json_t *o, int *terminals)
{
	const char *name = json_string_value(json_object_get(o, "view"));
	const char *arg = json_string_value(json_object_get(o, "arg"));

	if (!name || !arg)
		return NULL;
	if (strcmp(name, "editor") == 0 && there(ui, arg))
		return ui_open(ui, name, arg, false);
	/* the first terminal is opened anyway */
	if (strcmp(name, "terminal") == 0 && !*arg && ++*terminals > 1 && *terminals <= TERMINALS_MAX)
		return ui_open(ui, name, "", false);
	return NULL;
}

void tabs_restore(struct ui *ui)
{
	struct cl_err err = { 0 };
	cl_autofree char *name = file_name(ui), *text = NULL;
	struct view *shown = NULL;
	int dir = path_root(ui->info->home, &err), terminals = 0;
	json_t *list, *o;
	size_t i, n;

	if (dir < 0)
		return;
	text = path_read(dir, name, FILE_MAX, &n, &err);
	close(dir);
	list = text ? json_loadb(text, n, 0, NULL) : NULL;
	json_array_foreach(list, i, o)
	{
		struct view *v = i < TABS_MAX ? reopen(ui, o, &terminals) : NULL;
		if (v && v->ops->place == VIEW_MAIN && json_is_true(json_object_get(o, "shown")))
			shown = v;
	}
	json_decref(list);
	if (shown)
		ui->current[VIEW_MAIN] = shown;
	ui->redraw = ui->redraw_all = ui->arrange = true;
}
