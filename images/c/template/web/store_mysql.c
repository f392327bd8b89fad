/* MariaDB and MySQL; what a URL says is taken apart here. */
#include "store.h"

#include <mysql.h>
#include <errmsg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

static bool failed(MYSQL *db)
{
	fprintf(stderr, "database: %s\n", mysql_error(db));
	return false;
}

/* mysql://USER:PASSWORD@HOST:PORT/NAME; the parts point into text. */
static bool split(char *text, char *part[5])
{
	char *at = strrchr(text, '@'), *user = text + strlen("mysql://"), *colon, *slash;

	if (!at || at < user)
		return false;
	*at = '\0';
	part[0] = user;
	colon = strchr(user, ':');
	part[1] = colon ? colon + 1 : "";
	if (colon)
		*colon = '\0';
	part[2] = at + 1;
	slash = strchr(at + 1, '/');
	if (!slash)
		return false;
	*slash = '\0';
	part[4] = slash + 1;
	colon = strchr(at + 1, ':');
	part[3] = colon ? colon + 1 : "3306";
	if (colon)
		*colon = '\0';
	part[4][strcspn(part[4], "?")] = '\0';
	return true;
}

static void *open_server(const char *url)
{
	char *text = strdup(url), *part[5];
	MYSQL *db = mysql_init(NULL);

	if (!db || !text || !split(text, part)) {
		fprintf(stderr, "DATABASE_URL is not mysql://USER:PASSWORD@HOST:PORT/NAME\n");
	} else {
		text_unescape(part[0]);
		if (*part[1])
			text_unescape(part[1]);
		mysql_options(db, MYSQL_SET_CHARSET_NAME, "utf8mb4");
		if (mysql_real_connect(db, part[2], part[0], part[1], part[4],
		    (unsigned)strtoul(part[3], NULL, 10), NULL, 0)) {
			free(text);
			return db;
		}
		failed(db);
	}
	mysql_close(db);
	free(text);
	return NULL;
}

static void close_server(void *db)
{
	mysql_close(db);
}

static bool rows(void *db, const char *sql, store_name_cb *cb, void *arg)
{
	MYSQL_RES *r;
	MYSQL_ROW row;

	if (mysql_query(db, sql) != 0)
		return failed(db);
	r = mysql_store_result(db);
	while (r && cb && (row = mysql_fetch_row(r)))
		cb(arg, row[0]);
	mysql_free_result(r);
	return true;
}

static bool exec(void *db, const char *sql)
{
	return rows(db, sql, NULL, NULL);
}

static bool add(void *db, const char *name)
{
	MYSQL_STMT *st = mysql_stmt_init(db);
	static const char sql[] = "INSERT INTO item (name) VALUES (?)";
	MYSQL_BIND bind;
	bool ok;

	memset(&bind, 0, sizeof(bind));
	bind.buffer_type = MYSQL_TYPE_STRING;
	bind.buffer = (void *)name;
	bind.buffer_length = strlen(name);
	ok = st && mysql_stmt_prepare(st, sql, sizeof(sql) - 1) == 0 &&
	    mysql_stmt_bind_param(st, &bind) == 0 && mysql_stmt_execute(st) == 0;
	if (!ok)
		fprintf(stderr, "database: %s\n", st ? mysql_stmt_error(st) : "no memory");
	if (st)
		mysql_stmt_close(st);
	return ok;
}

static bool broken(void *db)
{
	unsigned e = mysql_errno(db);

	return e == CR_SERVER_GONE_ERROR || e == CR_SERVER_LOST;
}

const struct store_driver store_mysql = {
	open_server, close_server, exec, add, rows, broken, "SERIAL PRIMARY KEY"
};
