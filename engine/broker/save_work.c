/* The workspace's half of a save: see save.h. */
#include "engine/broker/save.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/screen.h"
#include "engine/broker/commit.h"
#include "engine/broker/container.h"
#include "engine/broker/diff.h"
#include "engine/broker/files.h"
#include "engine/broker/tarball.h"
#include "engine/broker/tree_scan.h"

#define EMPTY "save-base"
#define LEFT_OUT_LINES 20

struct work {
	const struct save *s;
	char work[PLACE_PATH], home[PLACE_PATH];
	int parent;         /* tar with the manifest of the save before; -1 = none */
	int tar, report;    /* what the child makes */
	int spool;
	struct line *line;
	int left_out;
};

static void left_out_cb(void *arg, const char *path, const char *what)
{
	struct work *w = arg;
	cl_autofree char *safe = screen_safe_dup(path, strlen(path), 0);
	cl_autofree char *text = mem_printf("left out: %s is %s", safe, what);

	if (++w->left_out <= LEFT_OUT_LINES)
		line_text(w->line->sock, text, strlen(text));
}

static int read_parent(int fd, struct tree *t, struct cl_err *err)
{
	struct tarball *in = fd < 0 ? NULL : tarball_open(fd, false, err);
	cl_autofree char *text = NULL;
	struct tarball_entry e;
	size_t len = 0;
	int rc = -1;

	memset(t, 0, sizeof(*t));
	if (!in)
		return fd < 0 ? 0 : -1;
	if (tarball_next(in, &e, err) == 1)
		text = tarball_read_all(in, TREE_TEXT, &len, err);
	if (text)
		rc = tree_read(t, text, len, err);
	tarball_close(in, NULL);
	return rc;
}

static int scan(struct work *w, struct tree_scan *scan, struct cl_err *err)
{
	cl_autoclose int work = path_root(w->work, err);
	cl_autoclose int home = work < 0 ? -1 : path_root(w->home, err);
	cl_autoclose int dir = home < 0 ? -1 : path_open_dir(work, ".", err);

	if (dir < 0 || tree_scan_add(scan, dir, "work", err) < 0)
		return -1;
	for (size_t i = 0; save_home[i]; i++) {
		cl_autofree char *prefix = mem_printf("home/%s", save_home[i]);
		cl_autoclose int part = path_open_dir(home, save_home[i], NULL);
		size_t before = scan->tree.n;

		if (part >= 0 && tree_scan_add(scan, part, prefix, err) < 0)
			return -1;
		/* An empty folder is as good as none. */
		if (scan->tree.n == before + 1)
			tree_drop_last(&scan->tree);
	}
	tree_sort(&scan->tree);
	return 0;
}

static int put_list(struct tarball *out, const struct tree *t, struct cl_err *err)
{
	/* Its own time is fixed: the container engine gives the folder the hour otherwise. */
	struct tarball_entry folder = {.name = "objects", .type = 'd', .mode = 0700};
	struct buf text;
	int rc;

	buf_init(&text, TREE_TEXT);
	rc = tree_print(t, &text);
	if (rc < 0)
		err_set(err, CL_QUOTA, "save: the list of files is too long");
	if (rc == 0)
		rc = tarball_put_text(out, "manifest", text.data, text.len, err);
	buf_clear(&text);
	return rc < 0 ? -1 : tarball_put(out, &folder, err);
}

static int put_report(const struct work *w, const struct tree_scan *scan, const struct tree *was,
    struct cl_err *err)
{
	char now[TREE_HASH], before[TREE_HASH] = "";
	json_t *j;
	int rc;

	tree_hash(&scan->tree, now);
	if (w->parent >= 0)
		tree_hash(was, before);
	j = json_pack("{s:s, s:b, s:b, s:I, s:I, s:I, s:i, s:o}", "tree", now, "same",
	    strcmp(now, before) == 0, "whole", w->parent < 0, "files", (json_int_t)scan->tree.files, "bytes",
	    (json_int_t)scan->tree.bytes, "written", (json_int_t)scan->written, "left_out",
	    w->left_out, "work", diff_tree(was, &scan->tree));
	rc = json_dumpfd(j, w->report, JSON_COMPACT);
	json_decref(j);
	return rc == 0 ? 0 : err_errno(err, CL_FAILED, "save: its report");
}

/* As the project's owner. */
static int scan_cb(void *arg, struct cl_err *err)
{
	struct work *w = arg;
	struct tree_scan s = {.max_bytes = w->s->max_bytes, .max_files = w->s->max_files,
	    .spool = w->spool, .left_out = left_out_cb, .arg = w};
	struct tree was;
	int rc = read_parent(w->parent, &was, err);

	for (size_t i = 0; rc == 0 && i < was.n; i++)
		if (was.items[i].type == 'f')
			tree_set_add(&s.known, was.items[i].hash);
	if (rc == 0)
		s.out = tarball_create(w->tar, false, err);
	if (rc < 0 || !s.out)
		return -1;
	rc = scan(w, &s, err);
	if (rc == 0)
		rc = put_list(s.out, &s.tree, err);
	if (rc == 0)
		rc = tarball_close(s.out, err);
	if (rc == 0)
		rc = put_report(w, &s, &was, err);
	tree_clear(&was);
	tree_scan_clear(&s);
	return rc;
}

/* The image without a file that all workspaces' images begin with. */
static int ensure_empty(const struct broker *b, struct cl_err *err)
{
	struct tarball_entry folder = {.name = "objects", .type = 'd', .mode = 0700};
	char url[DOCKER_URL], ref[256];
	cl_autoclose int fd = -1;
	struct tarball *t;
	int rc;

	place_image(&b->place, EMPTY, NULL, ref, sizeof(ref));
	docker_url(url, "/images/%s/json", ref);
	if (docker_call(&b->docker, "GET", url, NULL, NULL, NULL) == 200)
		return 0;
	fd = save_spool(b, err);
	t = fd < 0 ? NULL : tarball_create(fd, false, err);
	if (!t)
		return -1;
	rc = tarball_put(t, &folder, err);
	if (tarball_close(t, err) < 0 || rc < 0 || lseek(fd, 0, SEEK_SET) != 0)
		return -1;
	ref[strcspn(ref, ":")] = '\0';
	docker_url(url, "/images/create?fromSrc=-&repo=%s&tag=latest&changes=LABEL%%20codinglab.image="
	    EMPTY, ref);
	return docker_send_fd(&b->docker, "POST", url, "application/x-tar", fd, NULL, err) == 200 ? 0
	    : err_set(err, CL_FAILED, "save: the image to begin with was not made");
}

/* A scratch container of the image to build on, and that image's manifest when there is one. */
static int begin(const struct broker *b, struct work *w, char name[80], struct cl_err *err)
{
	const struct save *s = w->s;

	if (s->parent[0] && save_scratch(b, s->parent, s->project, s->op, "work", name, NULL) == 0) {
		w->parent = save_fetch(b, name, "/manifest", TREE_TEXT + 65536, err);
		return w->parent < 0 ? -1 : 0;
	}
	/* The one before is gone: this one holds everything. */
	return ensure_empty(b, err) < 0 ? -1
	    : save_scratch(b, EMPTY, s->project, s->op, "work", name, err);
}

static int commit(const struct broker *b, const struct work *w, const char *name, const char *id,
    struct save_made *made, struct cl_err *err)
{
	char url[DOCKER_URL], full[PLACE_NAME];
	struct commit c;

	place_container(&b->place, name, full);
	docker_url(url, "/containers/%s/archive?path=/", full);
	if (lseek(w->tar, 0, SEEK_SET) != 0 ||
	    docker_send_fd(&b->docker, "PUT", url, "application/x-tar", w->tar, NULL, err) != 200)
		return err_set(err, CL_FAILED, "save: the files were not taken by the container engine");
	commit_begin(&c);
	return commit_run(b, &c, name, id, NULL, w->parent >= 0 ? w->s->parent : EMPTY, made->work,
	    sizeof(made->work), err);
}

static int run(const struct broker *b, struct work *w, struct save_made *made, struct cl_err *err)
{
	char name[80], id[64];
	json_t *report;

	if (begin(b, w, name, err) < 0)
		return -1;
	w->tar = save_spool(b, err);
	w->spool = w->tar < 0 ? -1 : save_spool(b, err);
	w->report = w->spool < 0 ? -1 : save_spool(b, err);
	if (w->report < 0 || files_as(w->s->uid, w->s->gid, scan_cb, w, err) < 0)
		return -1;
	report = save_take_json(w->report);
	if (!report)
		return err_set(err, CL_FAILED, "save: no report came of the files");
	json_object_update(made->report, report);
	json_decref(report);
	snprintf(id, sizeof(id), "work/%s", w->s->name);
	if (w->parent < 0 || !json_is_true(json_object_get(made->report, "same")))
		return commit(b, w, name, id, made, err);
	/* The tree is the one of the save before: its image gets one more name. */
	mem_copy_str(made->work, sizeof(made->work), w->s->parent);
	return save_tag(b, w->s->parent, id, err);
}

int save_work_run(const struct broker *b, const struct save *s, struct line *out,
    struct save_made *made, struct cl_err *err)
{
	struct work w = {.s = s, .parent = -1, .tar = -1, .report = -1, .spool = -1, .line = out};
	const int *fds[] = {&w.parent, &w.tar, &w.report, &w.spool};
	int rc;

	place_work(&b->place, s->project, w.work);
	place_home(&b->place, s->project, w.home);
	rc = run(b, &w, made, err);
	for (size_t i = 0; i < CL_COUNT(fds); i++)
		if (*fds[i] >= 0)
			close(*fds[i]);
	return rc;
}
