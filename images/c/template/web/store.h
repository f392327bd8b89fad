/*
 * What the web application keeps: in the database that DATABASE_URL names (postgres:// or mysql://),
 * in the file app.db without one.  Every thread has a connection of its own, made at its first use
 * and made anew when it broke.
 */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>

struct store;
typedef void store_name_cb(void *arg, const char *name);

/* What a database does.  All but open give false, with the reason on stderr. */
struct store_driver {
	void *(*open)(const char *url); /* NULL when it does not work */
	void (*close)(void *db);
	bool (*exec)(void *db, const char *sql);
	bool (*add)(void *db, const char *name);
	/* The first column of the rows, as text. */
	bool (*rows)(void *db, const char *sql, store_name_cb *cb, void *arg);
	/* Is the connection of no use any more? */
	bool (*broken)(void *db);
	const char *id; /* the type of a column that numbers its rows */
};

extern const struct store_driver store_mysql, store_postgres, store_sqlite;

/* NULL for an address that is none; url may be NULL. */
struct store *store_new(const char *url);
void store_free(struct store *s);
bool store_names(struct store *s, store_name_cb *cb, void *arg);
bool store_add(struct store *s, const char *name);
/* Brings the database to the form that the application expects; false when a step fails. */
bool store_migrate(struct store *s);

#endif
