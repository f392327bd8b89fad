/*
 * Connections that the client wants carried into the project's containers (-L, -D, -W, -J).  Each is
 * a program of the listener's like any exec request (the line "forward HOST PORT"), since this
 * process may connect to nothing.  The channel is confirmed when the program says '+'; until then
 * the client waits, and what the program says on stderr is why it is refused.  With the '+' may come
 * the connected socket itself, which then takes the place of the program's stdin and stdout.
 */
#ifndef SSHD_CONN_FORWARD_H
#define SSHD_CONN_FORWARD_H

#include <stdbool.h>
#include "sshd/conn/chan.h"

/* As forward_ask(), for a socket in the dev container by its path. */
bool forward_ask_path(ssh_message msg, const char *path, void (*listen)(struct chan *c));

#define FORWARD_MOST (MONITOR_CHANNELS - MONITOR_SESSIONS)

/* The client asks for one; false when it is refused at once.  listen is called once the channel is
 * there, to hear what the client says in it. */
bool forward_ask(ssh_session session, ssh_message msg, void (*listen)(struct chan *c));
/* A copy of a question, which libssh frees when its callback returns, to answer it later. */
ssh_message forward_keep(ssh_message msg);
/* Why something is refused: to the client for those who ask (-v), and to the audit log. */
void forward_say(const char *why);
/* The socket that came out of a container becomes the channel's both ends; false: it is none. */
bool forward_join(struct chan *c, int fd);
/* What the program of a channel wrote to stderr, as far as it is there. */
void forward_reason(struct chan *c, char *text, size_t size);
/* The program of a channel that waits for confirmation has said something, or ended. */
void forward_ready(struct chan *c);
/* It is refused: tell the client, with the reason for those who ask (-v), and the audit log. */
void forward_refuse(struct chan *c, const char *why);

/* A path that may stand in a line as it is. */
bool forward_plain_path(const char *path);

#endif
