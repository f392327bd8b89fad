/* What becomes of channels: the listener's answers, the ends of programs, the end of all. */
#ifndef SSHD_CONN_LIFE_H
#define SSHD_CONN_LIFE_H

#include <stdbool.h>
#include <stdint.h>

/* The listener's answers; fds are owned by the channel from now on. */
void life_granted(uint32_t id, bool door, bool pty, const int fds[3]);
void life_refused(uint32_t id, int code, const char *text);
void life_exited(uint32_t id, int code, int sig);
/* End every channel with a reason, then the connection. */
void life_close_all(const char *reason);
/* After each turn: send statuses, free what is over.  Returns how many channels are left. */
int life_sweep(void);

#endif
