/* link: cl_conn cl_base */
/*
 * Z5: the connection process behind its key exchange.  The input is a script for everybody around it: what the client asks for
 * and sends, what the listener answers (only what it may), what programs and sessions say, how much the client takes.  libssh is
 * stood in for, as in the unit tests.  Whatever comes: no more channels and places than allowed, no byte more than the client takes,
 * bounded buffers, one answer for each question, and at the end no descriptor and no memory is left.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define must(ok) ((ok) ? (void)0 : abort())
#define assert_int_equal(a, b) must((a) == (b))
#define assert_non_null(p) must((p) != NULL)

#include "base/door.h"
#include "base/ipc.h"
#include "base/mem.h"
#include "base/sock.h"
#include "sshd/conn/back.h"
#include "sshd/conn/chan.h"
#include "sshd/conn/door.h"
#include "sshd/conn/forward.h"
#include "sshd/conn/life.h"
#include "sshd/conn/out.h"
#include "sshd/conn/pump.h"
#include "sshd/conn/request.h"
#include "tests/unit/conn/fake_listener.h"

#define STEPS 400
#define FDS 256

static const uint8_t *at;
static size_t left;
static int theirs[MONITOR_CHANNELS][3]; /* the far ends of what was granted */
static int owed[MONITOR_CHANNELS];      /* questions that the listener has not answered */

static unsigned byte(void)
{
	if (left == 0)
		return 0;
	left--;
	return *at++;
}

/* Text of the input, terminated; at most size - 1 bytes. */
static const char *text(char *out, size_t size)
{
	size_t n = byte() % size;

	n = n < left ? n : left;
	memcpy(out, at, n);
	out[n] = '\0';
	at += n;
	left -= n;
	return out;
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < FDS; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void let_go(int id)
{
	for (int i = 0; i < 3; i++) {
		if (theirs[id][i] >= 0)
			close(theirs[id][i]);
		theirs[id][i] = -1;
	}
}

/* --- the listener --- */

static void hear(void)
{
	for (uint32_t type = heard(); type; type = heard()) {
		if (type == MONITOR_OPEN || type == MONITOR_SWITCH) {
			must(msg.channel < MONITOR_CHANNELS && owed[msg.channel] == 0);
			owed[msg.channel]++;
			must(msg.nenv <= MONITOR_ENV_MAX && strlen(msg.line) <= MONITOR_LINE_MAX);
		}
	}
}

static void grant(uint32_t id, bool door, bool pty)
{
	int ours[3] = {-1, -1, -1}, p[2];

	let_go((int)id);
	for (int i = 0; i < (door || pty ? 1 : 3); i++) {
		if (door)
			must(ipc_pair(p, NULL) == 0);
		else
			must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, p) == 0);
		ours[i] = p[0];
		theirs[id][i] = p[1];
		sock_nonblock(p[1], 1);
	}
	life_granted(id, door, pty, ours);
}

static void answer(unsigned how)
{
	uint32_t id = byte() % MONITOR_CHANNELS;
	char words[64];

	if (!owed[id])
		return;
	owed[id]--;
	if (how % 4 == 0)
		life_refused(id, (int)byte(), text(words, sizeof(words)));
	else
		grant(id, !chan_all[id].forwarded && how % 4 == 1, how % 4 == 2 && chan_all[id].pty);
}

static void program_ends(void)
{
	uint32_t id = byte() % MONITOR_CHANNELS;

	if (chan_all[id].state == CHAN_PROGRAM && !chan_all[id].exited) {
		life_exited(id, (int)byte(), (int)(byte() % 65));
		let_go((int)id);
	}
}

/* --- programs and sessions --- */

static void says(int id)
{
	static struct ipc_out out;
	char words[256];

	if (theirs[id][0] < 0)
		return;
	if (chan_all[id].state == CHAN_DOOR && byte() & 1) {
		ipc_begin(&out, DOOR_FRAME + byte() % 8);
		for (unsigned n = byte() % 4; n > 0; n--)
			if (byte() & 1)
				ipc_put_u32(&out, byte());
			else
				ipc_put_str(&out, text(words, sizeof(words)));
		ipc_send(theirs[id][0], &out);
		return;
	}
	text(words, sizeof(words));
	for (int i = 0; i < 3; i++)
		if (theirs[id][i] >= 0 && byte() & 1)
			(void)!send(theirs[id][i], words, strlen(words), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The socket that a helper in the container hands out: '+' with one, or whatever it likes. */
static void hands_out(int id)
{
	int p[2];

	if (theirs[id][1] < 0 || socketpair(AF_UNIX, byte() & 1 ? SOCK_STREAM : SOCK_DGRAM, 0, p) < 0)
		return;
	sock_send_fd(theirs[id][1], (char)(byte() & 1 ? '+' : (int)byte()), p[0]);
	close(p[0]);
	close(p[1]);
}

static void reads(int id)
{
	static char scrap[65536];

	for (int i = 0; i < 3; i++)
		if (theirs[id][i] >= 0)
			while (recv(theirs[id][i], scrap, sizeof(scrap), MSG_DONTWAIT) > 0)
				;
}

/* --- the client --- */

/* A channel whose requests libssh would bring: it has been opened, and is not given back. */
static struct chan *some(void)
{
	struct chan *c = &chan_all[byte() % MONITOR_CHANNELS];

	return c->state != CHAN_FREE && c->state != CHAN_GONE && c->ssh && c->callbacks.channel_data_function ? c : NULL;
}

static void request(struct chan *c)
{
	const struct ssh_channel_callbacks_struct *cb = &c->callbacks;
	char a[300], b[300];
	size_t n, took;

	switch (byte() % 11) {
	case 0:
		cb->channel_pty_request_function(NULL, c->ssh, text(a, sizeof(a)), (int8_t)byte() * 300, (int8_t)byte() * 300, 0, 0, c);
		break;
	case 1:
		cb->channel_env_request_function(NULL, c->ssh, text(a, sizeof(a)), text(b, sizeof(b)), c);
		break;
	case 2:
		cb->channel_shell_request_function(NULL, c->ssh, c);
		break;
	case 3:
		cb->channel_exec_request_function(NULL, c->ssh, text(a, sizeof(a)), c);
		break;
	case 4:
		cb->channel_subsystem_request_function(NULL, c->ssh, byte() & 1 ? "sftp" : text(a, sizeof(a)), c);
		break;
	case 5:
		cb->channel_pty_window_change_function(NULL, c->ssh, (int8_t)byte() * 300, (int8_t)byte() * 300, 0, 0, c);
		break;
	case 6:
		cb->channel_signal_function(NULL, c->ssh, byte() & 1 ? "TERM" : text(a, sizeof(a)), c);
		break;
	case 7:
		cb->channel_auth_agent_req_function(NULL, c->ssh, c);
		break;
	case 8:
		text(a, sizeof(a));
		n = strlen(a);
		took = (size_t)cb->channel_data_function(NULL, c->ssh, a, (uint32_t)n, byte() & 1, c);
		must(took <= n);
		buf_add(&fake_ssh.typed, a + took, n - took); /* libssh keeps it for a later look */
		break;
	case 9:
		cb->channel_eof_function(NULL, c->ssh, c);
		break;
	default:
		cb->channel_close_function(NULL, c->ssh, c);
	}
}

static void asks_for_ways(void)
{
	char host[128];

	fake_ssh_host = fake_ssh_address = byte() & 1 ? "localhost" : text(host, sizeof(host));
	fake_ssh_port = fake_ssh_listen = (int)(byte() << 8 | byte()) - 16;
	if (byte() & 1)
		forward_ask(NULL, (ssh_message)(void *)question, request_listen);
	else if (byte() & 1)
		back_ask((ssh_message)(void *)question, byte() & 1);
	else
		forward_ask_path((ssh_message)(void *)question, fake_ssh_host, request_listen);
}

/* --- the loop --- */

static void check(void)
{
	int sessions = 0, ways = 0;

	for (struct chan *c = chan_all; c < chan_all + MONITOR_CHANNELS; c++) {
		if (c->state == CHAN_FREE)
			continue;
		sessions += !c->forwarded;
		ways += c->forwarded;
		must(c->nenv <= MONITOR_ENV_MAX && c->backlog <= CONN_BACKLOG_MAX && c->in_len <= CONN_BACKLOG_MAX);
		must(c->rows >= DOOR_ROWS_MIN && c->rows <= DOOR_ROWS_MAX && c->cols >= DOOR_COLS_MIN && c->cols <= DOOR_COLS_MAX);
		must(strlen(c->term) <= MONITOR_TERM_MAX);
	}
	must(sessions <= MONITOR_SESSIONS && ways <= MONITOR_CHANNELS - MONITOR_SESSIONS);
}

static void turn(void)
{
	for (struct chan *c = chan_all; c < chan_all + MONITOR_CHANNELS; c++) {
		struct pollfd p[PUMP_FDS];
		int n;

		if (c->state == CHAN_FREE)
			continue;
		n = pump_poll(c, p);
		poll(p, (nfds_t)n, 0);
		out_send(c);
		pump_ready(c, p, n);
		if (c->state == CHAN_DOOR && c->ack_due && c->out_len == 0)
			door_ack(c);
	}
	back_turn();
	life_sweep();
	buf_drop(&fake_ssh.out, fake_ssh.out.len);
	buf_drop(&fake_ssh.err, fake_ssh.err.len);
	check();
}

static void step(void)
{
	struct chan *c;
	unsigned what = byte();

	switch (what % 12) {
	case 0:
		request_open_cb(NULL, NULL);
		break;
	case 1: case 2: case 3:
		if ((c = some()))
			request(c);
		break;
	case 4:
		asks_for_ways();
		break;
	case 5: case 6:
		answer(what / 12);
		break;
	case 7:
		says((int)(byte() % MONITOR_CHANNELS));
		break;
	case 8:
		hands_out((int)(byte() % MONITOR_CHANNELS));
		break;
	case 9:
		program_ends();
		break;
	case 10:
		fake_ssh.window = byte() << 4;
		fake_ssh.pending = byte() & 1;
		fake_ssh_open = byte() & 1 ? SSH_OK : SSH_AGAIN;
		break;
	default:
		reads((int)(byte() % MONITOR_CHANNELS));
	}
}

static void end(void)
{
	fake_ssh.window = 1 << 20;
	fake_ssh.pending = false;
	life_close_all("over");
	for (int n = 0; n < 4; n++) {
		for (uint32_t id = 0; id < MONITOR_CHANNELS; id++) {
			hear();
			chan_all[id].client_closed = chan_all[id].state != CHAN_FREE;
			if (owed[id] && (chan_all[id].state == CHAN_GONE || chan_all[id].state == CHAN_ASKED))
				life_refused(id, 1, "over");
			owed[id] = 0;
			let_go((int)id);
		}
		turn();
	}
	for (struct chan *c = chan_all; c < chan_all + MONITOR_CHANNELS; c++)
		must(c->state == CHAN_FREE || c->state == CHAN_PROGRAM || c->state == CHAN_DOOR);
	for (struct chan *c = chan_all; c < chan_all + MONITOR_CHANNELS; c++)
		if (c->state != CHAN_FREE)
			chan_release(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int base;

	signal(SIGPIPE, SIG_IGN);
	at = data;
	left = size;
	memset(theirs, -1, sizeof(theirs));
	memset(owed, 0, sizeof(owed));
	fake_listener_open();
	back_init(request_listen);
	for (struct chan *c = chan_all; c < chan_all + MONITOR_CHANNELS; c++)
		c->in = c->out = c->err = -1;
	base = open_fds();
	for (int n = 0; n < STEPS && left > 0 && !conn.over; n++) {
		step();
		hear();
		turn();
		hear();
	}
	end();
	must(open_fds() == base);
	fake_listener_close();
	return 0;
}
