#include "store.h"

#include <sqlite3.h>
#include <stdio.h>

static void *open_file(const char *path)
{
	sqlite3 *db = NULL;

	if (sqlite3_open(path, &db) != SQLITE_OK) {
		fprintf(stderr, "%s: %s\n", path, sqlite3_errmsg(db));
		sqlite3_close(db);
		return NULL;
	}
	sqlite3_busy_timeout(db, 5000);
	return db;
}

static void close_file(void *db)
{
	sqlite3_close(db);
}

/* Run what was prepared; each row's first column goes to cb. */
static bool run(sqlite3 *db, sqlite3_stmt *st, store_name_cb *cb, void *arg)
{
	int rc;

	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		if (cb)
			cb(arg, (const char *)sqlite3_column_text(st, 0));
	if (rc != SQLITE_DONE)
		fprintf(stderr, "database: %s\n", sqlite3_errmsg(db));
	sqlite3_finalize(st);
	return rc == SQLITE_DONE;
}

static bool rows(void *db, const char *sql, store_name_cb *cb, void *arg)
{
	sqlite3_stmt *st;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK) {
		fprintf(stderr, "database: %s\n", sqlite3_errmsg(db));
		return false;
	}
	return run(db, st, cb, arg);
}

static bool exec(void *db, const char *sql)
{
	return rows(db, sql, NULL, NULL);
}

static bool add(void *db, const char *name)
{
	sqlite3_stmt *st;

	if (sqlite3_prepare_v2(db, "INSERT INTO item (name) VALUES (?)", -1, &st, NULL) != SQLITE_OK)
		return false;
	sqlite3_bind_text(st, 1, name, -1, SQLITE_TRANSIENT);
	return run(db, st, NULL, NULL);
}

static bool broken(void *db)
{
	(void)db;
	return false;
}

const struct store_driver store_sqlite = {
	open_file, close_file, exec, add, rows, broken, "INTEGER PRIMARY KEY"
};
