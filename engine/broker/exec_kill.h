/* Signals to a program that runs in a container, by its process id on the host. */
#ifndef ENGINE_BROKER_EXEC_KILL_H
#define ENGINE_BROKER_EXEC_KILL_H

#include "engine/broker/broker.h"

/* Number of a signal that a client may send ("INT"); 0 when it is none of them. */
int exec_kill_number(const char *name);
/* The exec's first process; 0 when it has none (any more). */
int exec_kill_pid(const struct broker *b, const char *id);
/* To its foreground group (of its terminal) or, without a terminal, its own group. */
void exec_kill_group(const struct broker *b, const char *id, int sig);
/* To every process of its session. */
void exec_kill_session(int pid, int sig);

#endif
