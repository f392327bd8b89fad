/*
 * Children of the listener: connections, sessions, panes, programs.  Each has a record from its
 * start to its reaping; ending one is SIGHUP or SIGTERM to its group first, SIGKILL later.
 */
#ifndef SSHD_CHILD_H
#define SSHD_CHILD_H

#include <stdint.h>
#include <sys/types.h>

enum child_kind { CHILD_CONN, CHILD_TUI, CHILD_PANE, CHILD_EXEC };

struct child {
	struct child *next;
	enum child_kind kind;
	pid_t pid;
	uid_t uid;
	int64_t kill_at;  /* monotonic ms of the SIGKILL, 0 = none planned */
	void *owner;      /* struct peer for CONN and EXEC, or NULL: nobody waits for it */
	uint32_t channel; /* EXEC */
	char *path;       /* TUI: its socket, owned */
};

struct child *child_add(enum child_kind kind, pid_t pid, uid_t uid);
/* First child for which all given apply; kind -1, pid 0 and owner NULL match any. */
struct child *child_find(int kind, pid_t pid, const void *owner);
struct child *child_next(struct child *c, int kind, const void *owner);
struct child *child_first(void);
/* Ask it to end (its whole group for EXEC) and plan the SIGKILL. */
void child_end(struct child *c, int sig, int64_t kill_at);
/* Reap all that ended; reaped is called for each before its record is freed. */
void child_reap(void (*reaped)(struct child *c, int status));
/* SIGKILL those whose time has come; ms until the next, -1 = none. */
int child_turn(int64_t now);
int child_count(int kind);
/* Drop all records; the processes are left as they are. */
void child_forget(void);

#endif
