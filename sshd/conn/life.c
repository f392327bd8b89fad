/* The answers of the listener, and the ends of channels: see life.h. */
#include "sshd/conn/life.h"

#include "base/sock.h"
#include "sshd/conn/back.h"
#include "sshd/conn/chan.h"
#include "sshd/conn/door.h"
#include "sshd/conn/forward.h"
#include "sshd/conn/link.h"
#include "sshd/conn/pump.h"

static void release(struct chan *c)
{
	bool answered = c->answered;
	uint32_t id = c->id;

	if (c->back)
		back_over(c);
	back_door_over(c);
	chan_release(c);
	if (answered)
		link_forget(id);
}

/* The client is gone from this channel, but the listener's answer is still on its way. */
static void abandon(struct chan *c)
{
	if (c->ssh) {
		ssh_remove_channel_callbacks(c->ssh, &c->callbacks);
		ssh_channel_free(c->ssh);
	}
	c->ssh = NULL;
	c->state = CHAN_GONE;
}

static void send_status(struct chan *c)
{
	if (c->no_status || (c->client_closed && !c->eof_sent))
		return;
	if (c->sig && monitor_signal_name(c->sig))
		ssh_channel_request_send_exit_signal(c->ssh, monitor_signal_name(c->sig), 0, "", "");
	else
		ssh_channel_request_send_exit_status(c->ssh, c->code);
	ssh_channel_send_eof(c->ssh);
	ssh_channel_close(c->ssh);
}

/* A program is over when it has exited and all that it wrote was passed on. */
static bool program_over(const struct chan *c)
{
	if (c->back)
		return c->exited;
	return c->state == CHAN_PROGRAM && c->out < 0 && c->err < 0 && c->out_len == 0 &&
	    (!c->socket || c->in < 0) && (c->exited || conn.orphan);
}

/* A client that saw the end of the output may close at once; the status must still reach it. */
static bool awaits_status(const struct chan *c)
{
	return c->state == CHAN_PROGRAM && c->eof_sent && !c->ending && !conn.orphan && !c->forwarded;
}

/* What the client sent on a connection before it closed it still has to arrive. */
static bool has_more(const struct chan *c)
{
	return c->forwarded && c->state == CHAN_PROGRAM && !c->forward && !c->back && !c->ending &&
	    c->in >= 0 && (c->in_len || c->backlog);
}

int life_sweep(void)
{
	int left = 0;

	for (struct chan *c = chan_all; c < chan_all + MONITOR_CHANNELS; c++) {
		if (c->state == CHAN_FREE || c->state == CHAN_GONE)
			continue;
		if (!c->ending && program_over(c)) {
			c->ending = true;
			c->no_status = c->no_status || !c->exited;
		}
		if (c->client_closed && c->state == CHAN_ASKED) {
			abandon(c);
			continue;
		}
		if ((c->client_closed && !awaits_status(c) && !has_more(c)) ||
		    (c->ending && c->out_len == 0 && c->state != CHAN_ASKED)) {
			send_status(c);
			release(c);
			continue;
		}
		left++;
	}
	return left;
}

void life_granted(uint32_t id, bool door, bool pty, const int fds[3])
{
	struct chan *c = &chan_all[id];

	c->answered = true;
	c->in = c->out = fds[0];
	c->err = -1;
	if (!door && !pty) {
		c->out = fds[1];
		c->err = fds[2];
	}
	if (c->state != CHAN_ASKED || c->ending) {
		chan_close_fds(c);
		if (c->state == CHAN_GONE)
			release(c);
		else
			c->state = CHAN_PROGRAM; /* and its end follows */
		return;
	}
	sock_nonblock(c->in, 1);
	sock_nonblock(c->out, 1);
	if (c->err >= 0)
		sock_nonblock(c->err, 1);
	c->state = door ? CHAN_DOOR : CHAN_PROGRAM;
	if (door)
		door_hello(c);
	pump_in(c);
}

void life_refused(uint32_t id, int code, const char *text)
{
	struct chan *c = &chan_all[id];

	c->answered = true;
	if (c->state == CHAN_GONE) {
		release(c);
	} else if (c->state == CHAN_ASKED && c->back) {
		c->state = CHAN_IDLE;
		back_refused(c, text);
	} else if (c->state == CHAN_ASKED && c->forward) {
		c->state = CHAN_IDLE;
		forward_refuse(c, text);
	} else if (c->state == CHAN_ASKED) {
		c->state = CHAN_IDLE;
		chan_finish(c, code, text);
	}
}

void life_exited(uint32_t id, int code, int sig)
{
	struct chan *c = &chan_all[id];

	if (c->state != CHAN_PROGRAM || c->ending)
		return;
	c->exited = true;
	c->code = code;
	c->sig = sig;
}

void life_close_all(const char *reason)
{
	for (struct chan *c = chan_all; c < chan_all + MONITOR_CHANNELS; c++) {
		if (c->state == CHAN_ASKED)
			c->state = CHAN_IDLE; /* no answer will come */
		if (c->forward)
			forward_refuse(c, reason);
		if (c->forwarded && c->state != CHAN_FREE)
			c->client_closed = c->ending = true; /* a reason would be data there */
		else
			chan_finish(c, 255, reason);
	}
	conn.closing = true;
}
