/*
 * The store's handle, transactions and statements; see store.h.  The handle is hardened: no
 * extensions, no ATTACH, schema not trusted, DEFENSIVE, limits on the length of values and of SQL.
 */
#include "engine/store.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/migrations.h"

#define STORE_STATEMENTS 512 /* slots of the cache; a power of two */
#define MARK_SIZE 20 /* bytes of the mark: digits and a newline */
#define APPLICATION_ID 0x434c6162 /* "CLab" */

struct store_slot {
	const char *sql;      /* address of the literal */
	sqlite3_stmt *stmt;
	bool busy;
};

struct store {
	sqlite3 *db;
	int depth;            /* of nested transactions */
	bool poisoned;        /* an inner one was rolled back */
	void (*notify_cb)(void *arg, bool committed);
	void *notify_arg;
	int mark_fd;          /* -1 = no mark is kept */
	int64_t marked, to_mark;
	int nslots;
	struct store_slot slot[STORE_STATEMENTS];
};

struct store_row {
	struct store *store;
	sqlite3_stmt *stmt;
	struct store_slot *slot; /* NULL: not from the cache */
	int rc;
	struct cl_err err;
};

static int open_handle(struct store *s, const char *path, struct cl_err *err);
static int harden(struct store *s, struct cl_err *err);
static int check_origin(struct store *s, struct cl_err *err);
static int migrate(struct store *s, int to, struct cl_err *err);
static void write_mark(struct store *s);
static int fail(struct store *s, int rc, struct cl_err *err);
static struct store_row *query(struct store *s, const char *sql, const char *types, va_list ap);

struct store *
store_open(const char *path, struct cl_err *err)
{
	return store_open_at(path, migrations_count, err);
}

struct store *
store_open_at(const char *path, int version, struct cl_err *err)
{
	struct store *s = mem_alloc(sizeof *s);

	s->mark_fd = -1;
	if (open_handle(s, path, err) == 0 && harden(s, err) == 0 && check_origin(s, err) == 0 &&
	    migrate(s, version, err) == 0)
		return s;
	store_close(s);
	return NULL;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	for (int i = 0; i < STORE_STATEMENTS; i++)
		sqlite3_finalize(s->slot[i].stmt);
	if (sqlite3_close(s->db) != SQLITE_OK)
		log_warn("store: closed with statements left open");
	if (s->mark_fd >= 0)
		close(s->mark_fd);
	mem_free(s);
}

int
store_version(struct store *s)
{
	return (int)store_number(s, 0, "PRAGMA user_version", "");
}

void
store_identity(struct store *s, char *out, size_t size)
{
	struct store_row *r = store_query(s, "SELECT id FROM lab", "");

	out[0] = '\0';
	if (store_next(r))
		store_copy(r, 0, out, size);
	(void)store_end(r, NULL);
}

int
store_check(struct store *s, struct cl_err *err)
{
	struct store_row *r = store_query(s, "PRAGMA quick_check(1)", "");
	char text[256] = "nothing was said";

	if (store_next(r))
		store_copy(r, 0, text, sizeof text);
	if (store_end(r, err) < 0)
		return -1;
	if (strcmp(text, "ok") != 0)
		return err_set(err, CL_FAILED, "store: the database is damaged: %s", text);
	return 0;
}

int
store_begin(struct store *s, struct cl_err *err)
{
	if (s->depth == 0) {
		if (store_run(s, err, "BEGIN IMMEDIATE", "") < 0)
			return -1;
		s->poisoned = false;
	}
	s->depth++;
	return 0;
}

int
store_commit(struct store *s, struct cl_err *err)
{
	if (s->depth <= 0)
		log_fatal("store: commit without begin");
	if (s->poisoned) {
		store_rollback(s);
		return err_set(err, CL_FAILED, "store: a part of the change failed");
	}
	if (s->depth > 1) {
		s->depth--;
		return 0;
	}
	if (store_run(s, err, "COMMIT", "") < 0) {
		store_rollback(s);
		return -1;
	}
	s->depth = 0;
	write_mark(s);
	if (s->notify_cb != NULL)
		s->notify_cb(s->notify_arg, true);
	return 0;
}

/* What it says may be behind the database, never before it: so without fsync, and a failure is no one's. */
static void
write_mark(struct store *s)
{
	char text[MARK_SIZE + 1];

	if (s->mark_fd < 0 || s->to_mark <= s->marked)
		return;
	snprintf(text, sizeof text, "%0*" PRId64 "\n", MARK_SIZE - 1, s->to_mark);
	if (pwrite(s->mark_fd, text, MARK_SIZE, 0) == MARK_SIZE)
		s->marked = s->to_mark;
}

void
store_mark(struct store *s, int64_t row)
{
	s->to_mark = row;
}

int
store_mark_open(struct store *s, const char *path, struct cl_err *err)
{
	int64_t last = store_number(s, 0, "SELECT max(id) FROM audit", "");
	char text[MARK_SIZE + 1] = "";
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_errno(err, CL_FAILED, "%s", path);
	if (pread(fd, text, MARK_SIZE, 0) == MARK_SIZE && text[MARK_SIZE - 1] == '\n' &&
	    strspn(text, "0123456789") == MARK_SIZE - 1)
		s->marked = strtoll(text, NULL, 10);
	if (s->marked > last) {
		close(fd);
		err_set(err, CL_PRECONDITION, "store: the last %" PRId64 " changes are not in the database: its log was damaged, "
		    "cut or removed", s->marked - last);
		return err_hint(err, "Restore a backup (./lab restore), or remove %s to go on without them", path);
	}
	s->mark_fd = fd;
	return 0;
}

void
store_rollback(struct store *s)
{
	struct cl_err err = {0};

	if (s->depth <= 0)
		log_fatal("store: rollback without begin");
	if (--s->depth > 0) {
		s->poisoned = true;
		return;
	}
	s->poisoned = false;
	s->to_mark = s->marked;
	/* A failed commit may have rolled back already. */
	if (!sqlite3_get_autocommit(s->db) && store_run(s, &err, "ROLLBACK", "") < 0)
		log_error("%s", err.message);
	if (s->notify_cb != NULL)
		s->notify_cb(s->notify_arg, false);
}

bool
store_busy(const struct store *s)
{
	return s->depth > 0;
}

int
store_pass(struct cl_err *err, const struct cl_err *why)
{
	if (err != NULL && err->code == CL_OK)
		*err = *why;
	return -1;
}

void
store_notify(struct store *s, void (*cb)(void *arg, bool committed), void *arg)
{
	s->notify_cb = cb;
	s->notify_arg = arg;
}

int
store_run(struct store *s, struct cl_err *err, const char *sql, const char *types, ...)
{
	struct store_row *r;
	va_list ap;

	va_start(ap, types);
	r = query(s, sql, types, ap);
	va_end(ap);
	while (store_next(r))
		;
	if (store_end(r, err) < 0)
		return -1;
	return sqlite3_changes(s->db);
}

int64_t
store_last_id(struct store *s)
{
	return sqlite3_last_insert_rowid(s->db);
}

struct store_row *
store_query(struct store *s, const char *sql, const char *types, ...)
{
	struct store_row *r;
	va_list ap;

	va_start(ap, types);
	r = query(s, sql, types, ap);
	va_end(ap);
	return r;
}

bool
store_next(struct store_row *r)
{
	if (r->rc != SQLITE_OK && r->rc != SQLITE_ROW)
		return false;
	r->rc = sqlite3_step(r->stmt);
	if (r->rc == SQLITE_ROW)
		return true;
	if (r->rc != SQLITE_DONE)
		fail(r->store, r->rc, &r->err);
	return false;
}

int
store_end(struct store_row *r, struct cl_err *err)
{
	int failed = r->err.code != CL_OK;

	if (failed && err != NULL && err->code == CL_OK)
		*err = r->err;
	if (r->slot != NULL) {
		sqlite3_reset(r->stmt);
		sqlite3_clear_bindings(r->stmt);
		r->slot->busy = false;
	} else {
		sqlite3_finalize(r->stmt);
	}
	mem_free(r);
	return failed ? -1 : 0;
}

int64_t
store_int(struct store_row *r, int column)
{
	return sqlite3_column_int64(r->stmt, column);
}

const char *
store_str(struct store_row *r, int column)
{
	const char *text = (const char *)sqlite3_column_text(r->stmt, column);

	return text == NULL ? "" : text;
}

bool
store_null(struct store_row *r, int column)
{
	return sqlite3_column_type(r->stmt, column) == SQLITE_NULL;
}

const void *
store_blob(struct store_row *r, int column, size_t *n)
{
	const void *p = sqlite3_column_blob(r->stmt, column);

	*n = (size_t)sqlite3_column_bytes(r->stmt, column);
	return p == NULL ? "" : p;
}

void
store_copy(struct store_row *r, int column, char *dst, size_t size)
{
	mem_copy_str(dst, size, store_str(r, column));
}

int64_t
store_number(struct store *s, int64_t fallback, const char *sql, const char *types, ...)
{
	struct cl_err err = {0};
	struct store_row *r;
	int64_t n = fallback;
	va_list ap;

	va_start(ap, types);
	r = query(s, sql, types, ap);
	va_end(ap);
	if (store_next(r) && !store_null(r, 0))
		n = store_int(r, 0);
	if (store_end(r, &err) < 0)
		log_error("%s", err.message);
	return n;
}

/* -- opening -- */

static int
open_handle(struct store *s, const char *path, struct cl_err *err)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;

	if (sqlite3_open_v2(path, &s->db, flags, NULL) != SQLITE_OK) {
		err_set(err, CL_FAILED, "store: cannot open %s: %s", path, sqlite3_errmsg(s->db));
		return err_hint(err, "check that the engine's account may write its folder");
	}
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, 5000);
	return 0;
}

static int
harden(struct store *s, struct cl_err *err)
{
	static const char *const pragmas[] = {
	    "PRAGMA journal_mode = WAL",
	    "PRAGMA synchronous = FULL",
	    "PRAGMA foreign_keys = ON",
	    "PRAGMA cell_size_check = ON",
	    "PRAGMA mmap_size = 0",
	    "PRAGMA temp_store = MEMORY",
	};

	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	sqlite3_limit(s->db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_limit(s->db, SQLITE_LIMIT_SQL_LENGTH, 64 * 1024);
	sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH, 8 * 1024 * 1024);
	for (size_t i = 0; i < CL_COUNT(pragmas); i++)
		if (store_run(s, err, pragmas[i], "") < 0)
			return -1;
	return 0;
}

/* A database of another program, or of a newer CodingLab, is left alone. */
static int
check_origin(struct store *s, struct cl_err *err)
{
	int64_t id = store_number(s, -1, "PRAGMA application_id", "");
	int version = store_version(s);
	int64_t tables = store_number(s, 0, "SELECT count(*) FROM sqlite_schema", "");

	if (id != APPLICATION_ID && tables > 0)
		return err_set(err, CL_PRECONDITION, "store: this database is not CodingLab's");
	if (version > migrations_count) {
		err_set(err, CL_PRECONDITION,
		    "store: the database has schema version %d, this engine knows %d: a newer CodingLab "
		    "wrote it", version, migrations_count);
		return err_hint(err, "start the newer CodingLab, or restore a backup made before");
	}
	return 0;
}

static int
step(struct store *s, const struct migrations_step *m, struct cl_err *err)
{
	char version[64];
	char *why = NULL;

	if (store_begin(s, err) < 0)
		return -1;
	/* A pragma takes no parameters; the number is ours. */
	snprintf(version, sizeof version, "PRAGMA user_version=%d;PRAGMA application_id=%d",
	    m->version, APPLICATION_ID);
	if (sqlite3_exec(s->db, m->sql, NULL, NULL, &why) != SQLITE_OK ||
	    sqlite3_exec(s->db, version, NULL, NULL, &why) != SQLITE_OK) {
		err_set(err, CL_FAILED, "store: migration %d (%s): %s", m->version, m->what,
		    why == NULL ? "failed" : why);
		sqlite3_free(why);
		store_rollback(s);
		return -1;
	}
	return store_commit(s, err);
}

static int
migrate(struct store *s, int to, struct cl_err *err)
{
	for (int i = store_version(s); i < to && i < migrations_count; i++) {
		if (step(s, &migrations_table[i], err) < 0)
			return -1;
		log_debug("store: schema %d: %s", migrations_table[i].version,
		    migrations_table[i].what);
	}
	return 0;
}

/* -- statements -- */

static int
fail(struct store *s, int rc, struct cl_err *err)
{
	const char *why = sqlite3_errmsg(s->db);

	switch (rc) {
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY:
		return err_set(err, CL_CONFLICT, "store: it exists already");
	case SQLITE_CONSTRAINT_FOREIGNKEY:
		return err_set(err, CL_CONFLICT, "store: something still refers to it");
	}
	switch (rc & 0xff) {
	case SQLITE_FULL:
	case SQLITE_IOERR:
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
		err_set(err, CL_UNAVAILABLE, "store: cannot be written: %s", why);
		return err_hint(err, "free some space on the disk that holds the state, then try again");
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(err, CL_UNAVAILABLE, "store: busy: another program holds it");
	default:
		return err_set(err, CL_FAILED, "store: %s", why);
	}
}

static struct store_slot *
find_slot(struct store *s, const char *sql)
{
	size_t i = ((uintptr_t)sql >> 3) * 0x9E3779B97F4A7C15ull >> 55;

	/* At most three quarters of the slots are used, so the walk ends. */
	while (s->slot[i].sql != NULL && s->slot[i].sql != sql)
		i = (i + 1) & (STORE_STATEMENTS - 1);
	if (s->slot[i].sql == NULL && s->nslots >= STORE_STATEMENTS * 3 / 4)
		return NULL;
	return &s->slot[i];
}

static void
prepare(struct store_row *r, const char *sql)
{
	struct store *s = r->store;
	struct store_slot *slot = find_slot(s, sql);

	if (slot != NULL && slot->stmt != NULL && !slot->busy) {
		slot->busy = true;
		r->slot = slot;
		r->stmt = slot->stmt;
		return;
	}
	r->rc = sqlite3_prepare_v3(s->db, sql, -1, slot == NULL ? 0 : SQLITE_PREPARE_PERSISTENT,
	    &r->stmt, NULL);
	if (r->rc != SQLITE_OK) {
		fail(s, r->rc, &r->err);
		return;
	}
	if (slot == NULL || slot->stmt != NULL)
		return; /* full, or the same statement is being walked further out */
	slot->sql = sql;
	slot->stmt = r->stmt;
	slot->busy = true;
	r->slot = slot;
	s->nslots++;
}

static int
bind_one(sqlite3_stmt *stmt, int at, char type, va_list *ap)
{
	const char *text;
	const void *bytes;

	switch (type) {
	case 'i':
		return sqlite3_bind_int64(stmt, at, va_arg(*ap, int64_t));
	case 's':
		text = va_arg(*ap, const char *);
		return text == NULL ? sqlite3_bind_null(stmt, at) :
		                      sqlite3_bind_text(stmt, at, text, -1, SQLITE_TRANSIENT);
	case 'b':
		bytes = va_arg(*ap, const void *);
		return sqlite3_bind_blob64(stmt, at, bytes, va_arg(*ap, size_t), SQLITE_TRANSIENT);
	case 'n':
		return sqlite3_bind_null(stmt, at);
	default:
		log_fatal("store: unknown parameter type '%c'", type);
	}
}

static struct store_row *
query(struct store *s, const char *sql, const char *types, va_list ap)
{
	struct store_row *r = mem_alloc(sizeof *r);
	va_list args;

	r->store = s;
	prepare(r, sql);
	if (r->rc != SQLITE_OK)
		return r;
	if (sqlite3_bind_parameter_count(r->stmt) != (int)strlen(types))
		log_fatal("store: wrong number of parameters for: %s", sql);
	va_copy(args, ap);
	for (int i = 0; types[i] != '\0' && r->rc == SQLITE_OK; i++)
		r->rc = bind_one(r->stmt, i + 1, types[i], &args);
	va_end(args);
	if (r->rc != SQLITE_OK)
		fail(s, r->rc, &r->err);
	return r;
}
