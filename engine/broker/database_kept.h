/* Dumps of databases that came with a restore (database.h), until their volume goes. */
#ifndef ENGINE_BROKER_DATABASE_KEPT_H
#define ENGINE_BROKER_DATABASE_KEPT_H

#include <jansson.h>

#include "engine/broker/broker.h"
#include "engine/broker/spec.h"

#define DATABASE_KEPT "databases" /* beneath state.dir */
#define DATABASE_FILE "/run/codinglab-restore.sql"

/* A dump that came with a restore into the body of the container that is to be this database. */
void database_kept_give(const struct broker *b, const struct spec *s, json_t *body);
/* The volume is gone, and with it what it was to be filled with. */
void database_kept_forget(const struct broker *b, const char *volume);

#endif
