/*
 * Live sessions, found by path: ${run}/sessions/<uid>.<owner>.<project>.sock ("-" where there is no
 * project).  A session that answers at its path is joined, otherwise one is started, so neither a
 * restart of the listener nor one of the session leaves a user without a screen.
 */
#ifndef SSHD_SESSION_H
#define SSHD_SESSION_H

#include "base/door.h"
#include "base/name.h"
#include "sshd/gateway.h"
#include "sshd/launch.h"

/* A connected door with its ADMIT sent; the caller owns it.  -1: err says why. */
int session_open(struct gateway *g, const struct launch_user *u, const struct auth_answer *at,
    enum door_mode mode, const char *address, struct cl_err *err);
/* Remove socket files that nobody answers at; returns how many sessions are alive. */
int session_sweep(const struct gateway *g);
/* Whose session, and where it is, by the name of its socket file; -1: it is none. */
struct session_name {
	uid_t uid;
	char owner[NAME_SIZE], project[NAME_SIZE]; /* both "" of a home screen */
};
int session_parse(const char *file, struct session_name *out);
/* Call cb for each socket file of a user (uid 0: everyone). */
void session_each(const struct gateway *g, uid_t uid,
    void (*cb)(void *arg, const struct session_name *name), void *arg);
/* A connection that is neither door nor question yet (base/door.h), the caller's; -1: errno. */
int session_dial(const struct gateway *g, const struct session_name *name);
/* A pidfd of its process, the caller's; -1: it is not to be found. */
int session_process(const struct gateway *g, const struct session_name *name);
/* End the sessions of a user (uid), or of everyone (uid 0): sig to each; how many. */
int session_end(const struct gateway *g, uid_t uid, int sig);

#endif
