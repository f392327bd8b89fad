/* One stack: what its stack.json says, read and checked field by field. */
#ifndef IMAGES_STACK_FILE_H
#define IMAGES_STACK_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define STACK_TMPS 4
#define STACK_DBS 8          /* databases that a stack can use */
#define STACK_FILE_MAX 65536 /* bytes of a stack.json */
#define STACK_ARGV_MAX 64    /* words of one command */
#define STACK_WORD_MAX 8192  /* bytes of one word */

enum stack_kind { STACK_LANGUAGE, STACK_FRAMEWORK, STACK_SERVICE, STACK_BASE };

enum stack_command {
	STACK_RUN, STACK_SERVE, STACK_BUILD, STACK_MIGRATE, STACK_TEST, STACK_REPL,
	STACK_DEBUG, STACK_LSP,
	STACK_COMMANDS
};

struct stack_image {
	char id[64];      /* "python-run"; "" = the stack has none */
	char file[64];    /* recipe in the stack's folder */
	char parent[64];  /* image id, or "" */
};

struct stack_var {
	char *name;
	char *value;
};

struct stack_version {
	char *name;
	char **argv; /* prints it, run in the built image */
};

/* How applications reach a database service; scheme "" = it is none. */
struct stack_database {
	char scheme[16]; /* of DATABASE_URL: postgres, mysql */
	int port;
};

struct stack {
	char id[32];
	char title[65];
	enum stack_kind kind;
	char summary[257];
	char parent[32];                /* stack id, or "" */
	struct stack_image dev, run;
	char **command[STACK_COMMANDS]; /* NULL-terminated argv, or NULL */
	int port;
	char health[128];               /* HTTP path, or "" */
	struct stack_var *env;
	size_t nenv;
	char **secrets;                 /* NULL-terminated names, or NULL */
	char db[32];                    /* service id its projects get by default, or "" */
	char dbs[STACK_DBS][32];        /* all it can use, db first */
	size_t ndbs;
	struct stack_database database; /* of a service */
	struct stack_version *versions;
	size_t nversions;
	char ***registries;             /* commands of the dev image that print base URLs */
	size_t nregistries;
	char *template_dir;             /* whole path, or NULL */
	uint32_t uid;                   /* of a service, 0 = not said */
	char volume[128];               /* path in the container, or "" */
	char tmp[STACK_TMPS][128];
	size_t ntmp;
	bool added;                     /* at run time: it did not come with the platform */
	char *refused;                  /* why it does not build on this lab's base (bases.h), or NULL */
};

enum stack_file { STACK_FILE_OK, STACK_FILE_NONE, STACK_FILE_BAD };

/*
 * Read folder/stack.json into *s, whose id must be the one given.  NONE: the folder has no such
 * file, *err is as it was.  BAD: err says file, field and why.  stack_file_clear() after OK.
 */
enum stack_file stack_file_load(struct stack *s, const char *folder, const char *id,
    struct cl_err *err);
void stack_file_clear(struct stack *s);
/* "framework", "migrate" */
const char *stack_file_kind(enum stack_kind kind);
const char *stack_file_command(enum stack_command command);

#endif
