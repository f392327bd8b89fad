/*
 * The agents of clients (ssh -A) in the terminals of a session.  A terminal knows one path for as long as
 * it lives; behind it is the agent of the owner's newest client that brought one, while that
 * client is connected (sshd/conn/back.h listens there), and after it the next newest's.
 *
 *   nobody offered one: terminals begin without SSH_AUTH_SOCK, as anywhere without -A
 *   a terminal begins, or a door comes or goes: the newest is asked to listen at the path
 *   the last one goes: the path is there no more, and programs say that there is no agent
 *
 * Nothing is asked of a container before a terminal of the session begins.
 */
#ifndef TUI_AGENT_H
#define TUI_AGENT_H

#include "tui/doors.h"

/* project: "owner.name", borrowed for good; "" or "." in a session without one. */
void agent_init(struct doors *doors, const char *project);
/* A door said hello or went. */
void agent_doors(void);
/* For a terminal of the dev container that begins now: where it finds the agent; NULL: nowhere. */
const char *agent_path(void);

#endif
