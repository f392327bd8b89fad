/* link: cl_engine cl_base */
/*
 * Z15: the store against a model in memory, with reads, writes and fsyncs that fail.  Each byte of the input chooses an operation
 * or a name.  What was acknowledged is there after the database is opened again, what was refused is not; a commit that
 * failed may be there or not, but whole (its two rows together).
 */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/store.h"
#include "engine/store_chat.h"
#include "engine/store_project.h"
#include "engine/store_user.h"

#define NAMES 8
#define STEPS_MAX 60
#define TEXTS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *p;
	size_t n;
};

/* ---- a file system that fails ---- */

static int fail_in; /* calls until one fails, 0 = none does */
static bool failed; /* it did */
static sqlite3_vfs *real;
static sqlite3_vfs shim;
static struct {
	sqlite3_io_methods ours;
	const sqlite3_io_methods *real;
} kinds[4]; /* files with locks, and without */

static bool fails_now(void)
{
	if (fail_in == 0 || --fail_in > 0)
		return false;
	failed = true;
	return true;
}

static const sqlite3_io_methods *real_of(const sqlite3_file *f)
{
	for (size_t i = 0; i < CL_COUNT(kinds); i++)
		if (f->pMethods == &kinds[i].ours)
			return kinds[i].real;
	abort();
}

static int write_cb(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	return fails_now() ? SQLITE_IOERR_WRITE : real_of(f)->xWrite(f, p, n, at);
}

static int sync_cb(sqlite3_file *f, int flags)
{
	return fails_now() ? SQLITE_IOERR_FSYNC : real_of(f)->xSync(f, flags);
}

static int read_cb(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	return fails_now() ? SQLITE_IOERR_READ : real_of(f)->xRead(f, p, n, at);
}

static int open_cb(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
	int rc = real->xOpen(real, name, f, flags, out);

	for (size_t i = 0; rc == SQLITE_OK && f->pMethods && i < CL_COUNT(kinds); i++) {
		if (kinds[i].real && kinds[i].real != f->pMethods)
			continue;
		kinds[i].real = f->pMethods;
		kinds[i].ours = *f->pMethods;
		kinds[i].ours.xWrite = write_cb;
		kinds[i].ours.xRead = read_cb;
		kinds[i].ours.xSync = sync_cb;
		f->pMethods = &kinds[i].ours;
		break;
	}
	return rc;
}

/* ---- the model ---- */

struct model {
	int64_t project[NAMES]; /* id, 0 = there is none */
	int state[NAMES];
	char texts[TEXTS_MAX][24];
	int ntexts;
};

static char dir[64], path[96];
static struct store *store;
static int64_t owner;
static struct model model, maybe; /* maybe: as it is when a commit that failed went through after all */
static bool unsure;

#define must(ok) ((ok) ? (void)0 : fail(__LINE__, #ok))

static void fail(int line, const char *what)
{
	fprintf(stderr, "line %d: not %s\n", line, what);
	abort();
}

static unsigned next(struct input *in)
{
	if (in->n == 0)
		return 0;
	in->n--;
	return *in->p++;
}

static const char *state_name(int state)
{
	static const char *const names[] = {"creating", "ready", "removing"};

	return names[state % 3];
}

static void project_name(char *out, size_t size, int i)
{
	snprintf(out, size, "p%d", i);
}

struct seen {
	const struct model *m;
	int projects, texts;
	bool same;
};

static int project_cb(void *arg, const struct store_project *p)
{
	struct seen *s = arg;
	int i = p->name[1] - '0';

	if (i < 0 || i >= NAMES || s->m->project[i] != p->id || strcmp(p->state, state_name(s->m->state[i])) != 0)
		s->same = false;
	s->projects++;
	return 0;
}

static int text_cb(void *arg, const struct store_message *t)
{
	struct seen *s = arg;

	if (s->texts >= s->m->ntexts || strcmp(s->m->texts[s->texts], t->text) != 0)
		s->same = false;
	s->texts++;
	return 0;
}

static bool equals(const struct model *m)
{
	struct seen s = {.m = m, .same = true};
	struct cl_err err = {0};
	int want = 0;

	for (int i = 0; i < NAMES; i++)
		want += m->project[i] != 0;
	must(store_project_each(store, owner, project_cb, &s, &err) == 0);
	if (m->project[0])
		must(store_chat_each(store, m->project[0], 0, TEXTS_MAX, text_cb, &s, &err) == 0);
	return s.same && s.projects == want && (!m->project[0] || s.texts == m->ntexts);
}

static void reopen(void)
{
	struct cl_err err = {0};

	fail_in = 0;
	store_close(store);
	store = store_open(path, &err);
	must(store != NULL && store_check(store, &err) == 0);
	if (unsure && !equals(&model))
		model = maybe;
	unsure = false;
	must(equals(&model));
}

/* One change in the model and in the store, not committed. */
static int change(struct input *in, struct model *m)
{
	unsigned what = next(in) % 5;
	int i = (int)(next(in) % NAMES);
	struct cl_err err = {0};
	char name[16];

	project_name(name, sizeof(name), i);
	if (what == 0 && !m->project[i]) {
		m->state[i] = 0;
		return store_project_add(store, owner, name, "python", "", &m->project[i], &err);
	}
	if (what == 1 && m->project[i]) {
		m->state[i] = (int)(next(in) % 3);
		return store_project_set_state(store, m->project[i], state_name(m->state[i]), &err);
	}
	if (what == 2 && m->project[i]) {
		int rc = store_project_remove(store, m->project[i], &err);

		m->project[i] = 0;
		if (i == 0)
			m->ntexts = 0;
		return rc;
	}
	if (what >= 3 && m->project[0] && m->ntexts < TEXTS_MAX) {
		int64_t id;

		snprintf(m->texts[m->ntexts], sizeof(m->texts[0]), "text %u", next(in));
		return store_chat_add(store, m->project[0], owner, "ada", m->texts[m->ntexts++], 1, &id, &err);
	}
	return 0;
}

/* Up to three changes in one transaction, given up on purpose or by a fault now and then. */
static void transaction(struct input *in)
{
	struct model after = model;
	struct cl_err err = {0};
	unsigned how = next(in);
	int rc = 0;

	if (how % 3 == 0)
		fail_in = 1 + (int)(next(in) % 24);
	failed = false;
	if (store_begin(store, &err) < 0) {
		must(failed);
		fail_in = 0;
		return;
	}
	for (unsigned i = 0; i <= how / 4 % 3 && rc == 0; i++)
		rc = change(in, &after);
	must(rc == 0 || failed);
	if (rc < 0 || how % 16 == 15) {
		store_rollback(store);
	} else if (store_commit(store, &err) == 0) {
		model = after;
	} else {
		must(failed);
		if (store_busy(store))
			store_rollback(store);
		maybe = after;
		unsure = true;
	}
	fail_in = 0;
	if (failed)
		reopen();
}

static void gone(void)
{
	const char *const ends[] = {"", "-wal", "-shm", ".mark"};
	char name[128];

	for (size_t i = 0; i < CL_COUNT(ends); i++) {
		snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		unlink(name);
	}
	rmdir(dir);
}

/* sqlite3_open_v2() of the store takes the default: ours. */
static void begin(void)
{
	log_open("fuzz", LOG_ERROR_L + 1);
	real = sqlite3_vfs_find(NULL);
	shim = *real;
	shim.zName = "faults";
	shim.xOpen = open_cb;
	must(sqlite3_vfs_register(&shim, 1) == SQLITE_OK);
	snprintf(dir, sizeof(dir), "/dev/shm/cl-fuzz-store-XXXXXX");
	must(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/db", dir);
	atexit(gone);
}

/* An empty store: what the last input left is removed, which is quicker than all migrations again. */
static void fresh(void)
{
	struct cl_err err = {0};

	memset(&model, 0, sizeof(model));
	unsure = false;
	fail_in = 0;
	if (!store) {
		store = store_open(path, &err);
		if (!store)
			fprintf(stderr, "%s\n", err.message);
		must(store != NULL);
		must(store_begin(store, &err) == 0);
		must(store_user_add(store, "ada", "developer", NULL, &owner, &err) == 0);
		must(store_commit(store, &err) == 0);
	}
	must(store_begin(store, &err) == 0);
	for (int i = 0; i < NAMES; i++) {
		char name[16];
		int64_t id;

		project_name(name, sizeof(name), i);
		if (store_project_find(store, owner, name, &id, &err) == 0)
			must(store_project_remove(store, id, &err) == 0);
		memset(&err, 0, sizeof(err));
	}
	must(store_commit(store, &err) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};

	if (!dir[0])
		begin();
	fresh();
	for (int i = 0; i < STEPS_MAX && in.n > 0; i++)
		transaction(&in);
	reopen();
	return 0;
}
