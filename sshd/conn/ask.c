/* Asking the listener for what a channel is to be: see ask.h. */
#include "sshd/conn/ask.h"

#include "base/clock.h"
#include "sshd/conn/link.h"

#define ASK_RESTARTS 3 /* of a session that dies, within ... */
#define ASK_RESTART_MS 60000

static void alone(struct chan *c)
{
	c->state = CHAN_IDLE;
	chan_finish(c, 75, "codinglab: the gateway was restarted. Connect again");
}

void ask_open(struct chan *c, bool exec, const char *line)
{
	c->state = CHAN_ASKED;
	link_open(c->id, exec, line, c->pty, c->rows, c->cols, c->term, (const char *const *)c->env,
	    c->nenv);
	if (conn.orphan)
		alone(c);
}

void ask_again(struct chan *c)
{
	int64_t now = clock_ms();

	chan_close_fds(c);
	c->ack_due = false;
	if (now - c->restarted_at > ASK_RESTART_MS) {
		c->restarts = 0;
		c->restarted_at = now;
	}
	if (++c->restarts > ASK_RESTARTS) {
		chan_finish(c, 1, "codinglab: the session ended unexpectedly. Connect again");
		return;
	}
	ask_open(c, false, "");
}

void ask_switch(struct chan *c, const char *target)
{
	chan_close_fds(c);
	c->ack_due = false;
	c->state = CHAN_ASKED;
	link_switch(c->id, target);
	if (conn.orphan)
		alone(c);
}
