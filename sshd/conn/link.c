/*
 * Talking to the listener: see link.h.  The monitor socket is blocking while a question about who
 * the client is waits for its answer (there is nothing else to do then) and polled afterwards.
 */
#include "sshd/conn/link.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "sshd/conn/conn.h"

struct conn conn;

static struct ipc_out link_out;
static struct ipc_in link_in;
static const struct link_hooks *link_hooks;

static void lost(void)
{
	conn.orphan = true;
	if (!conn.authed)
		conn.over = true;
}

static void send_out(void)
{
	if (!conn.orphan && ipc_send(CONN_MON_FD, &link_out) < 0)
		lost();
}

static void pong(void)
{
	uint32_t number = ipc_get_u32(&link_in);

	ipc_begin(&link_out, MONITOR_PONG);
	ipc_put_u32(&link_out, number);
	send_out();
}

void link_setup(const struct link_hooks *hooks)
{
	link_hooks = hooks;
	if (ipc_recv(CONN_MON_FD, &link_in) != 1 || link_in.type != MONITOR_SETUP)
		log_fatal("the listener sent no setup");
	conn.uid = ipc_get_u32(&link_in);
	conn.gid = ipc_get_u32(&link_in);
	ipc_get_str(&link_in, conn.chroot, sizeof(conn.chroot));
	conn.tries = ipc_get_u32(&link_in);
	conn.grace_ms = ipc_get_u32(&link_in);
	ipc_get_str(&link_in, conn.address, sizeof(conn.address));
	if (ipc_end(&link_in) < 0 || conn.uid == 0 || conn.gid == 0)
		log_fatal("the listener's setup makes no sense");
}

/* The listener answers each question in this phase with a VERDICT; CLOSE and PING may intervene. */
static bool verdict(void)
{
	bool ok = false, got = false;

	while (!got && !conn.over) {
		int n = ipc_recv(CONN_MON_FD, &link_in);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			lost();
			break;
		}
		if (link_in.type == MONITOR_VERDICT) {
			ok = ipc_get_range(&link_in, 0, 1) != 0;
			got = true;
		} else if (link_in.type == MONITOR_PING) {
			pong();
		} else {
			conn.over = true;
		}
		if (link_in.type != MONITOR_CLOSE && ipc_end(&link_in) < 0)
			log_fatal("malformed message from the listener");
	}
	return ok && !conn.over;
}

bool link_ask_key(const char *user, const char *key, bool is_signed)
{
	ipc_begin(&link_out, MONITOR_KEY);
	ipc_put_str(&link_out, user);
	ipc_put_str(&link_out, key);
	ipc_put_u32(&link_out, is_signed);
	send_out();
	return verdict();
}

bool link_ask_password(const char *user, const char *password)
{
	ipc_begin(&link_out, MONITOR_PASSWORD);
	ipc_put_str(&link_out, user);
	ipc_put_bytes(&link_out, password, strlen(password));
	send_out();
	mem_wipe(link_out.data, link_out.len);
	return verdict();
}

void link_note(const char *what)
{
	char text[MONITOR_TEXT_MAX];

	mem_copy_str(text, sizeof(text), what);
	ipc_begin(&link_out, MONITOR_NOTE);
	ipc_put_str(&link_out, text);
	send_out();
}

void link_open(uint32_t channel, bool exec, const char *line, bool pty, int rows, int cols,
    const char *term, const char *const *env, int nenv)
{
	ipc_begin(&link_out, MONITOR_OPEN);
	ipc_put_u32(&link_out, channel);
	ipc_put_u32(&link_out, exec);
	ipc_put_str(&link_out, line);
	ipc_put_u32(&link_out, pty);
	ipc_put_u32(&link_out, (uint32_t)rows);
	ipc_put_u32(&link_out, (uint32_t)cols);
	ipc_put_str(&link_out, term);
	ipc_put_u32(&link_out, (uint32_t)nenv);
	for (int i = 0; i < nenv; i++)
		ipc_put_str(&link_out, env[i]);
	send_out();
}

void link_switch(uint32_t channel, const char *target)
{
	ipc_begin(&link_out, MONITOR_SWITCH);
	ipc_put_u32(&link_out, channel);
	ipc_put_str(&link_out, target);
	send_out();
}

void link_signal(uint32_t channel, int number)
{
	ipc_begin(&link_out, MONITOR_SIGNAL);
	ipc_put_u32(&link_out, channel);
	ipc_put_u32(&link_out, (uint32_t)number);
	send_out();
}

void link_forget(uint32_t channel)
{
	ipc_begin(&link_out, MONITOR_FORGET);
	ipc_put_u32(&link_out, channel);
	send_out();
}

static void take(void)
{
	uint32_t channel = 0, code = 0, sig = 0, type = link_in.type;
	int fds[3] = {-1, -1, -1}, n = type == MONITOR_PIPES ? 3 : 1;
	char text[MONITOR_TEXT_MAX + 1] = "";

	if (type == MONITOR_PING) {
		pong();
		ipc_end(&link_in);
		return;
	}
	if (type != MONITOR_CLOSE)
		channel = (uint32_t)ipc_get_range(&link_in, 0, MONITOR_CHANNELS - 1);
	if (type == MONITOR_DOOR || type == MONITOR_PIPES || type == MONITOR_PTY) {
		for (int i = 0; i < n; i++)
			fds[i] = ipc_get_fd(&link_in);
	} else if (type == MONITOR_REFUSED) {
		code = (uint32_t)ipc_get_range(&link_in, 0, 255);
		ipc_get_str(&link_in, text, sizeof(text));
	} else if (type == MONITOR_EXIT) {
		code = (uint32_t)ipc_get_range(&link_in, 0, 255);
		sig = (uint32_t)ipc_get_range(&link_in, 0, 128);
		ipc_get_range(&link_in, 0, 1);
	} else if (type == MONITOR_CLOSE) {
		ipc_get_str(&link_in, text, sizeof(text));
	} else {
		link_in.bad = true;
	}
	if (ipc_end(&link_in) < 0)
		log_fatal("malformed message %#x from the listener", type);
	if (type == MONITOR_REFUSED)
		link_hooks->refused(channel, (int)code, text);
	else if (type == MONITOR_EXIT)
		link_hooks->exited(channel, (int)code, (int)sig);
	else if (type == MONITOR_CLOSE)
		link_hooks->close_all(text);
	else
		link_hooks->granted(channel, type == MONITOR_DOOR, type == MONITOR_PTY, fds);
}

void link_ready(void)
{
	struct pollfd p = {.fd = CONN_MON_FD, .events = POLLIN};

	do {
		int n = ipc_recv(CONN_MON_FD, &link_in);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			return;
		if (n <= 0) {
			lost();
			return;
		}
		take();
	} while (poll(&p, 1, 0) == 1 && p.revents & POLLIN && !conn.over);
}
