/* One connection, seen from the listener: see peer.h.  What it says is heard in peer_serve.c. */
#include "sshd/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/sock.h"
#include "sshd/auth.h"
#include "sshd/child.h"
#include "sshd/penalty.h"
#include "sshd/session.h"

#define PEER_PING_MS 2000     /* between heartbeats */
#define PEER_REST_MS 30000    /* between those of one that used no processor since its last answer */
#define PEER_BUSY_MS 20       /* of processor time since its last answer: worth another heartbeat */
#define PEER_SPIN_MS 3000     /* unanswered for so long ... */
#define PEER_SPIN_CPU_MS 1000 /* ... while it used so much processor: it hangs in a loop */
#define PEER_DEAD_MS 20000    /* unanswered for so long, whatever it did */

static struct ipc_out peer_out;

void peer_note(const struct peer *p, const char *kind, const char *detail)
{
	const char *user = p->user.name[0] ? p->user.name : p->asked_name;

	auth_note(p->gateway->auth, p->user.id, user, p->addr.text, kind, detail);
}

void peer_punish(struct peer *p, enum penalty_kind kind)
{
	int64_t left;
	char text[64];

	if (p->exempt)
		return;
	left = penalty_add(p->gateway->penalties, &p->addr, kind, clock_ms());
	if (left == 0)
		return;
	snprintf(text, sizeof(text), "refused for %d s", (int)((left + 999) / 1000));
	peer_note(p, "penalty", text);
}

struct peer *peer_start(struct gateway *g, int tcp, const struct addr *addr, struct cl_err *err)
{
	struct peer *p;
	int mon;
	pid_t pid = launch_conn(g, tcp, &mon, err);

	if (pid < 0)
		return NULL;
	p = mem_alloc(sizeof(*p));
	p->gateway = g;
	p->pid = pid;
	p->mon = mon;
	p->tcp = fcntl(tcp, F_DUPFD_CLOEXEC, 0);
	p->addr = *addr;
	p->exempt = addr_listed(addr, g->exempt);
	p->started = p->ponged = clock_ms();
	phase_init(&p->phase, g->tries);
	child_add(CHILD_CONN, pid, g->conn_uid)->owner = p;
	sock_nonblock(mon, 1);
	ipc_begin(&peer_out, MONITOR_SETUP);
	ipc_put_u32(&peer_out, g->conn_uid);
	ipc_put_u32(&peer_out, g->conn_gid);
	ipc_put_str(&peer_out, g->empty);
	ipc_put_u32(&peer_out, (uint32_t)g->tries);
	ipc_put_u32(&peer_out, (uint32_t)g->grace_ms);
	ipc_put_str(&peer_out, addr->text);
	ipc_send(mon, &peer_out);
	p->next = g->peers;
	g->peers = p;
	return p;
}

void peer_kill(struct peer *p, const char *why)
{
	if (p->killed)
		return;
	log_warn("connection %d from %s ended: %s", (int)p->pid, p->addr.text, why);
	p->killed = true;
	phase_end(&p->phase);
	kill(p->pid, SIGKILL);
}

void peer_send(struct peer *p, const struct ipc_out *m)
{
	/* Its queue holds hundreds of these: a process that lets it fill up is not reading. */
	if (p->mon >= 0 && ipc_send(p->mon, m) < 0 && errno != EPIPE && errno != ECONNRESET)
		peer_kill(p, "it does not read its messages");
}

void peer_child_ended(struct peer *p, uint32_t channel, int status)
{
	phase_child_ended(&p->phase, channel);
	ipc_begin(&peer_out, MONITOR_EXIT);
	ipc_put_u32(&peer_out, channel);
	ipc_put_u32(&peer_out, (uint32_t)proc_exit_code(status));
	ipc_put_u32(&peer_out, WIFSIGNALED(status) ? (uint32_t)WTERMSIG(status) : 0);
	ipc_put_u32(&peer_out, WIFSIGNALED(status) && WCOREDUMP(status));
	peer_send(p, &peer_out);
}

void peer_close(struct peer *p, const char *reason)
{
	ipc_begin(&peer_out, MONITOR_CLOSE);
	ipc_put_str(&peer_out, reason);
	peer_send(p, &peer_out);
	phase_end(&p->phase);
	p->close_at = clock_ms() + PEER_CLOSE_MS;
}

/* Milliseconds of processor time that a process has used. */
static int64_t cpu_ms(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &ts) < 0)
		return 0;
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Milliseconds to the first multiple of PEER_PING_MS at or after that moment. */
static int next_beat(int64_t now, int64_t at)
{
	return (int)((at + PEER_PING_MS - 1) / PEER_PING_MS * PEER_PING_MS - now);
}

/* libssh can be made to loop for ever by its peer, so a process must answer now and then.  On a
 * busy machine an innocent one may be late: it is the processor time that tells them apart. */
static int heartbeat(struct peer *p, int64_t now)
{
	int64_t silent = now - p->pinged;

	if (p->ponged >= p->pinged) {
		/* On whole seconds, so that hundreds of peers are one wake-up. */
		if (p->pinged && silent < PEER_PING_MS)
			return next_beat(now, p->pinged + PEER_PING_MS);
		if (p->pinged && silent < PEER_REST_MS && cpu_ms(p->pid) - p->cpu_at_ping < PEER_BUSY_MS)
			return next_beat(now, now + PEER_PING_MS);
		p->pinged = now;
		p->ponged = now - 1;
		p->cpu_at_ping = cpu_ms(p->pid);
		ipc_begin(&peer_out, MONITOR_PING);
		ipc_put_u32(&peer_out, ++p->ping);
		peer_send(p, &peer_out);
		return PEER_PING_MS;
	}
	if (silent >= PEER_DEAD_MS ||
	    (silent >= PEER_SPIN_MS && cpu_ms(p->pid) - p->cpu_at_ping >= PEER_SPIN_CPU_MS)) {
		peer_note(p, "crash", "connection process hangs");
		peer_kill(p, "no heartbeat");
		peer_punish(p, PENALTY_CRASH);
	}
	return 500;
}

static int sooner(int a, int b)
{
	return a < 0 ? b : b < 0 ? a : a < b ? a : b;
}

/* Milliseconds until it is too old, at most a day; -1 = never. */
static int old_at(const struct peer *p, int64_t now)
{
	int64_t left = p->started + p->gateway->connection_max_ms - now;

	if (!p->gateway->connection_max_ms)
		return -1;
	return left > 86400000 ? 86400000 : (int)left;
}

int peer_turn(struct peer *p, int64_t now)
{
	int64_t grace = p->started + p->gateway->grace_ms - now;

	if (p->killed)
		return -1;
	if (p->close_at) {
		if (p->close_at <= now)
			peer_kill(p, "it did not end by itself");
		return p->close_at > now ? (int)(p->close_at - now) : -1;
	}
	if (!p->phase.verified) {
		if (grace > 0)
			return (int)grace;
		peer_note(p, "refused", "not authenticated in time");
		peer_punish(p, PENALTY_GRACE);
		peer_kill(p, "not authenticated in time");
		return -1;
	}
	if (p->surplus_until && p->surplus_until <= now) {
		peer_close(p, "codinglab: you have too many connections open");
		return PEER_CLOSE_MS;
	}
	if (p->gateway->connection_max_ms && now - p->started >= p->gateway->connection_max_ms) {
		peer_note(p, "logout", "as old as a connection may get");
		peer_close(p, "codinglab: this connection is as old as one may get. Connect again");
		return PEER_CLOSE_MS;
	}
	return sooner(heartbeat(p, now), old_at(p, now));
}

void peer_revoke(struct gateway *g, int64_t user_id, const char *reason, const char *fingerprint)
{
	for (struct peer *p = g->peers; p; p = p->next)
		if (p->user.id == user_id && p->user.name[0] &&
		    (!*fingerprint || strcmp(p->user.fingerprint, fingerprint) == 0))
			peer_close(p, reason);
	if (*fingerprint)
		return;
	if (user_id <= 0 || user_id > 1000000000)
		return;
	for (struct child *c = child_first(); c; c = child_next(c, -1, NULL))
		if (c->uid == g->uid_base + (uid_t)user_id)
			child_end(c, SIGTERM, clock_ms() + PEER_CLOSE_MS);
	session_end(g, g->uid_base + (uid_t)user_id, SIGTERM);
}

int peer_of_user(const struct gateway *g, int64_t user_id)
{
	int n = 0;

	for (const struct peer *p = g->peers; p; p = p->next)
		n += p->phase.verified && !p->killed && p->user.id == user_id;
	return n;
}

int peer_unproven(const struct gateway *g, const struct addr *only)
{
	int n = 0;

	for (const struct peer *p = g->peers; p; p = p->next)
		if (!p->phase.verified && !p->killed && (!only || addr_same(&p->addr, only)))
			n++;
	return n;
}
