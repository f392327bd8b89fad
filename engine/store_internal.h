/* Shared by store*.c only: the handle behind store.h. */
#ifndef ENGINE_STORE_INTERNAL_H
#define ENGINE_STORE_INTERNAL_H

#include <sqlite3.h>
#include <stdbool.h>
#include "engine/store.h"

#define STORE_STATEMENTS 512 /* slots of the cache; a power of two */

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
	int nslots;
	struct store_slot slot[STORE_STATEMENTS];
};

#endif
