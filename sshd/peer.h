/*
 * A peer: the listener's side of one connection.  Its process asks by monitor messages; phase.h
 * says what is legal; here the legal things are done.  A peer lives from accept to the reaping of
 * its process.
 */
#ifndef SSHD_PEER_H
#define SSHD_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/name.h"
#include "sshd/addr.h"
#include "sshd/gateway.h"
#include "sshd/launch.h"
#include "sshd/penalty.h"
#include "sshd/phase.h"

#define PEER_CLOSE_MS 2000 /* for a process to end itself */

struct peer_wish { /* an OPEN or SWITCH that waits for the engine's word */
	struct peer *peer;
	uint32_t channel;
	int64_t question;
	struct monitor_msg *open;  /* owned; NULL for a SWITCH */
	struct name_target target; /* where to */
};

struct peer {
	struct peer *next;
	struct gateway *gateway;
	struct phase phase;
	pid_t pid;
	int mon;                   /* -1 once closed */
	int tcp;                   /* its socket, to ask the kernel about; -1 once logged in */
	struct addr addr;
	bool exempt;               /* from limits and penalties */
	int64_t started;           /* monotonic ms */
	int64_t question;          /* to the engine about who it is, 0 = none */
	int64_t asked_at;          /* of that question, monotonic ms */
	int64_t tell_at;           /* its refusal is held back until then, 0 = none is */
	struct cl_err refusal;     /* held back */
	struct name_target asked;  /* the target of that question */
	char asked_name[MONITOR_USER_MAX + 1];
	bool noted_name;           /* a refusal of a malformed name was logged */
	struct launch_user user;   /* set by a proof, never changed */
	struct name_target target; /* what the user name of the proof said */
	struct peer_wish wishes[MONITOR_CHANNELS];
	struct name_target current[MONITOR_CHANNELS]; /* where each door leads, to open it again */
	int64_t surplus_until;     /* more connections than its user may have: closed then, 0 = no */
	/* heartbeat */
	uint32_t ping;
	int64_t pinged, ponged;
	int64_t cpu_at_ping;       /* ms of processor time of its process */
	bool killed;               /* by us: its end is no crash */
	int64_t close_at;          /* killed then, if it has not ended itself */
};

/* Start a connection process for an accepted socket (borrowed); NULL on failure. */
struct peer *peer_start(struct gateway *g, int tcp, const struct addr *addr, struct cl_err *err);
/* A message to its process; one that does not read is killed. */
void peer_send(struct peer *p, const struct ipc_out *m);
/* A row for the audit log about this peer. */
void peer_note(const struct peer *p, const char *kind, const char *detail);
void peer_punish(struct peer *p, enum penalty_kind kind);
/* A program of its channel ended. */
void peer_child_ended(struct peer *p, uint32_t channel, int status);
/* Say goodbye with a reason; it is killed if it does not end by itself. */
void peer_close(struct peer *p, const char *reason);
void peer_kill(struct peer *p, const char *why);
/* Grace, heartbeat; ms until it wants to be looked at again, -1 = only when ready. */
int peer_turn(struct peer *p, int64_t now);
/* The engine asks to end what this user has open; with a fingerprint (not ""), only connections
 * that were opened with that key. */
void peer_revoke(struct gateway *g, int64_t user_id, const char *reason, const char *fingerprint);
/* Connections of a user that are logged in. */
int peer_of_user(const struct gateway *g, int64_t user_id);
/* Peers that are not authenticated (and not being ended): all, or of one source. */
int peer_unproven(const struct gateway *g, const struct addr *only);

#endif
