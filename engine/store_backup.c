/* A copy of the database; see store_backup.h. */
#include "engine/store_backup.h"

#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>
#include "base/mem.h"

static int store_backup_fail(sqlite3 *db, struct cl_err *err)
{
	err_set(err, CL_UNAVAILABLE, "backup: the database cannot be copied: %s", sqlite3_errmsg(db));
	return err_hint(err, "Free some space on the disk that holds the state, then try again");
}

static int store_backup_run(sqlite3 *to, sqlite3 *from, struct cl_err *err)
{
	sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
	int rc;

	if (b == NULL)
		return store_backup_fail(to, err);
	do {
		rc = sqlite3_backup_step(b, -1);
		if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
			(void)sqlite3_sleep(20);
	} while (rc == SQLITE_BUSY || rc == SQLITE_LOCKED);
	if (sqlite3_backup_finish(b) != SQLITE_OK || rc != SQLITE_DONE)
		return store_backup_fail(to, err);
	/* one file: no log beside it */
	if (sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) != SQLITE_OK)
		return store_backup_fail(to, err);
	return 0;
}

int store_backup_copy(const char *from, const char *to, struct cl_err *err)
{
	cl_autofree char *part = mem_printf("%s.part", to);
	sqlite3 *a = NULL, *b = NULL;
	int rc = 0;

	(void)unlink(part);
	if (sqlite3_open_v2(from, &a, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
		rc = store_backup_fail(a, err);
	else if (sqlite3_open_v2(part, &b, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
	    SQLITE_OK)
		rc = store_backup_fail(b, err);
	if (rc == 0)
		(void)sqlite3_busy_timeout(a, 5000);
	if (rc == 0)
		rc = store_backup_run(b, a, err);
	(void)sqlite3_close(b);
	(void)sqlite3_close(a);
	if (rc == 0 && rename(part, to) < 0)
		rc = err_errno(err, CL_UNAVAILABLE, "backup: %s", to);
	if (rc != 0)
		(void)unlink(part);
	return rc;
}
