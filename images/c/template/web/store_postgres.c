#include "store.h"

#include <libpq-fe.h>
#include <stdio.h>

static void *open_server(const char *url)
{
	PGconn *db = PQconnectdb(url);

	if (PQstatus(db) == CONNECTION_OK)
		return db;
	fprintf(stderr, "database: %s", PQerrorMessage(db));
	PQfinish(db);
	return NULL;
}

static void close_server(void *db)
{
	PQfinish(db);
}

static bool finish(PGconn *db, PGresult *r, store_name_cb *cb, void *arg)
{
	ExecStatusType status = PQresultStatus(r);
	bool ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;

	if (!ok)
		fprintf(stderr, "database: %s", PQerrorMessage(db));
	for (int i = 0; ok && cb && i < PQntuples(r); i++)
		cb(arg, PQgetisnull(r, i, 0) ? NULL : PQgetvalue(r, i, 0));
	PQclear(r);
	return ok;
}

static bool rows(void *db, const char *sql, store_name_cb *cb, void *arg)
{
	return finish(db, PQexec(db, sql), cb, arg);
}

static bool exec(void *db, const char *sql)
{
	return rows(db, sql, NULL, NULL);
}

static bool add(void *db, const char *name)
{
	return finish(db, PQexecParams(db, "INSERT INTO item (name) VALUES ($1)", 1, NULL, &name,
	    NULL, NULL, 0), NULL, NULL);
}

static bool broken(void *db)
{
	return PQstatus(db) != CONNECTION_OK;
}

const struct store_driver store_postgres = {
	open_server, close_server, exec, add, rows, broken, "SERIAL PRIMARY KEY"
};
