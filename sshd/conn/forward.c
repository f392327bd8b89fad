/* Connections into containers: see forward.h. */
#include "sshd/conn/forward.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sock.h"
#include "sshd/conn/ask.h"
#include "sshd/conn/link.h"

#define FORWARD_HOST_MAX 64
#define FORWARD_PATH_MAX 107
#define FORWARD_PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:_"
#define FORWARD_NOTES 20 /* refusals that are logged */

/*
 * libssh frees a message when the callback returns, but the answer is not known then.  What answers
 * need of it (the session and three numbers) lies in the message itself, so a copy of its bytes
 * serves; the pointers in it are never followed.
 */
ssh_message forward_keep(ssh_message msg)
{
	return mem_dup(msg, malloc_usable_size(msg));
}

static bool only(const char *text, size_t most, const char *chars)
{
	size_t n = text ? strlen(text) : 0;

	return n > 0 && n <= most && strspn(text, chars) == n;
}

/* A name or address that may stand in the line as it is; nor does a path need quotes. */
static bool plain(const char *host)
{
	return only(host, FORWARD_HOST_MAX, FORWARD_PLAIN) && host[0] != '-';
}

void forward_say(const char *why)
{
	static int notes;

	ssh_send_debug(conn.session, why, 1);
	if (notes++ < FORWARD_NOTES)
		link_note(why);
}

static bool ask(ssh_message msg, const char *line, void (*listen)(struct chan *c))
{
	struct chan *c = line ? chan_new(true) : NULL;

	if (!c) {
		forward_say(line ? "codinglab: forwarding: too many connections at once" :
		    "codinglab: forwarding: not a host and port, or a socket, of a project");
		return false;
	}
	c->forward = forward_keep(msg);
	c->no_status = true;
	c->listen = listen;
	if (!conn.orphan)
		ask_open(c, true, line);
	if (c->state == CHAN_ASKED && !conn.orphan)
		return true;
	chan_release(c);
	return false;
}

bool forward_ask(ssh_session session, ssh_message msg, void (*listen)(struct chan *c))
{
	const char *host = ssh_message_channel_request_open_destination(msg);
	int port = ssh_message_channel_request_open_destination_port(msg);
	char line[FORWARD_HOST_MAX + 32] = "";

	if (plain(host))
		snprintf(line, sizeof(line), "forward %s %d", host, port);
	return ask(msg, line[0] && port > 0 ? line : NULL, listen);
}

bool forward_plain_path(const char *path)
{
	return only(path, FORWARD_PATH_MAX, FORWARD_PLAIN "/+=,@%") && path[0] == '/';
}

bool forward_ask_path(ssh_message msg, const char *path, void (*listen)(struct chan *c))
{
	char line[FORWARD_PATH_MAX + 32];

	snprintf(line, sizeof(line), "forward-path %s", path);
	return ask(msg, forward_plain_path(path) ? line : NULL, listen);
}

void forward_refuse(struct chan *c, const char *why)
{
	cl_autofree ssh_message msg = c->forward;
	char text[MONITOR_TEXT_MAX];

	c->forward = NULL;
	mem_copy_str(text, sizeof(text), why && *why ? why : "codinglab: forwarding: refused");
	text[strcspn(text, "\r\n")] = '\0';
	forward_say(text);
	ssh_message_reply_default(msg);
	chan_close_fds(c);
	c->ending = true;
}

bool forward_join(struct chan *c, int fd)
{
	int type = 0;
	socklen_t n = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0 || type != SOCK_STREAM) {
		close(fd);
		return false;
	}
	close(c->in);
	if (c->out != c->in)
		close(c->out);
	c->in = c->out = fd;
	c->socket = true;
	return true;
}

void forward_reason(struct chan *c, char *text, size_t size)
{
	ssize_t n = c->err >= 0 ? read(c->err, text, size - 1) : 0;

	text[n > 0 ? n : 0] = '\0';
}

void forward_ready(struct chan *c)
{
	char sign = 0, text[512];
	int fd = -1, n = sock_recv_fd(c->out, &sign, &fd);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == 1 && sign == '+' && (fd < 0 || forward_join(c, fd))) {
		cl_autofree ssh_message msg = c->forward;

		c->forward = NULL;
		c->ssh = ssh_message_channel_request_open_reply_accept(msg);
		if (c->ssh)
			c->listen(c);
		else
			c->ending = true;
		return;
	}
	if (fd >= 0 && !c->socket && sign != '+')
		close(fd);
	forward_reason(c, text, sizeof(text));
	forward_refuse(c, text);
}
