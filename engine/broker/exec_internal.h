/* Between exec.c and exec_pump.c. */
#ifndef ENGINE_BROKER_EXEC_INTERNAL_H
#define ENGINE_BROKER_EXEC_INTERNAL_H

#include <stdbool.h>

#include "base/buf.h"
#include "engine/broker/broker.h"
#include "engine/broker/exec_pty.h"

struct exec {
	const struct broker *b;
	int sock;         /* the client's control socket */
	int stream;       /* the container engine's, both ways */
	char id[128];     /* the engine's name for this execution */
	bool tty;
	struct exec_pty pty;
	int master;       /* the program's terminal, -1: the stream carries it */
	int give[3];      /* the client's pipes, for the program to have; -1: the stream carries them */
	bool given;       /* it has them */
	bool socket;      /* the program is to hand its socket out: it comes into master */
	struct buf early; /* output that came with the answer to `start` */
	int signal;       /* last one that the client had us send */
};

/* One control message: 0, or -1 when the client is gone or misbehaves. */
int exec_control(struct exec *x);
void exec_resize(const struct exec *x, int rows, int cols);
/* Carry bytes between three pipes of the client's and the stream, until the program's output has
 * ended and is delivered (0) or the client hung up (-1). */
int exec_pump_run(struct exec *x);

#endif
