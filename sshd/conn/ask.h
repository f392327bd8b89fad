/* Asking the listener for what a channel is to be. */
#ifndef SSHD_CONN_ASK_H
#define SSHD_CONN_ASK_H

#include <stdbool.h>
#include "sshd/conn/chan.h"

/* A screen (exec false, line "") or a program; the answer comes by life.h. */
void ask_open(struct chan *c, bool exec, const char *line);
/* The session died: ask for it again, a few times. */
void ask_again(struct chan *c);
/* The session wants its door to move. */
void ask_switch(struct chan *c, const char *target);

#endif
