/*
 * Members of a project in the passwd file of its dev container.  The container is made with its owner's entry
 * (container.c); programs like ssh, git and sftp-server refuse to run for a uid without one, so the
 * first program of another member brings theirs.
 */
#ifndef ENGINE_BROKER_EXEC_USER_H
#define ENGINE_BROKER_EXEC_USER_H

#include <jansson.h>

#include "engine/broker/broker.h"
#include "engine/broker/ticket.h"

/* inspected: of the ticket's container, which runs.  What fails is logged: the program runs in any case. */
void exec_user_put(const struct broker *b, const json_t *inspected, const struct ticket *t);
/* The file with an entry for this uid, or NULL where none is to be added: it has one, or the name is
 * another's.  The caller frees. */
char *exec_user_add(const char *passwd, const char *name, uint32_t uid, uint32_t gid, const char *home);

#endif
