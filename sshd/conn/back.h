/*
 * Connections from a dev container to the client: ports and sockets that -R wants listened at, and the client's agent
 * (-A).  Each place to listen at is a program of the listener's, as with forward.h (the lines
 * "forward-listen PORT|PATH", "forward-agent PATH" and "forward-agent PROJECT PATH"); its listening socket comes
 * out of the container to us, and each connection accepted there is offered to the client as a channel.
 *
 * The agent has one place for all programs of the connection, and one for each door whose session asks
 * for it: terminals outlive connections, so theirs is at a path of the session's choice, and goes
 * with the door.
 *
 *   -R   ASKED --granted--> waits for the socket --'+', socket--> listens --cancel, end of program--> over
 *          |__________________________|__refused, reason on stderr__> over
 *
 * Ports are on the container's loopback whatever address was asked for, as with OpenSSH's sshd.  Answers
 * keep the order of the questions, as SSH's global requests have no numbers.
 */
#ifndef SSHD_CONN_BACK_H
#define SSHD_CONN_BACK_H

#include <stdbool.h>
#include "sshd/conn/chan.h"

#define BACK_MOST 8   /* places to listen at, the agent's included */
#define BACK_ASKS 16  /* global requests without an answer */

/* listen is called once for each channel that comes, to hear what the client says in it. */
void back_init(void (*listen)(struct chan *c));
/* The client asks for a port, or that it is given up; false when it is refused at once. */
bool back_ask(ssh_message msg, bool cancel);
/* Run the command once there is a place for the client's agent (or that is refused: then without). */
void back_agent_exec(struct chan *c, const char *command);
/* The session behind this door wants the agent at that path of the project's dev container; "": no longer. */
void back_agent_door(struct chan *door, const char *path, const char *project);
/* The door leads there no more. */
void back_door_over(const struct chan *door);
/* Its program said something, or somebody connects. */
void back_ready(struct chan *c);
/* The listener refused its program. */
void back_refused(struct chan *c, const char *why);
/* Its program has ended: nobody can connect any more. */
void back_over(struct chan *c);
/* Channels that wait for the client to take them. */
void back_turn(void);

#endif
