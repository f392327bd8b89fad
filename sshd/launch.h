/* Starting programs: connection processes, a user's programs, sessions with their panes. */
#ifndef SSHD_LAUNCH_H
#define SSHD_LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>
#include "base/err.h"
#include "base/monitor.h"
#include "base/name.h"
#include "sshd/auth.h"
#include "sshd/gateway.h"

/* Who a child is for, as the engine vouched for it. */
struct launch_user {
	int64_t id;
	char name[NAME_SIZE];
	char role[32];
	char fingerprint[128]; /* of the key that was proven, "" after a password */
	uid_t uid;
	gid_t gid;
};

/* A connection process for the TCP socket; *mon is our end of the monitor.  pid, or -1. */
pid_t launch_conn(const struct gateway *g, int tcp, int *mon, struct cl_err *err);

/*
 * `codinglab --ssh LINE` as the user.  With open->pty: fds[0] is the master of a new terminal;
 * otherwise fds are our ends of its stdin, stdout and stderr.  The caller owns them.
 */
pid_t launch_exec(const struct gateway *g, const struct launch_user *u, const struct auth_answer *at,
    const struct name_target *target, const struct monitor_msg *open, const char *line, int fds[3],
    struct cl_err *err);

/* A session and its pane on the listening socket; both pids are set, or -1 is returned. */
int launch_session(const struct gateway *g, const struct launch_user *u, const struct auth_answer *at,
    int listening, pid_t *tui, pid_t *pane, struct cl_err *err);

#endif
