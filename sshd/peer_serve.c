/* Hearing a connection process and doing what is legal: see peer_serve.h. */
#include "sshd/peer_serve.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "sshd/auth.h"
#include "sshd/child.h"
#include "sshd/peer_open.h"
#include "sshd/penalty.h"

#define SERVE_STEP_MS 5000        /* so much of a waiting penalty doubles the delay once more */
#define SERVE_DELAY_MOST_MS 5000  /* inside the grace time, or no refusal would ever be told */
#define SERVE_SURPLUS_MS 5000     /* for one connection too many to be told why */

static struct ipc_in serve_in;
static struct ipc_out serve_out;
static struct monitor_msg serve_msg;

static void send_verdict(struct peer *p, bool ok)
{
	ipc_begin(&serve_out, MONITOR_VERDICT);
	ipc_put_u32(&serve_out, ok);
	peer_send(p, &serve_out);
}

/* The engine vouches for a user whose numbers lie where users' numbers are: never for root. */
static bool plausible(const struct gateway *g, const struct peer *p, const struct auth_answer *a)
{
	return a->user_id > 0 && a->user_id < 1000000000 && name_valid(a->user) &&
	    strcmp(a->user, p->asked.user) == 0 && a->uid >= g->uid_base &&
	    a->uid - g->uid_base == (uint64_t)a->user_id && a->gid >= 10000;
}

/* A wrong password or key is answered later each time, and later still where the same source has
 * penalties waiting; counted from the question, so that what the engine took does not show. */
static int64_t tell_at(const struct peer *p)
{
	int64_t wait = p->gateway->delay_ms;
	int steps = p->phase.tries;

	if (p->exempt || wait == 0)
		return 0;
	steps += (int)(penalty_pending(p->gateway->penalties, &p->addr, clock_ms()) / SERVE_STEP_MS);
	for (int i = 0; i < steps && wait < SERVE_DELAY_MOST_MS; i++)
		wait *= 2;
	return p->asked_at + (wait < SERVE_DELAY_MOST_MS ? wait : SERVE_DELAY_MOST_MS);
}

static void refused(struct peer *p, const struct cl_err *why)
{
	bool proof = p->phase.proof;

	p->tell_at = 0;
	if (p->phase.at != PHASE_ASKING)
		return;
	if (phase_verdict(&p->phase, false) < 0 && p->phase.at == PHASE_ENDING) {
		peer_note(p, "refused", "too many attempts");
		peer_punish(p, PENALTY_TRIES);
	} else if (proof && why->code != CL_USAGE) { /* which has its line */
		peer_note(p, "refused", why->code ? why->message : "wrong key or password");
	}
	send_verdict(p, false);
	if (p->phase.at == PHASE_ENDING)
		p->close_at = clock_ms() + PEER_CLOSE_MS;
}

int peer_serve_turn(struct peer *p, int64_t now)
{
	if (!p->tell_at || p->killed)
		return -1;
	if (p->tell_at > now)
		return (int)(p->tell_at - now);
	refused(p, &p->refusal);
	return -1;
}

static void hold_back(struct peer *p, const struct cl_err *why)
{
	p->refusal = *why;
	p->tell_at = p->phase.proof ? tell_at(p) : 0;
	if (!p->tell_at)
		refused(p, &p->refusal);
}

/* Were it kept open, the client would not see the end of its connection. */
static void forget_socket(struct peer *p)
{
	if (p->tcp >= 0)
		close(p->tcp);
	p->tcp = -1;
}

static void accepted(struct peer *p, const struct auth_answer *answer)
{
	bool proof = p->phase.proof;

	if (phase_verdict(&p->phase, true) < 0)
		return; /* the answer comes too late for it */
	if (proof) {
		forget_socket(p);
		p->user.id = answer->user_id;
		p->user.uid = answer->uid;
		p->user.gid = answer->gid;
		mem_copy_str(p->user.name, sizeof(p->user.name), answer->user);
		mem_copy_str(p->user.role, sizeof(p->user.role), answer->role);
		mem_copy_str(p->user.fingerprint, sizeof(p->user.fingerprint), answer->fingerprint);
		p->target = p->asked;
		peer_note(p, "login", p->asked_name);
		if (p->gateway->connections_per_user &&
		    peer_of_user(p->gateway, p->user.id) > p->gateway->connections_per_user) {
			peer_note(p, "refused", "too many connections of this user");
			p->surplus_until = clock_ms() + SERVE_SURPLUS_MS;
		}
	}
	send_verdict(p, true);
}

static void verdict_cb(void *arg, const struct auth_answer *answer)
{
	struct peer *p = arg;
	bool ok = answer->ok;

	p->question = 0;
	if (ok && !plausible(p->gateway, p, answer)) {
		log_error("engine: implausible identity for user %s", p->asked_name);
		ok = false;
	}
	if (ok) {
		accepted(p, answer);
		return;
	}
	hold_back(p, &answer->err);
}

static void ask_engine(struct peer *p, struct monitor_msg *m)
{
	int64_t deadline = p->started + p->gateway->grace_ms;
	struct auth *a = p->gateway->auth;

	p->asked_at = clock_ms();
	mem_copy_str(p->asked_name, sizeof(p->asked_name), m->user);
	if (name_parse_target(&p->asked, m->user) < 0) {
		/* One line for each connection; what it holds is made harmless by the log. */
		if (!p->noted_name)
			peer_note(p, "refused", "malformed user name");
		p->noted_name = true;
		hold_back(p, &(struct cl_err){.code = CL_USAGE});
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
		peer_note(p, "refused", m->text);
		break;
	}
}

void peer_serve_ready(struct peer *p)
{
	for (int n = 0; n < 32 && p->mon >= 0; n++) {
		int rc = ipc_recv(p->mon, &serve_in);

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
			ipc_close_fds(&serve_in);
			continue;
		}
		if (monitor_decode(&serve_msg, &serve_in) < 0) {
			peer_note(p, "crash", "malformed message from the connection");
			peer_kill(p, "malformed message");
			peer_punish(p, PENALTY_CRASH);
			return;
		}
		enum phase_at was = p->phase.at;

		if (phase_take(&p->phase, &serve_msg) < 0) {
			char text[80];

			snprintf(text, sizeof(text), "message %#x is not allowed in phase %s",
			    serve_msg.type, phase_name(was));
			peer_note(p, "crash", text);
			peer_kill(p, text);
			peer_punish(p, PENALTY_CRASH);
			return;
		}
		do_message(p, &serve_msg);
	}
}

/* What its end says about the other side. */
static void judge(struct peer *p, int status)
{
	char text[64];

	if (p->user.name[0])
		peer_note(p, "logout", "connection closed");
	if (p->killed)
		return;
	if (status != 0) { /* one that meets nothing worse than its client ends with 0 */
		snprintf(text, sizeof(text), "connection process died: %s %d",
		    WIFSIGNALED(status) ? "signal" : "status",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		peer_note(p, "crash", text);
		peer_punish(p, PENALTY_CRASH);
	} else if (!p->phase.verified && p->phase.at != PHASE_ENDING) {
		bool tried = p->phase.tries || p->phase.offers;

		if (p->phase.offers && !p->phase.tries && !p->noted_name)
			peer_note(p, "refused", "no known key");
		peer_punish(p, tried ? PENALTY_AUTH_FAILED : PENALTY_NO_AUTH);
	}
}

void peer_serve_ended(struct peer *p, int status)
{
	struct peer **link = &p->gateway->peers;

	peer_serve_ready(p); /* what it said last */
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
	forget_socket(p);
	mem_free(p);
}
