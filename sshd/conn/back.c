/* Connections from a dev container to the client: see back.h. */
#include "sshd/conn/back.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/door.h"
#include "base/mem.h"
#include "base/sock.h"
#include "sshd/conn/ask.h"
#include "sshd/conn/forward.h"
#include "sshd/conn/packet.h"

#define BACK_ADDRESS (PACKET_PATH_MAX + 1)

struct back {
	struct chan *c;          /* its program's place; NULL: this one is free */
	bool agent;
	const struct chan *door; /* whose session asked for the agent; NULL: for programs of the client */
	bool listening;
	char address[BACK_ADDRESS]; /* as the client named it; of a socket its path */
	int asked, port;         /* 0 asked for: any; the one that it is */
	char path[64];           /* of the agent's socket */
	struct ask *ask;         /* not answered yet */
};

struct ask {
	uint64_t order;          /* 0: this one is free */
	ssh_message msg;
	int verdict;             /* 0 not known, 1 yes, -1 no */
	int port;
};

static struct back backs[BACK_MOST];
static struct ask asks[BACK_ASKS];
static void (*back_listen)(struct chan *c);
static int back_openings;    /* channels that the client has not answered */

void back_init(void (*listen)(struct chan *c))
{
	back_listen = listen;
}

/* --- answers, in the order of the questions --- */

static struct ask *ask_new(ssh_message msg)
{
	static uint64_t count;

	for (struct ask *a = asks; a < asks + BACK_ASKS; a++)
		if (a->order == 0) {
			*a = (struct ask){.order = ++count, .msg = forward_keep(msg)};
			return a;
		}
	return NULL;
}

static struct ask *oldest(void)
{
	struct ask *first = NULL;

	for (struct ask *a = asks; a < asks + BACK_ASKS; a++)
		if (a->order && (!first || a->order < first->order))
			first = a;
	return first;
}

static void answer(struct ask *a, int verdict, int port)
{
	if (a) {
		a->verdict = verdict;
		a->port = port;
	}
	for (a = oldest(); a && a->verdict; a = oldest()) {
		if (a->verdict > 0)
			ssh_message_global_request_reply_success(a->msg, (uint16_t)a->port);
		else
			ssh_message_reply_default(a->msg);
		mem_free(a->msg);
		memset(a, 0, sizeof(*a));
	}
}

/* --- places to listen at --- */

static struct back *place_new(const char *line)
{
	struct back *b = backs;

	while (b < backs + BACK_MOST && b->c)
		b++;
	if (b == backs + BACK_MOST || conn.orphan)
		return NULL;
	memset(b, 0, sizeof(*b));
	b->c = chan_new(true);
	if (!b->c)
		return NULL;
	b->c->back = b;
	b->c->no_status = true;
	ask_open(b->c, true, line);
	if (b->c->state == CHAN_ASKED)
		return b;
	b->c->back = NULL;
	chan_release(b->c);
	b->c = NULL;
	return NULL;
}

/* Addresses that mean this machine, every machine or what the server likes: all are its loopback. */
static bool local(const char *address)
{
	static const char *const names[] = {"", "localhost", "127.0.0.1", "::1", "*", "0.0.0.0", "::"};

	for (size_t i = 0; address && i < CL_COUNT(names); i++)
		if (strcmp(address, names[i]) == 0)
			return true;
	return false;
}

static struct back *find(const char *address, int port)
{
	for (struct back *b = backs; b < backs + BACK_MOST; b++)
		if (b->c && !b->agent && address && strcmp(b->address, address) == 0 &&
		    (b->port ? b->port : b->asked) == port)
			return b;
	return NULL;
}

static bool cancel(ssh_message msg)
{
	struct back *b = find(ssh_message_global_request_address(msg),
	    ssh_message_global_request_port(msg));
	struct ask *a = ask_new(msg);

	if (!a)
		return false;
	if (b)
		b->c->client_closed = true; /* life_sweep() ends it */
	answer(a, b ? 1 : -1, 0);
	return true;
}

bool back_ask(ssh_message msg, bool is_cancel)
{
	const char *address = ssh_message_global_request_address(msg);
	int port = ssh_message_global_request_port(msg);
	struct back *b = NULL;
	bool socket = address && address[0] == '/';
	struct ask *a;
	char line[BACK_ADDRESS + 32];

	if (is_cancel)
		return cancel(msg);
	a = ask_new(msg);
	if (!a)
		return false;
	if (socket)
		snprintf(line, sizeof(line), "forward-listen %s", address);
	else
		snprintf(line, sizeof(line), "forward-listen %d", port);
	if (socket && !forward_plain_path(address))
		forward_say("codinglab: forwarding (-R): not a path that a socket of the dev container can have here");
	else if (!socket && (!local(address) || port < 0 || port > 65535))
		forward_say("codinglab: forwarding (-R): only the loopback of the dev container can be listened at");
	else if (!(b = place_new(line)))
		forward_say("codinglab: forwarding (-R): too many at once");
	if (!b) {
		answer(a, -1, 0);
		return true;
	}
	mem_copy_str(b->address, sizeof(b->address), address);
	b->asked = port;
	b->ask = a;
	return true;
}

/* --- the agent --- */

static struct back *agent_place(const struct chan *door)
{
	for (struct back *b = backs; b < backs + BACK_MOST; b++)
		if (b->c && b->agent && b->door == door)
			return b;
	return NULL;
}

/* Is there a place for programs, or is one asked for? */
static bool have_place(void)
{
	struct back *b = agent_place(NULL);
	uint64_t r;
	char path[sizeof(b->path)], line[sizeof(path) + 16];

	if (b)
		return true;
	if (getrandom(&r, sizeof(r), 0) != sizeof(r))
		return false;
	snprintf(path, sizeof(path), "/tmp/codinglab-agent-%016llx", (unsigned long long)r);
	snprintf(line, sizeof(line), "forward-agent %s", path);
	b = place_new(line);
	if (!b)
		return false;
	b->agent = true;
	mem_copy_str(b->path, sizeof(b->path), path);
	return true;
}

static void begin(struct chan *c)
{
	const struct back *b = agent_place(NULL);
	cl_autofree char *command = c->later;

	c->later = NULL;
	if (b && b->listening && c->nenv < MONITOR_ENV_MAX)
		c->env[c->nenv++] = mem_printf("CODINGLAB_AGENT=%s", b->path);
	ask_open(c, true, command);
}

void back_agent_exec(struct chan *c, const char *command)
{
	c->later = mem_strdup(command);
	if (!have_place() || agent_place(NULL)->listening)
		begin(c);
}

/* What a session says is put into a line: its bytes may be plain ones only. */
static bool plain(const char *text, const char *head)
{
	size_t n = strlen(head);

	return strncmp(text, head, n) == 0 && text[n] &&
	    strspn(text + n, "abcdefghijklmnopqrstuvwxyz0123456789-./") == strlen(text + n) &&
	    !strstr(text, "..");
}

void back_agent_door(struct chan *door, const char *path, const char *project)
{
	struct back *b = agent_place(door);
	char line[MONITOR_TEXT_MAX + DOOR_AGENT_MAX + 32];

	if (b && strcmp(b->path, path) == 0 && !b->c->client_closed)
		return;
	back_door_over(door);
	if (!door->agent || !plain(path, "/tmp/codinglab-agent-") || !plain(project, ""))
		return;
	snprintf(line, sizeof(line), "forward-agent %s %s", project, path);
	b = place_new(line);
	if (!b)
		return;
	b->agent = true;
	b->door = door;
	mem_copy_str(b->path, sizeof(b->path), path);
}

void back_door_over(const struct chan *door)
{
	for (struct back *b = backs; b < backs + BACK_MOST; b++)
		if (b->c && b->door == door) {
			b->c->client_closed = true; /* life_sweep() ends it */
			b->door = b->c; /* whoever has that door's number next is another */
		}
}

/* The agent's place is there, or will not be. */
static void agent_known(void)
{
	for (struct chan *c = chan_all; c < chan_all + MONITOR_CHANNELS; c++)
		if (c->later && c->state == CHAN_IDLE && !c->client_closed && !c->ending)
			begin(c);
}

/* --- from the container --- */

void back_over(struct chan *c)
{
	struct back *b = c->back;

	c->back = NULL;
	b->c = NULL;
	if (b->ask)
		answer(b->ask, -1, 0);
	b->ask = NULL;
	if (b->agent && !b->door)
		agent_known();
}

void back_refused(struct chan *c, const char *why)
{
	char text[MONITOR_TEXT_MAX];

	mem_copy_str(text, sizeof(text), why && *why ? why : "codinglab: forwarding: refused");
	text[strcspn(text, "\r\n")] = '\0';
	forward_say(text);
	c->client_closed = true;
	back_over(c);
}

static int port_of(int fd)
{
	struct sockaddr_in a = {0};
	socklen_t n = sizeof(a);

	return getsockname(fd, (struct sockaddr *)&a, &n) == 0 && a.sin_family == AF_INET ?
	    ntohs(a.sin_port) : 0;
}

/* The socket to listen at, or the reason why there is none. */
static void begin_listening(struct chan *c)
{
	struct back *b = c->back;
	char sign = 0, text[512];
	int fd = -1, n = sock_recv_fd(c->out, &sign, &fd);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == 1 && sign == '+' && fd >= 0 && forward_join(c, fd)) {
		b->listening = true;
		b->port = b->agent ? 0 : b->asked ? b->asked : port_of(c->out);
		if (b->agent && !b->door)
			agent_known();
		else if (!b->agent)
			answer(b->ask, 1, b->port);
		b->ask = NULL;
		return;
	}
	if (fd >= 0 && !c->socket && sign != '+')
		close(fd);
	forward_reason(c, text, sizeof(text));
	back_refused(c, text);
}

/* Ask the client to take the connection. */
static int offer(struct chan *c, const struct back *b)
{
	struct sockaddr_in a = {0};
	socklen_t n = sizeof(a);
	char from[INET_ADDRSTRLEN] = "127.0.0.1";

	if (c->to_agent)
		return ssh_channel_open_auth_agent(c->ssh);
	if (b->address[0] == '/')
		return packet_open_path(c->ssh, b->address);
	if (getpeername(c->out, (struct sockaddr *)&a, &n) == 0 && a.sin_family == AF_INET)
		inet_ntop(AF_INET, &a.sin_addr, from, sizeof(from));
	return ssh_channel_open_reverse_forward(c->ssh, b->address, b->port, from, ntohs(a.sin_port));
}

static void bring(struct back *b, int fd)
{
	struct chan *c = conn.closing ? NULL : chan_new(true);

	if (!c || !(c->ssh = ssh_channel_new(conn.session))) {
		close(fd);
		forward_say("codinglab: forwarding: too many connections at once");
		return;
	}
	c->state = CHAN_PROGRAM;
	c->in = c->out = fd;
	c->socket = c->no_status = c->exited = true;
	c->to_agent = b->agent;
	back_listen(c);
	if (offer(c, b) == SSH_AGAIN) {
		c->opening = true;
		back_openings++;
	} else {
		c->client_closed = !ssh_channel_is_open(c->ssh);
	}
}

static void accept_one(struct chan *c)
{
	int fd = accept4(c->out, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0)
		bring(c->back, fd);
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		c->client_closed = true;
}

void back_ready(struct chan *c)
{
	if (c->back->listening)
		accept_one(c);
	else
		begin_listening(c);
}

void back_turn(void)
{
	int left = 0;

	for (struct chan *c = chan_all; back_openings && c < chan_all + MONITOR_CHANNELS; c++) {
		if (!c->opening)
			continue;
		/* Asked once more, libssh says what came of it. */
		int rc = c->to_agent ? ssh_channel_open_auth_agent(c->ssh) :
		    ssh_channel_open_reverse_forward(c->ssh, "", 0, "", 0);

		c->opening = rc == SSH_AGAIN;
		left += c->opening;
		if (rc != SSH_OK && rc != SSH_AGAIN)
			c->client_closed = true;
	}
	back_openings = left;
}
