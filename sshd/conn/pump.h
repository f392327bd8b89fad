/* Moving bytes between a channel and its door or program, bounded in both directions. */
#ifndef SSHD_CONN_PUMP_H
#define SSHD_CONN_PUMP_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sshd/conn/chan.h"

#define PUMP_FDS 3 /* descriptors of one channel at most */

/* Bytes that libssh holds for this channel: returns how many were taken (the rest stays there). */
int pump_data(struct chan *c, const char *data, uint32_t len);
/* Give the program what waits for it. */
void pump_in(struct chan *c);
/* The client sends no more: say so to the program once it has everything. */
void pump_in_end(struct chan *c);
/* Describe what to wait for; returns how many of p were filled (<= PUMP_FDS). */
int pump_poll(const struct chan *c, struct pollfd *p);
/* Act on what poll() said. */
void pump_ready(struct chan *c, const struct pollfd *p, int n);

#endif
