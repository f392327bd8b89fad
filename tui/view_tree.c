/*
 * The project's files.  A folder is read when it is opened, on a worker thread, so 100,000 entries
 * stop nothing; open folders are watched (inotify, else looked at about once a second) because
 * programs in the container change them all the time.
 *
 *        ▾ shop                 Enter opens a file, folds or unfolds a folder
 *          ▸ config             n N new file, folder;  r rename;  Ctrl-D delete;  . dotfiles
 *            views.py
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/utf8.h"
#include "editor/swap.h"
#include "tui/tree_internal.h"
#include "tui/ui.h"

#define RESCAN_MS 150
#define WATCHES_MAX 512
#define EVENTS (IN_CREATE | IN_DELETE | IN_MOVE | IN_ONLYDIR | IN_EXCL_UNLINK)

struct tree {
	struct view view;          /* first */
	struct tree_node *root;
	struct tree_node **rows;   /* owned array */
	size_t nrows, chosen, top;
	bool dotfiles;
	bool polled;               /* no inotify: look at folders in tick() */
	int notify, nwatches;
	struct tree_node *watched[WATCHES_MAX];
	struct ui_watch *watch;
	struct ui_timer *timer;    /* stale folders wait for it */
	struct tree_node *acted;   /* what the dialog that is open is about */
	char *want;                /* a new entry's name, to be chosen once it is read */
	int jobs;                  /* worker jobs under way */
	bool dead;                 /* freed meanwhile: the last job frees the rest */
};

struct job {
	struct tree *t;
	int root;                  /* of the project; the worker must not look into t */
	char path[TREE_PATH_MAX];
	bool remove;
	struct tree_list list;
	struct cl_err err;
	int rc;
};

static void load(struct tree *t, struct tree_node *n);

static struct tree *of(struct view *v)
{
	return (struct tree *)v;
}

/* ---- rows ---- */

static struct tree_node *chosen(const struct tree *t)
{
	return t->chosen < t->nrows ? t->rows[t->chosen] : NULL;
}

static void rows_again(struct tree *t)
{
	struct tree_node *was = chosen(t);
	size_t at = t->chosen;

	mem_free(t->rows);
	t->nrows = tree_rows_make(t->root, t->dotfiles, &t->rows);
	for (size_t i = 0; was && i < t->nrows; i++)
		if (t->rows[i] == was)
			at = i;
	t->chosen = at < t->nrows ? at : t->nrows > 0 ? t->nrows - 1 : 0;
	view_redraw(&t->view);
}

static void choose(struct tree *t, const struct tree_node *n)
{
	for (size_t i = 0; i < t->nrows; i++)
		if (t->rows[i] == n)
			t->chosen = i;
	view_redraw(&t->view);
}

/* ---- watching ---- */

static void unwatch(struct tree *t, struct tree_node *n)
{
	for (int i = 0; i < t->nwatches; i++) {
		if (t->watched[i] != n)
			continue;
		if (n->watch != -1)
			inotify_rm_watch(t->notify, n->watch);
		t->watched[i] = t->watched[--t->nwatches];
		break;
	}
	n->watch = -1;
}

/* A node leaves: whoever points at it or into it must forget it. */
static void gone_cb(void *arg, struct tree_node *n)
{
	struct tree *t = arg;

	for (int i = t->nwatches - 1; i >= 0; i--) {
		struct tree_node *w = t->watched[i];

		while (w && w != n)
			w = w->parent;
		if (w)
			unwatch(t, t->watched[i]);
	}
	for (struct tree_node *a = t->acted; a; a = a->parent)
		if (a == n)
			t->acted = NULL;
	for (size_t i = 0; i < t->nrows; i++)
		for (struct tree_node *r = t->chosen == i ? t->rows[i] : NULL; r; r = r->parent)
			if (r == n)
				t->rows[i] = NULL;
}

/* The folder is watched through its descriptor: no name is resolved a second time. */
static void watch(struct tree *t, struct tree_node *n, const char *path)
{
	char fd_name[64];
	int fd;

	if (n->watch != -1 || t->notify == -1)
		return;
	if (t->nwatches == WATCHES_MAX ||
	    (fd = path_open_dir(ui_info(t->view.ui)->root, path, NULL)) == -1) {
		t->polled = true;
		return;
	}
	snprintf(fd_name, sizeof(fd_name), "/proc/self/fd/%d", fd);
	n->watch = inotify_add_watch(t->notify, fd_name, EVENTS);
	if (n->watch == -1)
		t->polled = true;
	else
		t->watched[t->nwatches++] = n;
	close(fd);
}

static void rescan_cb(void *arg)
{
	struct tree *t = arg;

	ui_timer_stop(t->timer);
	t->timer = NULL;
	if (t->root->stale)
		load(t, t->root);
	for (int i = 0; i < t->nwatches; i++)
		if (t->watched[i]->stale)
			load(t, t->watched[i]);
}

static void rescan(struct tree *t, struct tree_node *n)
{
	n->stale = true;
	if (!t->timer)
		t->timer = ui_timer_start(t->view.ui, RESCAN_MS, 0, rescan_cb, t);
}

static void notify_cb(void *arg, int fd, int events)
{
	char bytes[16384] __attribute__((aligned(8)));
	struct tree *t = arg;
	ssize_t n = read(fd, bytes, sizeof(bytes));

	for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= n;) {
		const struct inotify_event *ev = (const struct inotify_event *)(bytes + at);

		at += (ssize_t)(sizeof(*ev) + ev->len);
		for (int i = 0; i < t->nwatches; i++)
			if (t->watched[i]->watch == ev->wd || ev->mask & IN_Q_OVERFLOW)
				rescan(t, t->watched[i]);
	}
}

/* ---- reading folders ---- */

static struct tree_node *lookup(struct tree *t, const char *path)
{
	struct tree_node *n = t->root;
	cl_autofree char *copy = mem_strdup(path);
	char *rest = copy, *part;

	while (n && (part = strsep(&rest, "/")) != NULL)
		if (part[0] != '\0')
			n = tree_node_kid(n, part);
	return n;
}

static void free_tree(struct tree *t)
{
	tree_node_free(t->root);
	mem_free(t->rows);
	mem_free(t->want);
	mem_free(t);
}

static void list_work_cb(void *arg)
{
	struct job *j = arg;

	if (j->remove)
		j->rc = path_remove(j->root, j->path, &j->err);
	else
		j->rc = tree_list_read(&j->list, j->root, j->path, &j->err);
}

static void take_list(struct tree *t, struct tree_node *n, struct job *j)
{
	n->loading = false;
	mem_free(n->error);
	n->error = NULL;
	if (j->rc < 0)
		n->error = mem_strdup(j->err.message);
	tree_node_merge(n, &j->list, gone_cb, t);
	rows_again(t);
	if (t->want && tree_node_kid(n, t->want)) {
		choose(t, tree_node_kid(n, t->want));
		mem_free(t->want);
		t->want = NULL;
	}
	if (n->stale)
		rescan(t, n);
}

static void list_done_cb(void *arg)
{
	struct job *j = arg;
	struct tree *t = j->t;
	struct tree_node *n = t->dead ? NULL : lookup(t, j->path);

	t->jobs--;
	if (n && !j->remove)
		take_list(t, n, j);
	else if (!t->dead && j->remove && j->rc < 0)
		ui_message_err(t->view.ui, &j->err);
	if (!t->dead && j->remove && n && n->parent)
		rescan(t, n->parent);
	tree_list_clear(&j->list);
	mem_free(j);
	if (t->dead && t->jobs == 0)
		free_tree(t);
}

static void start_job(struct tree *t, const char *path, bool remove)
{
	struct job *j = mem_alloc(sizeof(*j));

	j->t = t;
	j->root = ui_info(t->view.ui)->root;
	j->remove = remove;
	mem_copy_str(j->path, sizeof(j->path), path);
	t->jobs++;
	ui_work(t->view.ui, list_work_cb, list_done_cb, j);
}

static void load(struct tree *t, struct tree_node *n)
{
	char path[TREE_PATH_MAX];

	if (n->loading)
		return;
	n->stale = false;
	if (!tree_node_path(n, path, sizeof(path))) {
		ui_message(t->view.ui, UI_WARN, "%s: nested too deep to open here", n->name);
		n->open = false;
		return;
	}
	n->loading = true;
	watch(t, n, path); /* before reading: nothing between is missed */
	start_job(t, path, false);
}

/* ---- what the user does ---- */

static void fold(struct tree *t, struct tree_node *n, bool open)
{
	if (n->kind != TREE_DIR || n->open == open)
		return;
	n->open = open;
	if (open)
		load(t, n);
	else
		unwatch(t, n);
	rows_again(t);
}

static void open_node(struct tree *t, struct tree_node *n)
{
	char path[TREE_PATH_MAX];

	if (n->kind == TREE_DIR)
		fold(t, n, !n->open);
	else if (tree_node_path(n, path, sizeof(path)))
		ui_open(t->view.ui, "editor", path, true);
}

/* The folder in which something new is made: the chosen one if open, else the one it lies in. */
static struct tree_node *folder(struct tree *t)
{
	struct tree_node *n = chosen(t);

	if (!n)
		return t->root;
	return n->kind == TREE_DIR && n->open ? n : n->parent;
}

/* A name that was typed, below the folder acted on; false when it says nothing or too much. */
static bool typed_path(struct tree *t, struct tree_node *dir, const char *text, char *out)
{
	size_t n;

	if (!text || !text[0] || !dir)
		return false;
	if (!tree_node_path(dir, out, TREE_PATH_MAX - 1) ||
	    (n = strlen(out)) + strlen(text) + 2 > TREE_PATH_MAX) {
		ui_message(t->view.ui, UI_WARN, "the name is too long");
		return false;
	}
	if (strchr(text, '/') != NULL) {
		ui_message(t->view.ui, UI_WARN, "a name must not contain '/'");
		return false;
	}
	snprintf(out + n, TREE_PATH_MAX - n, "%s%s", n > 0 ? "/" : "", text);
	return true;
}

static void made(struct tree *t, struct tree_node *dir, const char *name)
{
	mem_free(t->want);
	t->want = mem_strdup(name);
	load(t, dir);
}

static void new_file_cb(void *arg, const char *text)
{
	struct tree *t = arg;
	struct cl_err err = { 0 };
	char path[TREE_PATH_MAX];

	if (!typed_path(t, t->acted, text, path))
		return;
	if (path_create(ui_info(t->view.ui)->root, path, &err) < 0) {
		ui_message_err(t->view.ui, &err);
		return;
	}
	made(t, t->acted, text);
	ui_open(t->view.ui, "editor", path, true);
}

static void new_dir_cb(void *arg, const char *text)
{
	struct tree *t = arg;
	struct cl_err err = { 0 };
	char path[TREE_PATH_MAX];

	if (!typed_path(t, t->acted, text, path))
		return;
	if (path_mkdir(ui_info(t->view.ui)->root, path, &err) < 0)
		ui_message_err(t->view.ui, &err);
	else
		made(t, t->acted, text);
}

static void rename_cb(void *arg, const char *text)
{
	struct tree *t = arg;
	struct cl_err err = { 0 };
	char from[TREE_PATH_MAX], to[TREE_PATH_MAX];

	if (!t->acted || !tree_node_path(t->acted, from, sizeof(from)) ||
	    !typed_path(t, t->acted->parent, text, to) || strcmp(from, to) == 0)
		return;
	if (path_rename(ui_info(t->view.ui)->root, from, to, &err) < 0)
		ui_message_err(t->view.ui, &err);
	else
		made(t, t->acted->parent, text);
}

static void delete_cb(void *arg, bool yes)
{
	struct tree *t = arg;
	char path[TREE_PATH_MAX];

	if (yes && t->acted && tree_node_path(t->acted, path, sizeof(path)))
		start_job(t, path, true);
}

static void ask_new(struct tree *t, bool dir)
{
	t->acted = folder(t);
	ui_prompt(t->view.ui, dir ? "New folder" : "New file", "Name", "",
	    dir ? new_dir_cb : new_file_cb, t);
}

static void ask_rename(struct tree *t, struct tree_node *n)
{
	bool plain = utf8_valid(n->name, strlen(n->name));

	for (const char *p = n->name; *p; p++)
		plain = plain && (unsigned char)*p >= ' ' && *p != 0x7f;
	t->acted = n;
	ui_prompt(t->view.ui, "Rename", "New name", plain ? n->name : "", rename_cb, t);
}

static void ask_delete(struct tree *t, struct tree_node *n)
{
	char text[600];

	t->acted = n;
	snprintf(text, sizeof(text), n->kind == TREE_DIR ? "Delete the folder %s and all that is in it?"
	    : "Delete %s?", n->name);
	ui_confirm(t->view.ui, "Delete", text, NULL, delete_cb, t);
}

static size_t page(const struct tree *t)
{
	return t->view.rect.h > 2 ? (size_t)t->view.rect.h - 1 : 1;
}

static bool list_action(struct tree *t, const char *a)
{
	size_t last = t->nrows > 0 ? t->nrows - 1 : 0, n = strcmp(a, "list-down") == 0 ||
	    strcmp(a, "list-up") == 0 ? 1 : page(t);

	if (strcmp(a, "list-down") == 0 || strcmp(a, "list-page-down") == 0)
		t->chosen = t->chosen + n < last ? t->chosen + n : last;
	else if (strcmp(a, "list-up") == 0 || strcmp(a, "list-page-up") == 0)
		t->chosen = t->chosen > n ? t->chosen - n : 0;
	else if (strcmp(a, "list-first") == 0)
		t->chosen = 0;
	else if (strcmp(a, "list-last") == 0)
		t->chosen = last;
	else
		return false;
	view_redraw(&t->view);
	return true;
}

static void fold_or_leave(struct tree *t, struct tree_node *n)
{
	if (n->kind == TREE_DIR && n->open)
		fold(t, n, false);
	else if (n->parent && n->parent->parent)
		choose(t, n->parent);
}

static bool tree_action(struct view *v, int argc, char **argv)
{
	struct tree *t = of(v);
	struct tree_node *n = chosen(t);
	const char *a = argv[0];

	if (list_action(t, a))
		return true;
	if (strcmp(a, "tree-new-file") == 0 || strcmp(a, "tree-new-dir") == 0) {
		ask_new(t, a[9] == 'd');
		return true;
	}
	if (strncmp(a, "tree-", 5) != 0)
		return false;
	if (!n)
		return true;
	if (strcmp(a, "tree-open") == 0)
		open_node(t, n);
	else if (strcmp(a, "tree-fold") == 0)
		fold_or_leave(t, n);
	else if (strcmp(a, "tree-unfold") == 0)
		fold(t, n, true);
	else if (strcmp(a, "tree-rename") == 0)
		ask_rename(t, n);
	else if (strcmp(a, "tree-delete") == 0)
		ask_delete(t, n);
	return true;
}

static bool tree_key(struct view *v, const struct term_key *k)
{
	struct tree *t = of(v);

	if (!key_is(k, "."))
		return false;
	t->dotfiles = !t->dotfiles;
	ui_message(v->ui, UI_INFO, "names that begin with a dot are %s",
	    t->dotfiles ? "shown" : "hidden");
	rows_again(t);
	return true;
}

static bool tree_mouse(struct view *v, const struct term_mouse *m)
{
	struct tree *t = of(v);
	size_t row = t->top + (size_t)m->y;

	if (m->kind == MOUSE_WHEEL_UP || m->kind == MOUSE_WHEEL_DOWN)
		return list_action(t, m->kind == MOUSE_WHEEL_UP ? "list-up" : "list-down");
	if (m->kind != MOUSE_PRESS || m->button != 1 || row >= t->nrows)
		return false;
	t->chosen = row;
	open_node(t, t->rows[row]);
	view_redraw(v);
	return true;
}

/* ---- drawing ---- */

static void draw_node(struct tree *t, int y, int w, const struct tree_node *n, bool mine)
{
	const struct term_style *st = mine ? term_theme(THEME_SELECTED)
	    : n->kind == TREE_DIR ? term_theme(THEME_HEADING) : term_theme(THEME_TEXT);
	int x = n->depth * 2 < w - 8 ? n->depth * 2 : w > 8 ? w - 8 : 0;

	term_fill(y, 0, w, st, ' ');
	if (n->kind == TREE_DIR)
		term_fill(y, x, 1, st, n->open ? TERM_ARROW_DOWN : TERM_ARROW_RIGHT);
	x += 2;
	if (x >= w)
		return;
	x += term_text(y, x, w - x, st, n->name, -1);
	if (x + 2 > w)
		return;
	if (n->kind == TREE_LINK)
		term_text(y, x, w - x, mine ? st : term_theme(THEME_DIM), " @", -1);
	else if (n->error)
		term_text(y, x, w - x, term_theme(THEME_ERROR), " !", -1);
	else if (n->loading && !n->loaded)
		term_text(y, x, w - x, term_theme(THEME_DIM), " …", -1);
	else if (n->cut)
		term_text(y, x, w - x, term_theme(THEME_WARN), " (part)", -1);
}

static void tree_draw(struct view *v)
{
	struct tree *t = of(v);
	int h = term_height(), w = term_width();

	term_clear(term_theme(THEME_TEXT));
	if (h < 1)
		return;
	if (t->chosen < t->top)
		t->top = t->chosen;
	if (t->chosen >= t->top + (size_t)h)
		t->top = t->chosen + 1 - (size_t)h;
	if (t->nrows == 0)
		term_text(0, 1, w - 1, term_theme(THEME_DIM), t->root->error ? t->root->error
		    : t->root->loading ? "reading…" : "no files yet; n makes one", -1);
	for (int y = 0; y < h && t->top + (size_t)y < t->nrows; y++)
		draw_node(t, y, w, t->rows[t->top + (size_t)y],
		    v->focused && t->top + (size_t)y == t->chosen);
}

static const char *tree_title(struct view *v)
{
	return "Files";
}

static const char *tree_status(struct view *v)
{
	struct tree *t = of(v);
	const struct tree_node *n = chosen(t);

	return n && n->error ? n->error : "";
}

/* ---- life ---- */

/* inotify tells of every change? */
static bool tree_quiet(struct view *v)
{
	const struct tree *t = of(v);

	return !t->polled && t->notify != -1;
}

/* Only where it does not: look at folders that may have changed. */
static void tree_tick(struct view *v, int64_t now_ms)
{
	struct tree *t = of(v);
	size_t looked = 0;

	if (tree_quiet(v))
		return;
	load(t, t->root);
	for (size_t i = 0; i < t->nrows && looked < 32; i++) {
		if (t->rows[i]->kind == TREE_DIR && t->rows[i]->open) {
			load(t, t->rows[i]);
			looked++;
		}
	}
}

static void reopen_cb(void *arg, const char *name)
{
	struct view *v = arg;

	ui_open(v->ui, "editor", name, false);
}

/* Files that a dead session left unsaved are opened again; the editor then offers their text. */
static void recover_cb(void *arg)
{
	struct tree *t = arg;
	const struct ui_info *info = ui_info(t->view.ui);
	cl_autofree char *dir = mem_printf("%s/swap", info->home);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	ui_timer_stop(t->timer);
	t->timer = NULL;
	if (fd != -1) {
		swap_list(fd, info->root, reopen_cb, &t->view);
		close(fd);
	}
	rescan_cb(t); /* what waited for this timer */
}

static struct view *tree_create(struct ui *ui, const char *arg, struct cl_err *err)
{
	struct tree *t;

	if (ui_info(ui)->root == -1) {
		err_set(err, CL_PRECONDITION, "tree: no project is open");
		return NULL;
	}
	t = mem_alloc(sizeof(*t));
	view_init(&t->view, &view_tree_ops, ui);
	t->root = tree_node_new(NULL, "", TREE_DIR);
	t->root->open = true;
	t->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (t->notify != -1)
		t->watch = ui_watch_fd(ui, t->notify, UV_READABLE, notify_cb, t);
	load(t, t->root);
	t->timer = ui_timer_start(ui, 10, 0, recover_cb, t);
	return &t->view;
}

static void tree_free(struct view *v)
{
	struct tree *t = of(v);

	ui_timer_stop(t->timer);
	ui_unwatch(t->watch);
	if (t->notify != -1)
		close(t->notify);
	t->timer = NULL;
	t->watch = NULL;
	t->dead = true;
	if (t->jobs == 0)
		free_tree(t);
}

const struct view_ops view_tree_ops = {
	.name = "tree",
	.help = "Files of the project",
	.context = "tree",
	.place = VIEW_LEFT,
	.create = tree_create,
	.free = tree_free,
	.draw = tree_draw,
	.key = tree_key,
	.mouse = tree_mouse,
	.action = tree_action,
	.tick = tree_tick,
	.quiet = tree_quiet,
	.title = tree_title,
	.status = tree_status,
};
