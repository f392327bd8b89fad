/*
 * The listener's link to the engine (engine/api/auth_proto.h): questions go out with an id, answers
 * come back in any order to a callback.  When the engine is away, the link is tried again with
 * growing pauses and open questions are asked again, so a login waits out an engine's restart.
 */
#ifndef SSHD_AUTH_H
#define SSHD_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"
#include "base/ipc.h"
#include "base/name.h"

#define AUTH_GROUPS 64
#define AUTH_PATH 512

struct auth_answer {
	bool ok;
	/* to a key or password */
	int64_t user_id;
	char user[NAME_SIZE];
	uid_t uid;
	gid_t gid;
	char role[32];
	char fingerprint[128]; /* of the key, "" after a password */
	/* to a target */
	int64_t project_id;
	char owner[NAME_SIZE], project[NAME_SIZE]; /* "" = home screen */
	char home[AUTH_PATH], workspace[AUTH_PATH];
	size_t ngroups;
	gid_t groups[AUTH_GROUPS];
	struct cl_err err; /* why a target was refused */
};

struct auth;
/* Called once for each question; the answer is borrowed.  ok is false when no engine answered. */
typedef void auth_answer_cb(void *arg, const struct auth_answer *answer);
/* fingerprint: only what was opened with that key; "" = all. */
typedef void auth_revoke_cb(void *arg, int64_t user_id, const char *reason, const char *fingerprint);

/* The engine asks something of sshd/roll.h; -1: malformed. */
typedef int auth_serve_cb(void *arg, struct ipc_in *in);

/* peer: the only uid beside root that may be at the other end. */
struct auth *auth_new(const char *path, uid_t peer, auth_revoke_cb *revoke, void *arg);
void auth_serve(struct auth *a, auth_serve_cb *cb); /* with auth_new()'s arg */
/* An answer to that (copied); lost when the engine goes away meanwhile. */
void auth_reply(struct auth *a, const struct ipc_out *m);
void auth_free(struct auth *a); /* open questions get no answer */

/* Ask; each returns an id (> 0) for auth_cancel().  deadline: monotonic ms. */
int64_t auth_ask_key(struct auth *a, const char *user, const char *address, const char *key,
    bool is_signed, int64_t deadline, auth_answer_cb *cb, void *arg);
int64_t auth_ask_password(struct auth *a, const char *user, const char *address, const void *password,
    size_t len, int64_t deadline, auth_answer_cb *cb, void *arg);
int64_t auth_ask_target(struct auth *a, int64_t user_id, const char *owner, const char *project,
    int64_t deadline, auth_answer_cb *cb, void *arg);
void auth_cancel(struct auth *a, int64_t id); /* 0 is fine */
bool auth_busy(const struct auth *a); /* questions without an answer, or rows not sent yet */
/* One row for the audit log; kept (up to a bound) while the engine is away. */
void auth_note(struct auth *a, int64_t user_id, const char *user, const char *address,
    const char *kind, const char *detail);

/* For the poll loop: descriptor (-1 = none now) and events; ready() after poll; turn() each time
 * round, returns ms until it wants to be called again, -1 = when ready. */
int auth_fd(const struct auth *a, short *events);
void auth_ready(struct auth *a, short revents);
int auth_turn(struct auth *a, int64_t now);

/* Decode one packet of the engine into answer; exposed for the tests.  0, or -1 malformed. */
int auth_decode(struct ipc_in *in, int64_t *id, struct auth_answer *answer);

#endif
