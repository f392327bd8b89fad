/*
 * What the parts of the listener share: the settings as last read, the link to the engine, the
 * penalties, the host key's bytes, and the connections.  One process, one thread, one of these.
 */
#ifndef SSHD_GATEWAY_H
#define SSHD_GATEWAY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"

struct auth;
struct penalty_table;
struct peer;

struct gateway {
	/* settings */
	int64_t grace_ms;
	int64_t connection_max_ms; /* 0 = any age */
	int64_t delay_ms;       /* before the first refusal of a proof is told; 0 = at once */
	int max_startups, per_source, sessions_per_user, connections_per_user, tries;
	uid_t uid_base;
	gid_t gid_base;
	const char *exempt;     /* networks without limits and penalties */
	const char *bin, *run;  /* directories */
	uid_t conn_uid, pane_uid;
	gid_t conn_gid, pane_gid;
	char empty[512];        /* the chroot of connections */
	char sessions[512];     /* the folder of session sockets */
	/* state */
	struct auth *auth;
	struct penalty_table *penalties;
	struct peer *peers;
	int key;                /* sealed memory that holds the host key */
	bool ending;
};

/* Read the settings from the configuration, look up the accounts; keeps the old on failure. */
int gateway_settings(struct gateway *g, struct cl_err *err);
/* Make the folders (root's, 0700; the empty one 0755) and check that they are root's. */
int gateway_folders(struct gateway *g, struct cl_err *err);
/* Load the host key into sealed memory, making the key with ssh-keygen when there is none. */
int gateway_key(struct gateway *g, struct cl_err *err);

#endif
