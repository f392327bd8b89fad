/*
 * A release as a value: which image, on which port, with which variables.  It is a snapshot: what is
 * set later reaches only later releases, so going back to a version brings its settings back too.
 * The store keeps it as JSON (column release.config).  Pure: no store, no backend.
 */
#ifndef ENGINE_RELEASE_H
#define ENGINE_RELEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "images/stack.h"

#define RELEASE_VARS_MAX 200
#define RELEASE_VALUE_MAX 8192

struct release {
	int version;             /* 0 = none */
	char digest[128];        /* of the application image */
	int port;
	char health[128];
	char **migrate;          /* argv or NULL */
	struct stack_var *vars;  /* owned */
	size_t nvars;
	bool own;                /* the image is of the project's own Containerfile: its folder, no stack's variables */
	bool migrated;           /* its migration has run, or is not to run */
	char db_user[16], db_password[64]; /* with which it enters the database; "" = app and the environment's */
};

void release_init(struct release *r);
void release_clear(struct release *r);
/* Replaces a variable of that name.  CL_USAGE: name or value will not do. */
int release_set_var(struct release *r, const char *name, const char *value, struct cl_err *err);
/* May a project set this variable?  PORT, DATABASE_URL, HOME, CODINGLAB_*, LD_* are ours. */
int release_check_var(const char *name, const char *value, struct cl_err *err);
/* {"port":..,"health":..,"own":..,"migrate":[..],"migrated":..,"vars":{..},"db":{..}}; version and digest stand in
 * columns of their own.  The caller frees the text. */
char *release_print(const struct release *r);
int release_parse(struct release *r, const char *text, size_t len, struct cl_err *err);

#endif
