/*
 * Databases of deployed environments in a backup and back.  A backup holds each one's own dump (codinglab-dump in its
 * image: pg_dump, mariadb-dump), made while it serves and consistent in itself, as databases/p12-prod-db.sql beneath
 * state.dir.  After a restore that file is mounted into the environment's database when it is made, whose
 * first start loads it before anybody is let in.  Files of the volume were weighed: they need the database stopped,
 * and the same version and machine later.
 */
#ifndef ENGINE_BROKER_DATABASE_H
#define ENGINE_BROKER_DATABASE_H

#include "base/err.h"
#include "engine/broker/broker.h"

#define DATABASE_DUMPS "dumps"    /* beneath state.dir: dumps that a backup is being made of */

/* Dumps of all databases that run, into dumps/; what fails is told on notes and left out. */
void database_dump_all(const struct broker *b, int notes);
/* They go. */
void database_dump_end(const struct broker *b);

#endif
