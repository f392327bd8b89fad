/*
 * Session channels of the client.  Each is idle until its shell or exec request, then asks the
 * listener, then is joined to a door (a live session) or to a program, and ends with a status.
 *
 *   IDLE --shell, exec--> ASKED --granted--> DOOR | PROGRAM --end--> (freed)
 *                           |  ^--switch, session died--+
 *                           +--client closed--> GONE --answer--> (freed)
 */
#ifndef SSHD_CONN_CHAN_H
#define SSHD_CONN_CHAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sshd/conn/conn.h"

enum chan_state { CHAN_FREE, CHAN_IDLE, CHAN_ASKED, CHAN_GONE, CHAN_DOOR, CHAN_PROGRAM };

struct chan {
	enum chan_state state;
	uint32_t id;
	ssh_channel ssh;         /* NULL while a forwarded connection waits for its other end */
	bool forwarded;          /* a connection, not a session: no stderr, no status */
	ssh_message forward;     /* the question that is not answered yet; owned */
	void (*listen)(struct chan *c); /* when it is: hear what the client says in ssh */
	bool socket;             /* in and out are one stream socket, out of a container */
	bool opening;            /* we asked the client for ssh, and its answer is not there: */
	bool to_agent;           /*   it is for the client's agent */
	struct back *back;       /* a place to listen at, no connection (back.h); not owned */
	bool agent;              /* its program is to reach the client's agent */
	char *later;             /* command that waits until that is ready; owned */
	struct ssh_channel_callbacks_struct callbacks;
	/* what the client asked for */
	bool pty;
	int rows, cols;
	char term[MONITOR_TERM_MAX + 1];
	int nenv;
	char *env[MONITOR_ENV_MAX];
	/* descriptors: program's stdin, stdout, stderr; of a terminal in == out; of a door in == out */
	int in, out, err;
	/* from the client to the program */
	size_t backlog;          /* bytes that libssh holds for us */
	char *in_buf;            /* taken from libssh, not taken by the program */
	size_t in_len, in_off;
	bool client_eof, client_closed;
	/* from the program to the client */
	char *out_buf;
	size_t out_len, out_off;
	bool out_is_err;
	bool eof_sent;
	/* its end */
	bool answered;           /* the listener holds this channel for us */
	bool exited;             /* code and sig are known */
	bool ending;             /* send what is in out_buf, then the status, then close */
	bool no_status;          /* nothing is known about how it ended */
	int code, sig;
	/* door */
	uint32_t frame;
	bool ack_due, resize_due, drew;
	int restarts;
	int64_t restarted_at;
};

extern struct chan chan_all[MONITOR_CHANNELS];

/* A free place for a session or a forwarded connection; NULL when there are too many. */
struct chan *chan_new(bool forwarded);
/* End this one: text (may be "") to the client, then the exit code. */
void chan_finish(struct chan *c, int code, const char *text);
void chan_close_fds(struct chan *c);
/* Give back all that the channel holds, and forget the client's end of it. */
void chan_release(struct chan *c);

#endif
