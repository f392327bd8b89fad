/*
 * The monitor: messages between a connection process (codinglab-conn, which holds the network and
 * nothing else) and the listener that started it (codinglab-sshd, root).  The connection asks, the
 * listener decides; which question is legal when is a table in sshd/phase.c, and a connection
 * that asks anything else is ended.
 *
 *   listener --SETUP--> conn         once, first
 *   conn --KEY | PASSWORD--> listener --VERDICT--> conn     one at a time, until one is a yes
 *   conn --OPEN | SWITCH--> listener --DOOR | PIPES | PTY | REFUSED--> conn     for each channel
 *   conn --SIGNAL, FORGET--> listener --EXIT--> conn
 *   listener --PING--> conn --PONG--> listener              silence ends the connection
 *
 * A channel is a number below MONITOR_CHANNELS that the connection chooses.  It is busy from OPEN
 * until FORGET, which may be sent only after the answer to OPEN came.
 */
#ifndef BASE_MONITOR_H
#define BASE_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/ipc.h"

#define MONITOR_CHANNELS 32     /* open at once on one connection, forwarded connections included */
#define MONITOR_SESSIONS 10     /* of these, screens and programs */
#define MONITOR_USER_MAX 128    /* bytes of an SSH user name that is passed on */
#define MONITOR_KEY_MAX 8192    /* bytes of "type base64" */
#define MONITOR_PASSWORD_MAX 1024
#define MONITOR_LINE_MAX 32768  /* bytes of an exec request */
#define MONITOR_TERM_MAX 64
#define MONITOR_ENV_MAX 64      /* variables */
#define MONITOR_ENV_SIZE 256    /* bytes of one "NAME=value" */
#define MONITOR_TEXT_MAX 1024   /* bytes of a reason shown to the user */

enum monitor_type {
	/* listener -> connection */
	MONITOR_SETUP = 0x300, /* u32 uid; u32 gid; str chroot; u32 tries; u32 grace ms; str address */
	MONITOR_VERDICT,       /* u32 ok */
	MONITOR_DOOR,          /* u32 channel; fd: a door (base/door.h), ADMIT already sent */
	MONITOR_PIPES,         /* u32 channel; fds: the child's stdin, stdout, stderr */
	MONITOR_PTY,           /* u32 channel; fd: the master side */
	MONITOR_REFUSED,       /* u32 channel; u32 exit code; str reason */
	MONITOR_EXIT,          /* u32 channel; u32 exit code; u32 signal (0: none); u32 core dumped */
	MONITOR_PING,          /* u32 number */
	MONITOR_CLOSE,         /* str reason, shown to the user; then the connection ends itself */
	/* connection -> listener */
	MONITOR_KEY = 0x340,   /* str user; str key; u32 signed (0: may it be used, 1: it signed) */
	MONITOR_PASSWORD,      /* str user; bytes password */
	MONITOR_OPEN,          /* u32 channel; u32 exec (0: shell, 1: exec); str line; u32 pty;
	                          u32 rows; u32 cols; str term; u32 n; n x { str "NAME=value" } */
	MONITOR_SWITCH,        /* u32 channel; str target, as in DOOR_SWITCH */
	MONITOR_SIGNAL,        /* u32 channel; u32 signal number */
	MONITOR_FORGET,        /* u32 channel: closed, end what it runs */
	MONITOR_PONG,          /* u32 number */
	MONITOR_NOTE,          /* str what, for the audit log: the client broke the protocol */
};

/* One message of a connection, decoded.  Strings are NUL-terminated and within the ceilings. */
struct monitor_msg {
	uint32_t type;
	uint32_t channel, number;
	bool is_signed, exec, pty;
	int rows, cols;
	char user[MONITOR_USER_MAX + 1];
	char term[MONITOR_TERM_MAX + 1];
	char text[MONITOR_TEXT_MAX + 1];     /* SWITCH: target; NOTE: what */
	char key[MONITOR_KEY_MAX + 1];
	size_t password_len;
	uint8_t password[MONITOR_PASSWORD_MAX];
	char line[MONITOR_LINE_MAX + 1];
	int nenv;
	char env[MONITOR_ENV_MAX][MONITOR_ENV_SIZE + 1];
};

/* Decode a packet from a connection with a hard end; 0, or -1 if any part is malformed (then the
 * connection is compromised).  Descriptors in it are closed and make it malformed. */
int monitor_decode(struct monitor_msg *m, struct ipc_in *in);

/* May a client set this variable ("NAME=value")?  LANG LC_* TERM COLORTERM NO_COLOR TZ and
 * CODINGLAB_* but those that say where this installation's own parts are. */
bool monitor_env_allowed(const char *assignment);
/* A TERM that names no path and nothing odd; "" and the like become "xterm". */
void monitor_term(char out[MONITOR_TERM_MAX + 1], const char *term);
/* Terminal sizes from the wire: 0 is 24 x 80, the rest is clamped to what a door takes. */
void monitor_size(int *rows, int *cols);
/* Signal number of an SSH signal name without "SIG", 0 if it may not be sent; and back. */
int monitor_signal(const char *name);
const char *monitor_signal_name(int number);

#endif
