/*
 * The stacks: what docs/STACKS.md calls a folder of images/, loaded from its stack.json and checked.
 * Loading is all or nothing; an error names the file and the field.  After loading a set is
 * read-only and may be used from any thread.
 */
#ifndef IMAGES_STACK_H
#define IMAGES_STACK_H

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
};

struct stack_set {
	struct stack *items; /* sorted by id */
	size_t n;
};

/* One step of building images: parents come before what is FROM them. */
struct stack_step {
	const struct stack *stack;
	const struct stack_image *image;
};

/* Load dir/<id>/stack.json of every folder that has one.  stack_clear() in any case. */
int stack_load(struct stack_set *set, const char *dir, struct cl_err *err);
void stack_clear(struct stack_set *set);
/* NULL when there is none of that id. */
const struct stack *stack_find(const struct stack_set *set, const char *id);
/* As stack_find(), but only what a project may choose: a language or a framework. */
const struct stack *stack_find_choice(const struct stack_set *set, const char *id, struct cl_err *err);
/* The database service of this id for a project of stack s; "" = its default.  NULL with CL_USAGE
 * when the stack does not know it, or has none. */
const struct stack *stack_find_db(const struct stack_set *set, const struct stack *s,
    const char *id, struct cl_err *err);
/* Which image is that; false when no stack has it. */
bool stack_find_image(const struct stack_set *set, const char *image, struct stack_step *out);
/*
 * The images to build for these ids (stacks or images; n = 0: all), each once, parents first.
 * *steps is on the heap, the caller frees it; returns how many, or -1 for an unknown id.
 */
int stack_order(const struct stack_set *set, const char *const *ids, size_t n,
    struct stack_step **steps, struct cl_err *err);
const char *stack_kind_name(enum stack_kind kind);
const char *stack_command_name(enum stack_command command);

#endif
