/*
 * From what is wanted to what a backend is told: pure functions that fill struct backend_spec.
 * Every spec is harmless by construction, and manifest_check() proves it once more before it is
 * sent: no user 0, nothing privileged (a spec cannot even say so), only mounts of its own project.
 *
 *   name                          network       user    mounts
 *   p12-prod-web-1-r4711          p12-prod      10101   edge slot, /tmp
 *   p12-prod-was-2-r7             p12-prod      10102   /tmp
 *   p12-prod-db-1-r0              p12-prod      10103   volume p12-prod-db, /tmp, /run/postgresql
 *   op31-migrate                  p12-prod      10102   /tmp
 *   p12-dev                       p12-ide       owner   workspace, home
 */
#ifndef ENGINE_MANIFEST_H
#define ENGINE_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/name.h"
#include "engine/backend.h"
#include "engine/release.h"
#include "images/stack.h"

#define MANIFEST_UID_WAS 10102
/* The database's names for the application, by turns: another password is another name's, so that both enter
 * while instances are replaced.  The first owns what is in it. */
#define MANIFEST_DB_USER "app"
#define MANIFEST_DB_OTHER "app2"

/* Borrowed throughout: valid while manifests are made. */
struct manifest {
	int64_t project;
	char name[NAME_SIZE], owner[NAME_SIZE];
	char env[8];                 /* "dev", "prod"; not used for the dev container */
	const struct stack *stack;   /* the project's */
	const struct stack *web, *db;/* services; db NULL = none */
	const struct release *release;
	const char *db_password;     /* [A-Za-z0-9]+, or NULL; of releases that have none of their own */
	const char *db_host;         /* its name for the application; NULL = "db" */
	int slot;                    /* of the edge */
	uint32_t uid, gid;           /* owner and group on the host: dev container and builds */
};

int manifest_web(const struct manifest *m, int n, struct backend_spec *out, struct cl_err *err);
int manifest_was(const struct manifest *m, int n, struct backend_spec *out, struct cl_err *err);
int manifest_db(const struct manifest *m, struct backend_spec *out, struct cl_err *err);
int manifest_migrate(const struct manifest *m, int64_t op, struct backend_spec *out,
    struct cl_err *err);
/* A job in the database's image that changes who may enter it.  let: `release` may, besides `before`; else it
 * alone. */
int manifest_login(const struct manifest *m, const struct release *before, bool let, int64_t op,
    struct backend_spec *out, struct cl_err *err);
/* With which name and password a release enters its database. */
const char *manifest_db_user(const struct release *r);
const char *manifest_db_password(const struct manifest *m, const struct release *r);
/* port 0 = the stack's */
int manifest_dev(const struct manifest *m, int port, struct backend_spec *out, struct cl_err *err);
void manifest_clear(struct backend_spec *s);

/* CL_FORBIDDEN with the reason unless the spec is harmless. */
int manifest_check(const struct backend_spec *s, struct cl_err *err);
/* Hash of everything that makes an instance what it is, but for its number and name. */
uint64_t manifest_generation(const struct backend_spec *s);

void manifest_name(char *out, size_t size, int64_t project, const char *env, const char *tier, int n,
    int release);
void manifest_network(char *out, size_t size, int64_t project, const char *env);
/* "shop.alice.lab.localhost", "shop-dev.alice.lab.localhost" for env dev. */
int manifest_host(char *out, size_t size, const char *project, const char *owner, const char *env,
    const char *domain);
/* "http://HOST/" or "http://HOST:PORT/" */
void manifest_url(char *out, size_t size, const char *host, int port);
/* Replaces a variable of that name. */
void manifest_set_var(struct backend_spec *s, const char *name, const char *value);

#endif
