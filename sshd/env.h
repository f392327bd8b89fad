/* The environment of a child, built up from nothing.  The first value of a name stays. */
#ifndef SSHD_ENV_H
#define SSHD_ENV_H

#include <stdbool.h>

#define ENV_COUNT 128

struct env {
	int n;
	char *list[ENV_COUNT + 1]; /* owned; NULL-terminated, as execve() takes it */
};

void env_init(struct env *e);
void env_clear(struct env *e);
/* 0, or -1 when the name is there already or the list is full. */
int env_set(struct env *e, const char *name, const char *value);
int env_add(struct env *e, const char *assignment); /* "NAME=value" */
const char *env_get(const struct env *e, const char *name);
/* Where this installation's parts are, so that a child finds the same ones as its parent:
 * PATH and the CODINGLAB_* options of directories and sockets. */
void env_installation(struct env *e);

#endif
