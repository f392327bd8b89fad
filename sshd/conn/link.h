/* The connection's end of the monitor: questions to the listener and its messages. */
#ifndef SSHD_CONN_LINK_H
#define SSHD_CONN_LINK_H

#include <stdbool.h>
#include "base/ipc.h"
#include "base/monitor.h"

/* What to do with the listener's messages about channels (life.h). */
struct link_hooks {
	void (*granted)(uint32_t id, bool door, bool pty, const int fds[3]);
	void (*refused)(uint32_t id, int code, const char *text);
	void (*exited)(uint32_t id, int code, int sig);
	void (*close_all)(const char *reason);
};

/* Wait for SETUP and fill conn from it; ends the process if it does not come. */
void link_setup(const struct link_hooks *hooks);
/* Ask and wait; pings are answered meanwhile.  Used before authentication only. */
bool link_ask_key(const char *user, const char *key, bool is_signed);
bool link_ask_password(const char *user, const char *password);
void link_note(const char *what);
void link_open(uint32_t channel, bool exec, const char *line, bool pty, int rows, int cols,
    const char *term, const char *const *env, int nenv);
void link_switch(uint32_t channel, const char *target);
void link_signal(uint32_t channel, int number);
void link_forget(uint32_t channel);
/* Read what the listener sent. */
void link_ready(void);

#endif
