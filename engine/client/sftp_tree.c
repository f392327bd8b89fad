/* Projects as folders: see sftp_tree.h. */
#include "engine/client/sftp_tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "engine/client/sftp_packet.h"

#define TREE_BASE "/workspace"
#define TREE_PAGE 100   /* names in one answer */
#define TREE_MODE 040770
#define TREE_VERSION 3
#define TREE_OPEN_WRITE 2u
#define TREE_OPEN_CREATE 8u
#define TREE_ATTR_MODE 4u
#define TREE_ATTR_TIMES 8u

enum where { TREE_ROOT, TREE_PROJECT, TREE_INSIDE };

struct place {
	enum where where;
	int folder;                       /* -1: no such project */
	char shown[SFTP_TREE_PATH];       /* "/shop/a" */
	char there[SFTP_TREE_PATH + 16];  /* "/workspace/a" */
};

struct ask {
	struct sftp_tree *t;
	struct sftp_in in;
	struct buf *out;
	struct sftp_step *step;
	enum sftp_type type;
	struct sftp_text extension;
};

/* --- paths --- */

/* Without "." and "..", beginning with a slash; false when it is too long or holds a 0. */
static bool plainest(struct sftp_text t, char out[SFTP_TREE_PATH])
{
	size_t len = 0;

	if (t.len >= SFTP_TREE_PATH - 1 || memchr(t.bytes, 0, t.len))
		return false;
	for (uint32_t i = 0, n; i < t.len; i += n) {
		const char *name = (const char *)t.bytes + i;

		for (n = 0; i + n < t.len && name[n] != '/'; n++)
			;
		if (n == 2 && memcmp(name, "..", 2) == 0) {
			while (len > 0 && out[--len] != '/')
				;
		} else if (n > 1 || (n == 1 && name[0] != '.')) {
			out[len++] = '/';
			memcpy(out + len, name, n);
			len += n;
		}
		n += n == 0 || i + n < t.len; /* and the slash */
	}
	if (len == 0)
		out[len++] = '/';
	out[len] = '\0';
	return true;
}

static int find(const struct sftp_tree *t, const char *name, size_t n)
{
	for (int i = 0; i < t->n; i++)
		if (strlen(t->folders[i].name) == n && memcmp(t->folders[i].name, name, n) == 0)
			return i;
	return -1;
}

static bool place_of(const struct sftp_tree *t, struct sftp_text text, struct place *p)
{
	size_t n;

	if (!plainest(text, p->shown))
		return false;
	n = strcspn(p->shown + 1, "/");
	p->where = n == 0 ? TREE_ROOT : p->shown[1 + n] ? TREE_INSIDE : TREE_PROJECT;
	p->folder = find(t, p->shown + 1, n);
	snprintf(p->there, sizeof(p->there), TREE_BASE "%s", n ? p->shown + 1 + n : "");
	return true;
}

/* --- answers of our own --- */

static void refuse(struct ask *a, enum sftp_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void refuse(struct ask *a, enum sftp_status status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(a->step->why, sizeof(a->step->why), fmt, ap);
	va_end(ap);
	sftp_packet_status(a->out, a->step->id, status, a->step->why);
	if (status == SFTP_NO_SUCH_FILE || status == SFTP_UNSUPPORTED || status == SFTP_EOF)
		a->step->why[0] = '\0'; /* clients say that by themselves, and ask such things all the time */
}

static void put_attrs(struct ask *a, const struct sftp_folder *f)
{
	uint32_t made = f ? (uint32_t)f->made : 0;

	sftp_packet_put_u32(a->out, TREE_ATTR_MODE | (f ? TREE_ATTR_TIMES : 0));
	sftp_packet_put_u32(a->out, TREE_MODE);
	if (f) {
		sftp_packet_put_u32(a->out, made);
		sftp_packet_put_u32(a->out, made);
	}
}

static void answer_attrs(struct ask *a, const struct sftp_folder *f)
{
	size_t mark = sftp_packet_begin(a->out, SFTP_ATTRS, a->step->id);

	put_attrs(a, f);
	sftp_packet_end(a->out, mark);
}

static void answer_path(struct ask *a, const char *path)
{
	size_t mark = sftp_packet_begin(a->out, SFTP_NAME, a->step->id);

	sftp_packet_put_u32(a->out, 1);
	sftp_packet_put_text(a->out, path);
	sftp_packet_put_text(a->out, path);
	sftp_packet_put_u32(a->out, 0);
	sftp_packet_end(a->out, mark);
}

static void answer_limits(struct ask *a)
{
	size_t mark = sftp_packet_begin(a->out, SFTP_EXTENDED_REPLY, a->step->id);
	const uint32_t limits[] = {SFTP_PACKET_MAX, SFTP_PACKET_DATA, SFTP_PACKET_DATA, 0};

	for (size_t i = 0; i < CL_COUNT(limits); i++) {
		sftp_packet_put_u32(a->out, 0);
		sftp_packet_put_u32(a->out, limits[i]);
	}
	sftp_packet_end(a->out, mark);
}

static void answer_version(struct ask *a)
{
	static const char *const extensions[] = {"posix-rename@openssh.com", "1", "statvfs@openssh.com", "2",
	    "fstatvfs@openssh.com", "2", "hardlink@openssh.com", "1", "fsync@openssh.com", "1",
	    "lsetstat@openssh.com", "1", "limits@openssh.com", "1"};
	size_t mark = sftp_packet_begin(a->out, SFTP_VERSION, TREE_VERSION);

	for (size_t i = 0; i < CL_COUNT(extensions); i++)
		sftp_packet_put_text(a->out, extensions[i]);
	sftp_packet_end(a->out, mark);
}

/* --- "/" as a list: handles are the number 0 and a place in lists --- */

static void open_list(struct ask *a)
{
	size_t mark;

	for (uint32_t i = 0; i < SFTP_TREE_LISTS; i++) {
		if (a->t->lists[i].open)
			continue;
		a->t->lists[i].open = true;
		a->t->lists[i].at = 0;
		mark = sftp_packet_begin(a->out, SFTP_HANDLE, a->step->id);
		sftp_packet_put_u32(a->out, 8);
		sftp_packet_put_u32(a->out, 0);
		sftp_packet_put_u32(a->out, i);
		sftp_packet_end(a->out, mark);
		return;
	}
	refuse(a, SFTP_FAILURE, "too many lists at once");
}

/* As `ls -l` prints it, which is what many clients show. */
static void put_folder(struct ask *a, const struct sftp_folder *f)
{
	time_t at = (time_t)f->made;
	char when[32] = "", line[3 * SFTP_TREE_NAME + 64];
	struct tm tm;

	if (gmtime_r(&at, &tm))
		strftime(when, sizeof(when), "%b %e  %Y", &tm);
	snprintf(line, sizeof(line), "drwxrwx---    1 %-8s %-8s %8d %s %s", f->owner, f->owner, 0, when,
	    f->name);
	sftp_packet_put_text(a->out, f->name);
	sftp_packet_put_text(a->out, line);
	put_attrs(a, f);
}

static void read_list(struct ask *a, int *at)
{
	int n = a->t->n - *at < TREE_PAGE ? a->t->n - *at : TREE_PAGE;
	size_t mark;

	if (n == 0) {
		refuse(a, SFTP_EOF, "end");
		return;
	}
	mark = sftp_packet_begin(a->out, SFTP_NAME, a->step->id);
	sftp_packet_put_u32(a->out, (uint32_t)n);
	for (; n > 0; n--)
		put_folder(a, &a->t->folders[(*at)++]);
	sftp_packet_end(a->out, mark);
}

static void ask_list(struct ask *a, struct sftp_in handle)
{
	uint32_t i = sftp_packet_get_u32(&handle);

	if (handle.bad || handle.left || i >= SFTP_TREE_LISTS || !a->t->lists[i].open) {
		refuse(a, SFTP_FAILURE, "no such handle");
	} else if (a->type == SFTP_CLOSE) {
		a->t->lists[i].open = false;
		sftp_packet_status(a->out, a->step->id, 0, "");
	} else if (a->type == SFTP_READDIR) {
		read_list(a, &a->t->lists[i].at);
	} else if (a->type == SFTP_FSTAT) {
		answer_attrs(a, NULL);
	} else {
		refuse(a, SFTP_FAILURE, "it is a folder");
	}
}

/* --- requests for a server --- */

static size_t begin(struct ask *a)
{
	size_t mark = sftp_packet_begin(a->out, a->type, a->step->id);

	if (a->type == SFTP_EXTENDED)
		sftp_packet_put(a->out, a->extension.bytes, a->extension.len);
	return mark;
}

/* The rest of the client's packet, as it is. */
static void finish(struct ask *a, size_t mark)
{
	buf_add(a->out, a->in.at, a->in.left);
	sftp_packet_end(a->out, mark);
}

static void to_folder(struct ask *a, const struct place *p)
{
	size_t mark = begin(a);

	a->step->kind = SFTP_TO_FOLDER;
	a->step->folder = p->folder;
	sftp_packet_put_text(a->out, p->there);
	finish(a, mark);
}

static void about_root(struct ask *a)
{
	if (a->type == SFTP_STAT || a->type == SFTP_LSTAT)
		answer_attrs(a, NULL);
	else if (a->type == SFTP_OPENDIR)
		open_list(a);
	else
		refuse(a, SFTP_DENIED, "the folders here are projects: go into one");
}

/* Is a new name wanted? */
static bool makes(const struct ask *a)
{
	struct sftp_in rest = a->in;

	return a->type == SFTP_MKDIR ||
	    (a->type == SFTP_OPEN && sftp_packet_get_u32(&rest) & (TREE_OPEN_WRITE | TREE_OPEN_CREATE));
}

static void about_project(struct ask *a, const struct place *p)
{
	if (p->folder < 0 && p->where == TREE_PROJECT && makes(a))
		refuse(a, SFTP_DENIED, "the folders here are projects: `project create` makes one");
	else if (p->folder < 0)
		refuse(a, SFTP_NO_SUCH_FILE, "%.100s: there is no such project", p->shown + 1);
	else if (a->type == SFTP_STAT || a->type == SFTP_LSTAT)
		answer_attrs(a, &a->t->folders[p->folder]);
	else if (a->type == SFTP_RMDIR || a->type == SFTP_REMOVE)
		refuse(a, SFTP_DENIED, "%s is a project: `project rm` removes it", p->shown + 1);
	else if (a->type == SFTP_MKDIR || a->type == SFTP_OPEN || a->type == SFTP_READLINK)
		refuse(a, SFTP_FAILURE, "%s is a project", p->shown + 1);
	else
		to_folder(a, p);
}

static void ask_path(struct ask *a)
{
	struct place p;

	if (!place_of(a->t, sftp_packet_get(&a->in), &p))
		refuse(a, SFTP_NO_SUCH_FILE, "no such name");
	else if (a->in.bad)
		a->step->kind = SFTP_NONSENSE;
	else if (a->type == SFTP_REALPATH)
		answer_path(a, p.shown);
	else if (p.where == TREE_ROOT)
		about_root(a);
	else if (p.where == TREE_PROJECT || p.folder < 0)
		about_project(a, &p);
	else
		to_folder(a, &p);
}

/* RENAME and its kin: both in one project, whose server then does it or refuses. */
static void ask_two(struct ask *a)
{
	const char *what = a->type == SFTP_RENAME || a->extension.bytes[0] == 'p' ? "rename" : "link";
	struct place from, to;
	size_t mark;

	if (!place_of(a->t, sftp_packet_get(&a->in), &from) || !place_of(a->t, sftp_packet_get(&a->in), &to))
		refuse(a, SFTP_NO_SUCH_FILE, "no such name");
	else if (a->in.bad)
		a->step->kind = SFTP_NONSENSE;
	else if (from.where != TREE_INSIDE && from.folder >= 0)
		refuse(a, SFTP_DENIED, "%s: projects keep their names", what);
	else if (from.folder < 0)
		refuse(a, SFTP_NO_SUCH_FILE, "no such project");
	else if (to.where != TREE_INSIDE || to.folder < 0)
		refuse(a, SFTP_DENIED, "%s: the folders of / are projects", what);
	else if (from.folder != to.folder)
		refuse(a, SFTP_FAILURE, "%s: %s and %s are two projects, each in a container of its own: "
		    "copy it, then remove it here", what, a->t->folders[from.folder].name,
		    a->t->folders[to.folder].name);
	else {
		mark = begin(a);
		a->step->kind = SFTP_TO_FOLDER;
		a->step->folder = from.folder;
		sftp_packet_put_text(a->out, from.there);
		sftp_packet_put_text(a->out, to.there);
		finish(a, mark);
	}
}

/* OpenSSH's order: what it leads to, then its own name.  The first is text, but one that begins with a
 * project's folder means what the client sees by that. */
static void ask_link(struct ask *a)
{
	struct sftp_text target = sftp_packet_get(&a->in), name = sftp_packet_get(&a->in);
	struct place to = {.folder = -1}, p;
	size_t mark;

	if (a->in.bad) {
		a->step->kind = SFTP_NONSENSE;
		return;
	}
	if (!place_of(a->t, name, &p) || p.where != TREE_INSIDE || p.folder < 0) {
		refuse(a, SFTP_DENIED, "link: not in a project");
		return;
	}
	if (target.len && target.bytes[0] == '/' && !place_of(a->t, target, &to))
		to.folder = -1;
	if (to.folder >= 0 && to.folder != p.folder) {
		refuse(a, SFTP_FAILURE, "link: %s and %s are two projects, each in a container of its own",
		    a->t->folders[p.folder].name, a->t->folders[to.folder].name);
		return;
	}
	mark = begin(a);
	a->step->kind = SFTP_TO_FOLDER;
	a->step->folder = p.folder;
	if (to.folder >= 0)
		sftp_packet_put_text(a->out, to.there);
	else
		sftp_packet_put(a->out, target.bytes, target.len);
	sftp_packet_put_text(a->out, p.there);
	finish(a, mark);
}

static void ask_handle(struct ask *a)
{
	struct sftp_text h = sftp_packet_get(&a->in);
	struct sftp_in handle = {h.bytes, h.len, false};
	uint32_t server = sftp_packet_get_u32(&handle);
	size_t mark;

	if (a->in.bad) {
		a->step->kind = SFTP_NONSENSE;
	} else if (handle.bad || h.len > SFTP_TREE_HANDLE) {
		refuse(a, SFTP_FAILURE, "no such handle");
	} else if (server == 0) {
		ask_list(a, handle);
	} else {
		mark = begin(a);
		a->step->kind = SFTP_TO_SERVER;
		a->step->server = server;
		a->step->closes = a->type == SFTP_CLOSE;
		sftp_packet_put(a->out, handle.at, handle.left);
		finish(a, mark);
	}
}

static void ask_extended(struct ask *a)
{
	static const struct {
		const char *name;
		void (*ask)(struct ask *a);
	} known[] = {{"posix-rename@openssh.com", ask_two}, {"hardlink@openssh.com", ask_two},
	    {"statvfs@openssh.com", ask_path}, {"lsetstat@openssh.com", ask_path},
	    {"fstatvfs@openssh.com", ask_handle}, {"fsync@openssh.com", ask_handle},
	    {"limits@openssh.com", answer_limits}};

	a->extension = sftp_packet_get(&a->in);
	for (size_t i = 0; i < CL_COUNT(known); i++)
		if (a->extension.len == strlen(known[i].name) &&
		    memcmp(a->extension.bytes, known[i].name, a->extension.len) == 0) {
			known[i].ask(a);
			return;
		}
	refuse(a, SFTP_UNSUPPORTED, "not known");
}

void sftp_tree_ask(struct sftp_tree *t, const uint8_t *packet, size_t n, struct buf *out,
    struct sftp_step *step)
{
	struct ask a = {.t = t, .in = {packet, n, false}, .out = out, .step = step,
	    .extension = {(const uint8_t *)"", 0}};

	*step = (struct sftp_step){.kind = SFTP_ANSWERED};
	a.type = (enum sftp_type)sftp_packet_get_byte(&a.in);
	step->id = sftp_packet_get_u32(&a.in);
	if (a.in.bad)
		step->kind = SFTP_NONSENSE;
	else if (a.type == SFTP_INIT)
		answer_version(&a);
	else if (a.type == SFTP_RENAME)
		ask_two(&a);
	else if (a.type == SFTP_SYMLINK)
		ask_link(&a);
	else if (a.type == SFTP_EXTENDED)
		ask_extended(&a);
	else if (a.type == SFTP_CLOSE || a.type == SFTP_READ || a.type == SFTP_WRITE || a.type == SFTP_FSTAT ||
	    a.type == SFTP_FSETSTAT || a.type == SFTP_READDIR)
		ask_handle(&a);
	else if (a.type >= SFTP_OPEN && a.type <= SFTP_READLINK)
		ask_path(&a);
	else
		refuse(&a, SFTP_UNSUPPORTED, "not known");
	if (out->full)
		step->kind = SFTP_NONSENSE;
}

bool sftp_tree_answer(uint32_t server, const uint8_t *packet, size_t n, struct buf *out, uint32_t *id)
{
	struct sftp_in in = {packet, n, false};
	enum sftp_type type = (enum sftp_type)sftp_packet_get_byte(&in);
	struct sftp_text handle;
	size_t mark;

	*id = sftp_packet_get_u32(&in);
	if (type == SFTP_HANDLE) {
		handle = sftp_packet_get(&in);
		if (!in.bad && handle.len <= SFTP_TREE_HANDLE - 4) {
			mark = sftp_packet_begin(out, SFTP_HANDLE, *id);
			sftp_packet_put_u32(out, handle.len + 4);
			sftp_packet_put_u32(out, server);
			buf_add(out, handle.bytes, handle.len);
			sftp_packet_end(out, mark);
			return true;
		}
	}
	sftp_packet_put_u32(out, (uint32_t)n);
	buf_add(out, packet, n);
	return false;
}
