/*
 * The engine as its clients see it: calls, the event stream and executions, over the unix socket: `socket`
 * is the path of the HTTP one, and what goes over the wire are messages on the one beside it
 * (engine/api/call_proto.h), so that a session needs no HTTP library.
 * Blocking calls serve verbs (one process or worker thread each); a struct client serves a libuv
 * loop.  Paths are those of engine/api/routes.def.  JSON values given as `body` are stolen.
 */
#ifndef ENGINE_CLIENT_CLIENT_H
#define ENGINE_CLIENT_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "base/err.h"

/* Blocking: 0 with *reply (caller decrefs; may be NULL where none), or -1 with the engine's error.
 * An engine that does not answer is CL_UNAVAILABLE with the fix.  Thread-safe. */
int client_call(const char *socket, const char *method, const char *path, json_t *body,
    json_t **reply, struct cl_err *err);

/* On a loop. */
struct client;
/* reply is borrowed; exactly one of reply and err is there. */
typedef void client_reply_cb(void *arg, json_t *reply, const struct cl_err *err);
struct client *client_new(uv_loop_t *loop, const char *socket);
void client_free(struct client *c);
uint64_t client_start(struct client *c, const char *method, const char *path, json_t *body,
    client_reply_cb *cb, void *arg);
void client_cancel(struct client *c, uint64_t id);

/* Events: reconnects by itself with growing pauses (0.25 s to 5 s) and Last-Event-ID.  state is
 * told true when the stream is up, false with the reason when it is cut. */
struct client_events;
typedef void client_event_cb(void *arg, const char *type, json_t *event);
typedef void client_state_cb(void *arg, bool up, const struct cl_err *why);
struct client_events *client_events_open(struct client *c, const char *query, int64_t since,
    client_event_cb *event, client_state_cb *state, void *arg);
void client_events_close(struct client_events *e);
/*
 * Blocking: follow the stream at path ("/v1/events?op=7") and give each event to the callback until
 * that returns nonzero (returns 0), *cancelled is set, or timeout_ms have passed (CL_TIMEOUT; 0 =
 * none).  A cut stream is taken up again where it was; a refusal by the engine ends it.
 */
typedef int client_follow_cb(void *arg, const char *type, json_t *event);
int client_events_follow(const char *socket, const char *path, int64_t since, int64_t timeout_ms,
    volatile int *cancelled, client_follow_cb *event, void *arg, struct cl_err *err);

/* Executions.  client_exec_open presents a ticket (blocking, some ms); on success fds[0..2]: with a
 * tty all three are the same descriptor.  control carries RESIZE, SIGNAL and EXITED.
 * client_exec_give offers three pipes (borrowed) beside it: where the program could have them for
 * its own stdin, stdout and stderr, given is true and fds are -1.
 * client_exec_socket is for a program that hands its socket out (codinglab-pty dial, listen): where it
 * could, socket is true and fds[0] is that; else there are three pipes as with client_exec_open. */
struct client_exec {
	int control;
	int fds[3];
	bool tty, given, socket;
	char *early;       /* output that came already; heap, may be NULL */
	size_t early_len;
};
int client_exec_open(struct client_exec *x, const char *socket, const char *ticket,
    struct cl_err *err);
int client_exec_give(struct client_exec *x, const char *socket, const char *ticket,
    const int pipes[3], struct cl_err *err);
int client_exec_socket(struct client_exec *x, const char *socket, const char *ticket,
    struct cl_err *err);
int client_exec_resize(struct client_exec *x, int rows, int cols);
int client_exec_signal(struct client_exec *x, const char *name);
/* Non-blocking: 1 ended (*status 0..255, *signal), 0 not yet, -1 connection lost. */
int client_exec_ended(struct client_exec *x, int *status, int *signal);
/* Blocking: until it ended well (0), or -1 with what the broker says. */
int client_exec_wait(struct client_exec *x, struct cl_err *err);
void client_exec_close(struct client_exec *x);

/* Percent-encode one path segment or query value; the caller frees. */
char *client_escape(const char *s);

#endif
