/*
 * The roll of live sessions, as the engine asks the gateway's listener for it (engine/api/auth_proto.h):
 * a question goes out on the loop's thread, a worker waits for the end of its answer.
 *
 *     roll_ask() or roll_kick() --> worker: roll_wait() --> loop: roll_take(), roll_free()
 */
#ifndef ENGINE_ROLL_H
#define ENGINE_ROLL_H

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"
#include "base/ipc.h"
#include "base/name.h"

#define ROLL_AT_ONCE 8 /* questions that are open; each holds a worker */

struct engine;
struct roll;

struct roll_session { /* which one; owner and project are "" of a home screen */
	uid_t uid;
	char owner[NAME_SIZE], project[NAME_SIZE];
};

/* Loop's thread.  m becomes the message that the caller sends (auth_tell()).  NULL with err when too
 * much is asked already.  uid 0: of everyone. */
struct roll *roll_ask(struct ipc_out *m, uid_t uid, struct cl_err *err);
/* door: of its doors this one, 0 = all of them, -1 = the session itself.  text is for who is there. */
struct roll *roll_kick(struct ipc_out *m, const struct roll_session *s, int door, const char *text,
    struct cl_err *err);
/* Worker: until the answer is whole, 6 s at most.  0, or -1 with what the listener said. */
int roll_wait(struct roll *q, struct cl_err *err);
/* Loop's thread, after roll_wait(): the rows as a JSON array (schema Session), the caller's. */
json_t *roll_take(struct roll *q);
void roll_free(struct roll *q); /* NULL is fine */

/* "alice", "alice+shop", "alice+bob:shop" */
void roll_name(const char *user, const char *owner, const char *project, char *out, size_t size);

/* From the listener: one session, the end.  Loop's thread; 0, or -1 malformed.  An answer to nothing
 * that is asked (any more) is dropped. */
int roll_row(struct engine *e, struct ipc_in *in);
int roll_done(struct ipc_in *in);
/* The listener went away: nothing will answer what is open. */
void roll_lost(void);

#endif
