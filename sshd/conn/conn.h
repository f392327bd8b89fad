/*
 * The connection process (codinglab-conn): one SSH client, served by libssh without any right of
 * its own.  It asks the listener for everything over the monitor (base/monitor.h).
 *
 *   client ==TCP== libssh --- channels --- pump --- door (session), pipes or terminal (program)
 *                    |                      |
 *                  login <----- link -----> listener
 *
 * Rules that keep it bounded: nothing is read from a door or program while its channel cannot take
 * it (remote window used up, or bytes pending in libssh); nothing is taken from libssh while the
 * program does not read, so the client's window closes; counters cap the rest.
 */
#ifndef SSHD_CONN_CONN_H
#define SSHD_CONN_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include "base/monitor.h"
#include "sshd/conn/rekey.h"

#define CONN_TCP_FD 3
#define CONN_MON_FD 4
#define CONN_KEY_FD 5
#define CONN_PREAUTH_BYTES (256 * 1024)
#define CONN_AS_BEFORE (64UL << 20) /* bytes of address space before authentication */
#define CONN_AS_AFTER (192UL << 20)
#define CONN_BACKLOG_MAX (2u << 20) /* bytes a channel may hold that its program did not take */

struct conn {
	/* from SETUP */
	uint32_t uid, gid, tries, grace_ms;
	char chroot[512];
	char address[64];
	int64_t started;           /* monotonic ms */
	ssh_bind bind;
	ssh_session session;
	ssh_event event;
	struct ssh_counter_struct counter;
	struct rekey rekey;
	bool kex_done, authed;
	bool over;                 /* leave the loop */
	bool closing;              /* end when the channels have ended */
	bool orphan;               /* the listener is gone: what is open goes on, nothing new */
	unsigned failures;         /* answers "no" so far */
	unsigned questions;        /* asked so far, offers included */
	const char *violation;     /* what the client did that no client does, or NULL */
};

extern struct conn conn;

#endif
