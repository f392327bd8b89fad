/*
 * The editor and the disk: saving, noticing what others did to the file, the swap journal, and what
 * to do with what a dead session left.  Nothing here throws text away without having asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"
#include "tui/editor_internal.h"

#define SAVE_INLINE ((size_t)4 << 20) /* larger texts are written by a worker thread */
#define SWAP_WRITE_MS 200
#define SWAP_SYNC_MS 1000
#define RELOADED "reloaded; Ctrl-Z brings your text back"

struct save_job {
	struct editor *e;
	bool force;
	int rc;
	enum file_state state;
	struct cl_err err;
};

static void saved(struct editor *e, struct save_job *j);
static void reload_now(struct editor *e, const char *said);
static void free_rest(struct editor *e);

/* ---- saving ---- */

static void save_work_cb(void *arg)
{
	struct save_job *j = arg;

	j->rc = file_save(j->e->file, j->force, &j->state, &j->err);
}

static void save_done_cb(void *arg)
{
	struct save_job *j = arg;
	struct editor *e = j->e;

	e->saving = false;
	if (e->dead)
		free_rest(e);
	else
		saved(e, j);
	mem_free(j);
}

void editor_disk_save(struct editor *e, bool force)
{
	struct save_job *j;

	if (e->saving || !editor_may_edit(e))
		return;
	j = mem_alloc(sizeof(*j));
	j->e = e;
	j->force = force;
	if (text_len(e->file->text) <= SAVE_INLINE) {
		save_work_cb(j);
		saved(e, j);
		mem_free(j);
		return;
	}
	e->saving = true;
	view_redraw(&e->view);
	ui_work_whole(e->view.ui, save_work_cb, save_done_cb, j);
}

static void overwrite_cb(void *arg, int choice)
{
	struct editor *e = arg;

	e->asking = false;
	if (choice == 0)
		editor_disk_save(e, true);
	else
		e->close_after = false;
	if (choice == 1)
		reload_now(e, RELOADED);
}

/* There is nothing to reload. */
static void anew_cb(void *arg, int choice)
{
	overwrite_cb(arg, choice == 0 ? 0 : -1);
}

static void ask_overwrite(struct editor *e, enum file_state state)
{
	static const char *const changed[] = { "&Overwrite", "&Reload", "Cancel" };
	static const char *const gone[] = { "&Write it anew", "Cancel" };
	char text[400];

	if (e->asking)
		return;
	e->asking = true;
	snprintf(text, sizeof(text), state == FILE_GONE ? "%s was removed from the disk."
	    : "%s was changed on disk since it was opened.", e->file->name);
	if (state == FILE_GONE)
		ui_choose(e->view.ui, "Save", text, gone, 2, anew_cb, e);
	else
		ui_choose(e->view.ui, "Save", text, changed, 3, overwrite_cb, e);
}

static void saved(struct editor *e, struct save_job *j)
{
	view_redraw(&e->view);
	if (j->rc < 0 && j->err.code == CL_CONFLICT && j->state != FILE_SAME) {
		ask_overwrite(e, j->state);
		return;
	}
	if (j->rc < 0) { /* the old file is whole, the text is still here, and so is its journal */
		e->close_after = false;
		ui_message_err(e->view.ui, &j->err);
		return;
	}
	e->gone = false;
	if (e->swap)
		swap_saved(e->swap);
	ui_message(e->view.ui, UI_INFO, "saved %s", e->file->name);
	if (e->close_after)
		ui_close(e->view.ui, &e->view);
}

/* ---- changes on disk ---- */

static void reload_now(struct editor *e, const char *said)
{
	struct cl_err err = { 0 };
	bool fresh = false;

	if (file_reload(e->file, clock_ms(), &fresh, &err) < 0) {
		ui_message_err(e->view.ui, &err);
		return;
	}
	if (fresh && e->swap)
		swap_renew(e->swap);
	if (fresh)
		editor_new_text(e);
	else if (e->swap)
		swap_saved(e->swap);
	if (e->cursor > text_len(e->file->text))
		e->cursor = text_len(e->file->text);
	e->anchor = e->want = EDITOR_NONE;
	ui_message(e->view.ui, UI_INFO, "%s: %s", e->file->name, fresh ? "reloaded" : said);
	editor_moved(e);
}

static void changed_cb(void *arg, int choice)
{
	struct editor *e = arg;

	e->asking = false;
	if (choice == 0)
		reload_now(e, RELOADED);
}

/* Time of the last change on disk, so that one that was answered is not asked about again. */
static struct timespec disk_time(const struct editor *e)
{
	struct timespec none = { 0 };
	struct stat st;

	return path_stat(e->file->root, e->file->name, &st, NULL) == 0 ? st.st_mtim : none;
}

void editor_disk_check(struct editor *e)
{
	static const char *const choices[] = { "&Reload", "&Keep mine" };
	enum file_state state;
	struct timespec now;
	char text[400];

	if (e->saving || e->asking)
		return;
	state = file_check(e->file);
	if (state == FILE_GONE && !e->gone)
		ui_message(e->view.ui, UI_WARN, "%s was removed from the disk; its text is still here",
		    e->file->name);
	e->gone = state == FILE_GONE;
	if (state != FILE_CHANGED)
		return;
	now = disk_time(e);
	if (now.tv_sec == e->kept.tv_sec && now.tv_nsec == e->kept.tv_nsec)
		return;
	e->kept = now;
	if (!text_modified(e->file->text)) {
		reload_now(e, "changed on disk, reloaded");
		return;
	}
	e->asking = true;
	snprintf(text, sizeof(text), "%s was changed on disk, and you have changes that are not saved.",
	    e->file->name);
	ui_choose(e->view.ui, "Changed on disk", text, choices, 2, changed_cb, e);
}

/* ---- the swap journal ---- */

static void sync_cb(void *arg)
{
	int *fd = arg;

	fdatasync(*fd);
}

static void sync_done_cb(void *arg)
{
	int *fd = arg;

	close(*fd);
	mem_free(fd);
}

/* fdatasync may take long on a busy disk: a worker does it, on a descriptor of its own. */
static void sync_later(struct editor *e)
{
	int fd = swap_fd(e->swap), *copy;

	if (fd == -1 || (fd = fcntl(fd, F_DUPFD_CLOEXEC, 3)) == -1)
		return;
	copy = mem_alloc(sizeof(*copy));
	*copy = fd;
	ui_work(e->view.ui, sync_cb, sync_done_cb, copy);
	e->synced_ms = clock_ms();
}

static void swap_cb(void *arg)
{
	struct editor *e = arg;
	struct cl_err err = { 0 };
	bool failed = false;

	if (e->saving)
		return;
	ui_timer_stop(e->swap_timer);
	e->swap_timer = NULL;
	failed = swap_write(e->swap, &err) < 0;
	if ((failed || swap_full(e->swap)) && !e->swap_warned) {
		e->swap_warned = true;
		ui_message(e->view.ui, UI_WARN, "unsaved changes of %s are no longer journalled (%s): "
		    "save soon", e->file->name, failed ? err.message : "the journal is full");
	}
	if (clock_ms() - e->synced_ms >= SWAP_SYNC_MS)
		sync_later(e);
}

void editor_disk_changed(struct editor *e)
{
	if (e->swap && !e->swap_timer)
		e->swap_timer = ui_timer_start(e->view.ui, SWAP_WRITE_MS, SWAP_WRITE_MS, swap_cb, e);
}

static void recover_cb(void *arg, int choice)
{
	struct editor *e = arg;
	struct cl_err err = { 0 };

	e->asking = false;
	if (choice == 1)
		swap_discard(e->swap_dir, e->file);
	if (choice != 0)
		return;
	if (swap_recover(e->swap_dir, e->file, clock_ms(), &err) < 0) {
		ui_message_err(e->view.ui, &err);
		editor_moved(e);
		return;
	}
	/* The new journal is on disk before the old one goes. */
	if (swap_write(e->swap, &err) == 0 && !swap_full(e->swap))
		swap_discard(e->swap_dir, e->file);
	ui_message(e->view.ui, UI_INFO, "%s: unsaved text is back; Ctrl-Z shows what is on disk",
	    e->file->name);
	e->cursor = e->cursor < text_len(e->file->text) ? e->cursor : text_len(e->file->text);
	editor_moved(e);
	ui_focus(e->view.ui, &e->view);
}

static void ask_recover_cb(void *arg)
{
	static const char *const choices[] = { "&Recover", "&Discard", "Decide &later" };
	struct editor *e = arg;
	char text[400];

	ui_timer_stop(e->swap_timer);
	e->swap_timer = NULL;
	e->asking = true;
	snprintf(text, sizeof(text), "A session that ended suddenly left unsaved changes of %s.",
	    e->file->name);
	ui_choose(e->view.ui, "Unsaved text", text, choices, 3, recover_cb, e);
}

void editor_disk_open(struct editor *e)
{
	cl_autofree char *dir = mem_printf("%s/swap", ui_info(e->view.ui)->home);
	enum swap_found found;

	if (mkdirat(AT_FDCWD, dir, 0700) < 0 && errno != EEXIST)
		ui_message(e->view.ui, UI_WARN, "no swap journal: %s", strerror(errno));
	e->swap_dir = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (e->swap_dir == -1 || e->file->readonly)
		return;
	found = swap_find(e->swap_dir, e->file);
	e->swap = swap_new(e->swap_dir, e->file);
	if (found == SWAP_DEAD)
		e->swap_timer = ui_timer_start(e->view.ui, 1, 0, ask_recover_cb, e);
	else if (found == SWAP_ALIVE)
		ui_message(e->view.ui, UI_WARN, "%s is being edited in another session too",
		    e->file->name);
}

/* ---- closing ---- */

static void close_cb(void *arg, int choice)
{
	struct editor *e = arg;

	e->asking = false;
	if (choice == 0) {
		e->close_after = true;
		editor_disk_save(e, false);
	} else if (choice == 1) {
		text_set_saved(e->file->text); /* so that its journal goes too */
		ui_close(e->view.ui, &e->view);
	}
}

bool editor_disk_closing(struct editor *e)
{
	static const char *const choices[] = { "&Save", "&Discard", "Cancel" };
	char text[400];

	if (e->saving)
		return false;
	if (!text_modified(e->file->text))
		return true;
	if (e->asking)
		return false;
	e->asking = true;
	snprintf(text, sizeof(text), "%s has changes that are not saved.", e->file->name);
	ui_choose(e->view.ui, "Close", text, choices, 3, close_cb, e);
	return false;
}

void editor_disk_free(struct editor *e)
{
	ui_timer_stop(e->swap_timer);
	e->swap_timer = NULL;
	if (e->saving)
		e->dead = true; /* save_done_cb() goes on */
	else
		free_rest(e);
}

/* A text with unsaved changes that goes (the session ends) leaves its journal for the next one. */
static void free_rest(struct editor *e)
{
	swap_free(e->swap, text_modified(e->file->text));
	if (e->swap_dir != -1)
		close(e->swap_dir);
	file_free(e->file);
	mem_free(e);
}
