/*
 * Doors: see door.h.  A frame's bytes go from the message straight into the channel: no copy is
 * kept unless the client's window closes in the middle of it.
 */
#include "sshd/conn/door.h"

#include <errno.h>
#include <string.h>

#include "base/door.h"
#include "base/mem.h"
#include "sshd/conn/ask.h"
#include "sshd/conn/back.h"
#include "sshd/conn/out.h"

static struct ipc_out door_out;
static struct ipc_in door_in;

/* EAGAIN is for the caller to handle; everything else ends in the session's end being read. */
static bool send_out(struct chan *c)
{
	return ipc_send(c->in, &door_out) == 0;
}

void door_hello(struct chan *c)
{
	bool offers = c->agent && c->nenv < MONITOR_ENV_MAX;

	ipc_begin(&door_out, DOOR_HELLO);
	ipc_put_u32(&door_out, DOOR_VERSION);
	ipc_put_u32(&door_out, (uint32_t)c->rows);
	ipc_put_u32(&door_out, (uint32_t)c->cols);
	ipc_put_str(&door_out, c->term);
	ipc_put_u32(&door_out, (uint32_t)(c->nenv + offers));
	for (int i = 0; i < c->nenv; i++)
		ipc_put_str(&door_out, c->env[i]);
	if (offers)
		ipc_put_str(&door_out, DOOR_OFFERS_AGENT);
	send_out(c);
	c->resize_due = false;
}

size_t door_input(struct chan *c, const char *data, size_t len)
{
	size_t done = 0;

	if (c->in < 0)
		return len;
	while (done < len) {
		size_t n = len - done < IPC_DATA_MAX ? len - done : IPC_DATA_MAX;

		ipc_begin(&door_out, DOOR_INPUT);
		ipc_put_bytes(&door_out, data + done, n);
		if (!send_out(c))
			return errno == EAGAIN ? done : len;
		done += n;
	}
	return done;
}

bool door_resize(struct chan *c)
{
	ipc_begin(&door_out, DOOR_RESIZE);
	ipc_put_u32(&door_out, (uint32_t)c->rows);
	ipc_put_u32(&door_out, (uint32_t)c->cols);
	return send_out(c) || errno != EAGAIN;
}

void door_ack(struct chan *c)
{
	ipc_begin(&door_out, DOOR_ACK);
	ipc_put_u32(&door_out, c->frame);
	if (send_out(c) || errno != EAGAIN)
		c->ack_due = false;
}

static void take_frame(struct chan *c)
{
	uint32_t frame = ipc_get_u32(&door_in);
	bool last = ipc_get_range(&door_in, 0, 1) != 0;
	size_t n = 0;
	const void *data = ipc_get_bytes(&door_in, &n, IPC_DATA_MAX);

	if (ipc_end(&door_in) < 0) {
		chan_finish(c, 1, "codinglab: the session sent nonsense. Connect again");
		return;
	}
	c->drew = true;
	c->frame = frame;
	c->ack_due = last;
	if (n)
		out_write(c, data, n, false);
}

static void take_exit(struct chan *c)
{
	char text[MONITOR_TEXT_MAX + 1];
	int code = (int)ipc_get_range(&door_in, 0, 255);

	ipc_get_str(&door_in, text, sizeof(text));
	if (ipc_end(&door_in) < 0)
		mem_copy_str(text, sizeof(text), "codinglab: the session ended");
	chan_finish(c, code, text);
}

static void take_switch(struct chan *c)
{
	char target[MONITOR_TEXT_MAX];

	ipc_get_str(&door_in, target, sizeof(target));
	if (ipc_end(&door_in) < 0)
		target[0] = '\0';
	back_door_over(c);
	ask_switch(c, target);
}

static void take_agent(struct chan *c)
{
	char path[DOOR_AGENT_MAX], project[MONITOR_TEXT_MAX];

	ipc_get_str(&door_in, path, sizeof(path));
	ipc_get_str(&door_in, project, sizeof(project));
	if (ipc_end(&door_in) == 0)
		back_agent_door(c, path, project);
}

void door_ready(struct chan *c)
{
	int n = ipc_recv(c->out, &door_in);

	if (n < 0 && errno == ECONNRESET) /* said once, before the last words of a session that is gone */
		n = ipc_recv(c->out, &door_in);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		ask_again(c);
		return;
	}
	if (door_in.type == DOOR_FRAME) {
		take_frame(c);
	} else if (door_in.type == DOOR_EXIT) {
		take_exit(c);
	} else if (door_in.type == DOOR_SWITCH) {
		take_switch(c);
	} else if (door_in.type == DOOR_AGENT) {
		take_agent(c);
	} else {
		ipc_close_fds(&door_in);
		chan_finish(c, 1, "codinglab: the session sent nonsense. Connect again");
	}
}
