/*
 * The client's side of channels without a client: these stand in for libssh's functions of the same
 * names in the test's program, with a window, pending output and records of what was sent.
 */
#ifndef TESTS_UNIT_CONN_FAKE_SSH_H
#define TESTS_UNIT_CONN_FAKE_SSH_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "sshd/conn/conn.h"

struct fake_ssh {
	uint32_t window;       /* bytes that the client takes */
	bool pending;          /* libssh still holds output for the socket */
	bool broken;           /* writes fail */
	struct buf out, err;   /* what reached the client */
	int eofs, closes, frees;
	int status;            /* -1 none was sent */
	char signal[16];
	struct buf typed;      /* what libssh holds for us */
	int reads;
	size_t largest;        /* write */
};

static struct fake_ssh fake_ssh;
static const char *fake_ssh_host;      /* what a question for a connection names */
static int fake_ssh_port;
static int fake_ssh_accepts, fake_ssh_refusals;
static char fake_ssh_debug[2048];      /* told to the client beside its channels */

static inline void fake_ssh_init(void)
{
	memset(&fake_ssh, 0, sizeof(fake_ssh));
	fake_ssh.status = -1;
	fake_ssh.window = 1 << 20;
	buf_init(&fake_ssh.out, 64 << 20);
	buf_init(&fake_ssh.err, 64 << 20);
	buf_init(&fake_ssh.typed, 64 << 20);
}

static inline void fake_ssh_clear(void)
{
	buf_clear(&fake_ssh.out);
	buf_clear(&fake_ssh.err);
	buf_clear(&fake_ssh.typed);
}

ssh_channel ssh_channel_new(ssh_session session)
{
	static char one;

	return (ssh_channel)(void *)&one;
}

const char *ssh_message_channel_request_open_destination(ssh_message msg)
{
	return fake_ssh_host;
}

int ssh_message_channel_request_open_destination_port(ssh_message msg)
{
	return fake_ssh_port;
}

ssh_channel ssh_message_channel_request_open_reply_accept(ssh_message msg)
{
	fake_ssh_accepts++;
	return ssh_channel_new(NULL);
}

int ssh_message_reply_default(ssh_message msg)
{
	fake_ssh_refusals++;
	return SSH_OK;
}

int ssh_send_debug(ssh_session session, const char *message, int always_display)
{
	snprintf(fake_ssh_debug, sizeof(fake_ssh_debug), "%s", message);
	return SSH_OK;
}

/* Questions for a port to listen at, and channels that we ask the client for. */
static const char *fake_ssh_address;
static int fake_ssh_listen, fake_ssh_told[16], fake_ssh_tolds; /* ports of answers that say yes */
static int fake_ssh_open = SSH_AGAIN;  /* what the client says to the next look */
static int fake_ssh_opens;
static char fake_ssh_opened[128];

const char *ssh_message_global_request_address(ssh_message msg)
{
	return fake_ssh_address;
}

int ssh_message_global_request_port(ssh_message msg)
{
	return fake_ssh_listen;
}

int ssh_message_global_request_reply_success(ssh_message msg, uint16_t port)
{
	fake_ssh_told[fake_ssh_tolds++ % 16] = port;
	return SSH_OK;
}

int ssh_channel_open_reverse_forward(ssh_channel channel, const char *host, int port, const char *from,
    int from_port)
{
	if (port)
		snprintf(fake_ssh_opened, sizeof(fake_ssh_opened), "%s %d %s", host, port, from);
	fake_ssh_opens++;
	return fake_ssh_open;
}

int ssh_channel_open_auth_agent(ssh_channel channel)
{
	snprintf(fake_ssh_opened, sizeof(fake_ssh_opened), "agent");
	fake_ssh_opens++;
	return fake_ssh_open;
}

int ssh_channel_is_open(ssh_channel channel)
{
	return fake_ssh_open == SSH_OK;
}

void ssh_channel_free(ssh_channel channel)
{
	fake_ssh.frees++;
}

int ssh_set_channel_callbacks(ssh_channel channel, ssh_channel_callbacks cb)
{
	return SSH_OK;
}

int ssh_remove_channel_callbacks(ssh_channel channel, ssh_channel_callbacks cb)
{
	return SSH_OK;
}

uint32_t ssh_channel_window_size(ssh_channel channel)
{
	return fake_ssh.window;
}

int ssh_get_poll_flags(ssh_session session)
{
	return fake_ssh.pending ? SSH_WRITE_PENDING : 0;
}

static inline int fake_ssh_write(struct buf *b, const void *data, uint32_t len)
{
	if (fake_ssh.broken)
		return SSH_ERROR;
	if (len > fake_ssh.window)
		abort(); /* libssh would queue it without bound */
	fake_ssh.window -= len;
	if (len > fake_ssh.largest)
		fake_ssh.largest = len;
	buf_add(b, data, len);
	return (int)len;
}

int ssh_channel_write(ssh_channel channel, const void *data, uint32_t len)
{
	return fake_ssh_write(&fake_ssh.out, data, len);
}

int ssh_channel_write_stderr(ssh_channel channel, const void *data, uint32_t len)
{
	return fake_ssh_write(&fake_ssh.err, data, len);
}

int ssh_channel_send_eof(ssh_channel channel)
{
	fake_ssh.eofs++;
	return SSH_OK;
}

int ssh_channel_close(ssh_channel channel)
{
	fake_ssh.closes++;
	return SSH_OK;
}

int ssh_channel_request_send_exit_status(ssh_channel channel, int status)
{
	fake_ssh.status = status;
	return SSH_OK;
}

int ssh_channel_request_send_exit_signal(ssh_channel channel, const char *sig, int core,
    const char *errmsg, const char *lang)
{
	snprintf(fake_ssh.signal, sizeof(fake_ssh.signal), "%s", sig);
	return SSH_OK;
}

int ssh_channel_read_nonblocking(ssh_channel channel, void *dest, uint32_t count, int is_stderr)
{
	size_t n = fake_ssh.typed.len < count ? fake_ssh.typed.len : count;

	fake_ssh.reads++;
	if (n)
		memcpy(dest, fake_ssh.typed.data, n);
	buf_drop(&fake_ssh.typed, n);
	return (int)n;
}

#endif
