#include "store.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TRIES 10

struct store {
	const struct store_driver *driver;
	char *url;
	pthread_key_t key; /* the connection of this thread */
};

struct connection {
	struct store *store;
	void *db;
};

/* Each runs once, in this order; add new ones at the end.  %s: the driver's id type. */
static const char *const migrations[] = {
	"CREATE TABLE item (id %s, name VARCHAR(100) NOT NULL)",
	"INSERT INTO item (name) VALUES ('a row from the database')",
};

static void hang_up(void *arg)
{
	struct connection *c = arg;

	if (c->db)
		c->store->driver->close(c->db);
	free(c);
}

/* This thread's connection; NULL when the database does not answer. */
static void *connection(struct store *s)
{
	struct connection *c = pthread_getspecific(s->key);

	if (!c) {
		c = calloc(1, sizeof(*c));
		if (!c)
			abort();
		c->store = s;
		pthread_setspecific(s->key, c);
	}
	if (c->db && s->driver->broken(c->db)) {
		s->driver->close(c->db);
		c->db = NULL;
	}
	/* while the containers of a release come and go, the database's name may not be known for a moment */
	for (int tries = 0; !c->db && tries < TRIES; tries++) {
		if (tries > 0)
			nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
		c->db = s->driver->open(s->url);
	}
	return c->db;
}

struct store *store_new(const char *url)
{
	const struct store_driver *driver = &store_sqlite;
	struct store *s;

	if (url && *url) {
		driver = strncmp(url, "mysql://", 8) == 0 ? &store_mysql
		    : strncmp(url, "postgres://", 11) == 0 || strncmp(url, "postgresql://", 13) == 0
		    ? &store_postgres : NULL;
		if (!driver) {
			fprintf(stderr, "DATABASE_URL: unknown scheme\n");
			return NULL;
		}
	} else {
		printf("DATABASE_URL is not set: items are kept in app.db\n");
		url = "app.db";
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	s->driver = driver;
	s->url = strdup(url);
	pthread_key_create(&s->key, hang_up);
	return s;
}

void store_free(struct store *s)
{
	struct connection *c = pthread_getspecific(s->key);

	if (c)
		hang_up(c);
	pthread_key_delete(s->key);
	free(s->url);
	free(s);
}

bool store_names(struct store *s, store_name_cb *cb, void *arg)
{
	void *db = connection(s);

	return db && s->driver->rows(db, "SELECT name FROM item ORDER BY id", cb, arg);
}

bool store_add(struct store *s, const char *name)
{
	void *db = connection(s);

	return db && s->driver->add(db, name);
}

static void take_number(void *arg, const char *text)
{
	*(int *)arg = text ? (int)strtol(text, NULL, 10) : 0;
}

bool store_migrate(struct store *s)
{
	int n = sizeof(migrations) / sizeof(migrations[0]), done = 0;
	void *db = connection(s);
	char sql[1024];

	if (!db || !s->driver->exec(db,
	    "CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER PRIMARY KEY)") ||
	    !s->driver->rows(db, "SELECT MAX(version) FROM schema_migrations", take_number, &done))
		return false;
	for (int i = done; i < n; i++) {
		snprintf(sql, sizeof(sql), migrations[i], s->driver->id);
		if (!s->driver->exec(db, sql))
			return false;
		snprintf(sql, sizeof(sql), "INSERT INTO schema_migrations VALUES (%d)", i + 1);
		if (!s->driver->exec(db, sql))
			return false;
	}
	printf("migrate: %d of %d were new\n", done < n ? n - done : 0, n);
	return true;
}
