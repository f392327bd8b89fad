/* The connection's end of a door (base/door.h). */
#ifndef SSHD_CONN_DOOR_H
#define SSHD_CONN_DOOR_H

#include <stdbool.h>
#include <stddef.h>
#include "sshd/conn/chan.h"

void door_hello(struct chan *c);
/* Bytes typed; returns how many were taken. */
size_t door_input(struct chan *c, const char *data, size_t len);
bool door_resize(struct chan *c); /* true when it went out */
/* A message of the session waits.  Only when out_writable(). */
void door_ready(struct chan *c);
/* All of a frame went out: say so. */
void door_ack(struct chan *c);

#endif
