/* What a channel is, and how its end begins: see chan.h. */
#include "sshd/conn/chan.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"

/* Leave the other screen, show the cursor, no mouse, no bracketed paste, plain colours. */
#define CHAN_RESTORE "\033[?1049l\033[?25h\033[?1000l\033[?1002l\033[?1003l\033[?1006l" \
	"\033[?2004l\033[?1004l\033[0m\r"

struct chan chan_all[MONITOR_CHANNELS];

struct chan *chan_new(bool forwarded)
{
	struct chan *c = NULL;
	int same = 0, most = forwarded ? MONITOR_CHANNELS - MONITOR_SESSIONS : MONITOR_SESSIONS;

	for (struct chan *x = chan_all + MONITOR_CHANNELS - 1; x >= chan_all; x--) {
		if (x->state == CHAN_FREE)
			c = x;
		else
			same += x->forwarded == forwarded;
	}
	if (!c || same >= most)
		return NULL;
	memset(c, 0, sizeof(*c));
	c->in = c->out = c->err = -1;
	c->id = (uint32_t)(c - chan_all);
	c->rows = 24;
	c->cols = 80;
	c->forwarded = forwarded;
	return c;
}

void chan_close_fds(struct chan *c)
{
	if (c->in >= 0)
		close(c->in);
	if (c->out >= 0 && c->out != c->in)
		close(c->out);
	if (c->err >= 0)
		close(c->err);
	c->in = c->out = c->err = -1;
}

void chan_finish(struct chan *c, int code, const char *text)
{
	size_t n = strlen(text), len = 0;
	char *out;

	if (c->ending || c->state == CHAN_FREE || c->state == CHAN_GONE)
		return;
	chan_close_fds(c);
	c->ending = true;
	c->code = code;
	out = mem_resize(NULL, c->out_len + sizeof(CHAN_RESTORE) + 2 * n + 4, 1);
	if (c->out_len) { /* what it said before */
		memcpy(out, c->out_buf + c->out_off, c->out_len);
		len = c->out_len;
	} else {
		c->out_is_err = !c->pty;
	}
	if (c->drew) {
		memcpy(out + len, CHAN_RESTORE, sizeof(CHAN_RESTORE) - 1);
		len += sizeof(CHAN_RESTORE) - 1;
	}
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\n' && c->pty)
			out[len++] = '\r';
		out[len++] = text[i];
	}
	if (n && text[n - 1] != '\n') {
		if (c->pty)
			out[len++] = '\r';
		out[len++] = '\n';
	}
	mem_free(c->out_buf);
	c->out_buf = out;
	c->out_off = 0;
	c->out_len = len;
}

void chan_release(struct chan *c)
{
	chan_close_fds(c);
	if (c->ssh) {
		ssh_remove_channel_callbacks(c->ssh, &c->callbacks);
		ssh_channel_free(c->ssh);
	}
	mem_free(c->forward);
	mem_free(c->later);
	for (int i = 0; i < c->nenv; i++)
		mem_free(c->env[i]);
	mem_free(c->in_buf);
	mem_free(c->out_buf);
	memset(c, 0, sizeof(*c));
	c->in = c->out = c->err = -1;
}
