/* What a client asks of its session: channels, and what it wants in them. */
#ifndef SSHD_CONN_REQUEST_H
#define SSHD_CONN_REQUEST_H

#include "sshd/conn/chan.h"

/* libssh callbacks of the session */
ssh_channel request_open_cb(ssh_session session, void *arg);
/* Hear what the client says in c->ssh. */
void request_listen(struct chan *c);
int request_message_cb(ssh_session session, ssh_message msg, void *arg);

#endif
