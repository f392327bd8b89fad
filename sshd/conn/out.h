/* Bytes from a door or program to the client, never more than the client takes. */
#ifndef SSHD_CONN_OUT_H
#define SSHD_CONN_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include "sshd/conn/chan.h"

/* May something be written to this channel now? */
bool out_writable(const struct chan *c);
/* Write to the client; what the window does not take is kept.  Only when out_writable(). */
void out_write(struct chan *c, const char *data, size_t len, bool is_err);
/* Does something kept wait for the client that could go out now? */
bool out_can_send(const struct chan *c);
/* Send what waits for the client, as far as it goes. */
void out_send(struct chan *c);

#endif
