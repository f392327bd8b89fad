/* One connection, seen from the listener: see peer.h.  What it asks for is done in peer_open.c. */
#include "sshd/peer.h"

#include <errno.h>
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
#include "sshd/peer_open.h"
#include "sshd/penalty.h"
#include "sshd/session.h"

#define PEER_PING_MS 2000     /* between heartbeats */
#define PEER_SPIN_MS 3000     /* unanswered for so long ... */
#define PEER_SPIN_CPU_MS 1000 /* ... while it used so much processor: it hangs in a loop */
#define PEER_DEAD_MS 20000    /* unanswered for so long, whatever it did */
#define PEER_CLOSE_MS 2000

static struct ipc_in peer_in;
static struct ipc_out peer_out;
static struct monitor_msg peer_msg;

static void note(const struct peer *p, const char *kind, const char *detail)
{
	const char *user = p->user.name[0] ? p->user.name : p->asked_name;

	auth_note(p->gateway->auth, p->user.id, user, p->addr.text, kind, detail);
}

static void punish(struct peer *p, enum penalty_kind kind)
{
	int64_t left;
	char text[64];

	if (p->exempt)
		return;
	left = penalty_add(p->gateway->penalties, &p->addr, kind, clock_ms());
	if (left == 0)
		return;
	snprintf(text, sizeof(text), "refused for %d s", (int)((left + 999) / 1000));
	note(p, "penalty", text);
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

static void send_verdict(struct peer *p, bool ok)
{
	ipc_begin(&peer_out, MONITOR_VERDICT);
	ipc_put_u32(&peer_out, ok);
	peer_send(p, &peer_out);
}

/* The engine vouches for a user whose numbers lie where users' numbers are: never for root. */
static bool plausible(const struct gateway *g, const struct peer *p, const struct auth_answer *a)
{
	return a->user_id > 0 && a->user_id < 1000000000 && name_valid(a->user) &&
	    strcmp(a->user, p->asked.user) == 0 && a->uid >= g->uid_base &&
	    a->uid - g->uid_base == (uint64_t)a->user_id && a->gid >= 10000;
}

static void verdict_cb(void *arg, const struct auth_answer *answer)
{
	struct peer *p = arg;
	bool ok = answer->ok, proof = p->phase.proof;

	p->question = 0;
	if (ok && !plausible(p->gateway, p, answer)) {
		log_error("engine: implausible identity for user %s", p->asked_name);
		ok = false;
	}
	if (phase_verdict(&p->phase, ok) < 0 && p->phase.at == PHASE_ENDING) {
		note(p, "refused", "too many attempts");
		punish(p, PENALTY_TRIES);
	} else if (ok && proof) {
		p->user.id = answer->user_id;
		p->user.uid = answer->uid;
		p->user.gid = answer->gid;
		mem_copy_str(p->user.name, sizeof(p->user.name), answer->user);
		mem_copy_str(p->user.role, sizeof(p->user.role), answer->role);
		p->target = p->asked;
		note(p, "login", p->asked_name);
	} else if (!ok && proof) {
		note(p, "refused", answer->err.code ? answer->err.message : "wrong key or password");
	}
	send_verdict(p, ok);
	if (p->phase.at == PHASE_ENDING)
		p->close_at = clock_ms() + PEER_CLOSE_MS;
}

static void ask_engine(struct peer *p, struct monitor_msg *m)
{
	int64_t deadline = p->started + p->gateway->grace_ms;
	struct auth *a = p->gateway->auth;

	mem_copy_str(p->asked_name, sizeof(p->asked_name), m->user);
	if (name_parse_target(&p->asked, m->user) < 0) {
		/* One line for each connection; what it holds is made harmless by the log. */
		if (!p->noted_name)
			note(p, "refused", "malformed user name");
		p->noted_name = true;
		phase_verdict(&p->phase, false);
		send_verdict(p, false);
		return;
	}
	if (m->type == MONITOR_KEY)
		p->question = auth_ask_key(a, p->asked.user, p->addr.text, m->key, m->is_signed,
		    deadline, verdict_cb, p);
	else
		p->question = auth_ask_password(a, p->asked.user, p->addr.text, m->password,
		    m->password_len, deadline, verdict_cb, p);
	mem_wipe(m->password, sizeof(m->password));
	if (p->question == 0)
		verdict_cb(p, &(struct auth_answer){0});
}

static void do_message(struct peer *p, struct monitor_msg *m)
{
	struct child *c;

	switch (m->type) {
	case MONITOR_KEY:
	case MONITOR_PASSWORD:
		ask_engine(p, m);
		break;
	case MONITOR_OPEN:
	case MONITOR_SWITCH:
		peer_open_ask(p, m);
		break;
	case MONITOR_SIGNAL:
		for (c = child_find(CHILD_EXEC, 0, p); c; c = child_next(c, CHILD_EXEC, p))
			if (c->channel == m->channel && kill(-c->pid, (int)m->number) < 0)
				kill(c->pid, (int)m->number);
		break;
	case MONITOR_FORGET:
		memset(&p->current[m->channel], 0, sizeof(p->current[0]));
		for (c = child_find(CHILD_EXEC, 0, p); c; c = child_next(c, CHILD_EXEC, p))
			if (c->channel == m->channel) {
				child_end(c, SIGHUP, clock_ms() + PEER_OPEN_KILL_MS);
				c->owner = NULL;
				break;
			}
		break;
	case MONITOR_PONG:
		if (m->number == p->ping)
			p->ponged = clock_ms();
		break;
	case MONITOR_NOTE:
		note(p, "refused", m->text);
		break;
	}
}

void peer_ready(struct peer *p)
{
	for (int n = 0; n < 32 && p->mon >= 0; n++) {
		int rc = ipc_recv(p->mon, &peer_in);

		if (rc < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (rc <= 0) {
			if (rc < 0)
				peer_kill(p, "malformed packet");
			close(p->mon);
			p->mon = -1;
			if (!p->close_at)
				p->close_at = clock_ms() + PEER_CLOSE_MS;
			return;
		}
		if (p->phase.at == PHASE_ENDING) {
			ipc_close_fds(&peer_in);
			continue;
		}
		if (monitor_decode(&peer_msg, &peer_in) < 0) {
			note(p, "crash", "malformed message from the connection");
			peer_kill(p, "malformed message");
			punish(p, PENALTY_CRASH);
			return;
		}
		enum phase_at was = p->phase.at;

		if (phase_take(&p->phase, &peer_msg) < 0) {
			char text[80];

			snprintf(text, sizeof(text), "message %#x is not allowed in phase %s",
			    peer_msg.type, phase_name(was));
			note(p, "crash", text);
			peer_kill(p, text);
			punish(p, PENALTY_CRASH);
			return;
		}
		do_message(p, &peer_msg);
	}
}

/* What its end says about the other side. */
static void judge(struct peer *p, int status)
{
	char text[64];

	if (p->user.name[0])
		note(p, "logout", "connection closed");
	if (p->killed)
		return;
	if (status != 0) { /* one that meets nothing worse than its client ends with 0 */
		snprintf(text, sizeof(text), "connection process died: %s %d",
		    WIFSIGNALED(status) ? "signal" : "status",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		note(p, "crash", text);
		punish(p, PENALTY_CRASH);
	} else if (!p->phase.verified && p->phase.at != PHASE_ENDING) {
		bool tried = p->phase.tries || p->phase.offers;

		if (p->phase.offers && !p->phase.tries && !p->noted_name)
			note(p, "refused", "no known key");
		punish(p, tried ? PENALTY_AUTH_FAILED : PENALTY_NO_AUTH);
	}
}

void peer_ended(struct peer *p, int status)
{
	struct peer **link = &p->gateway->peers;

	peer_ready(p); /* what it said last */
	judge(p, status);
	auth_cancel(p->gateway->auth, p->question);
	peer_open_forget(p);
	for (struct child *c = child_find(CHILD_EXEC, 0, p); c; c = child_find(CHILD_EXEC, 0, p)) {
		child_end(c, SIGHUP, clock_ms() + PEER_OPEN_KILL_MS);
		c->owner = NULL;
	}
	while (*link != p)
		link = &(*link)->next;
	*link = p->next;
	if (p->mon >= 0)
		close(p->mon);
	mem_free(p);
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

/* libssh can be made to loop for ever by its peer, so a process must answer now and then.  On a
 * busy machine an innocent one may be late: it is the processor time that tells them apart. */
static int heartbeat(struct peer *p, int64_t now)
{
	int64_t silent = now - p->pinged;

	if (p->ponged >= p->pinged) {
		if (p->pinged && silent < PEER_PING_MS)
			return (int)(PEER_PING_MS - silent);
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
		note(p, "crash", "connection process hangs");
		peer_kill(p, "no heartbeat");
		punish(p, PENALTY_CRASH);
	}
	return 500;
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
		note(p, "refused", "not authenticated in time");
		punish(p, PENALTY_GRACE);
		peer_kill(p, "not authenticated in time");
		return -1;
	}
	return heartbeat(p, now);
}

void peer_revoke(struct gateway *g, int64_t user_id, const char *reason)
{
	for (struct peer *p = g->peers; p; p = p->next)
		if (p->user.id == user_id && p->user.name[0])
			peer_close(p, reason);
	if (user_id <= 0 || user_id > 1000000000)
		return;
	for (struct child *c = child_first(); c; c = child_next(c, -1, NULL))
		if (c->uid == g->uid_base + (uid_t)user_id)
			child_end(c, SIGTERM, clock_ms() + PEER_CLOSE_MS);
	session_end(g, g->uid_base + (uid_t)user_id, SIGTERM);
}

int peer_unproven(const struct gateway *g, const struct addr *only)
{
	int n = 0;

	for (const struct peer *p = g->peers; p; p = p->next)
		if (!p->phase.verified && (!only || addr_same(&p->addr, only)))
			n++;
	return n;
}
