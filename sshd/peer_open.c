/* Opening sessions and programs: see peer_open.h. */
#include "sshd/peer_open.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "sshd/auth.h"
#include "sshd/child.h"
#include "sshd/session.h"

#define PEER_OPEN_WAIT_MS 20000 /* for the engine's answer */

static struct ipc_out open_out;

static void forget(struct peer_wish *w)
{
	mem_free(w->open);
	memset(w, 0, sizeof(*w));
}

static void refuse(struct peer *p, uint32_t channel, const struct cl_err *err)
{
	char text[MONITOR_TEXT_MAX];

	snprintf(text, sizeof(text), "codinglab: %s%s%s", err->message, err->hint[0] ? ". " : "",
	    err->hint);
	phase_answer(&p->phase, channel, SLOT_REFUSED);
	ipc_begin(&open_out, MONITOR_REFUSED);
	ipc_put_u32(&open_out, channel);
	ipc_put_u32(&open_out, (uint32_t)err_exit(err->code ? err->code : CL_FAILED));
	ipc_put_str(&open_out, text);
	peer_send(p, &open_out);
}

/* First word of a command, for the audit log: arguments may hold secrets. */
static void audit(struct peer *p, const struct auth_answer *at, const char *what)
{
	char text[160];

	snprintf(text, sizeof(text), "%s: %.*s", at->project[0] ? at->project : "home",
	    (int)strcspn(what, " \t\r\n"), what);
	auth_note(p->gateway->auth, p->user.id, p->user.name, p->addr.text, "session", text);
}

static void open_session(struct peer *p, struct peer_wish *w, const struct auth_answer *at)
{
	struct cl_err err = {0};
	int fd = session_open(p->gateway, &p->user, at, DOOR_OWNER, p->addr.text, &err);

	if (fd < 0) {
		refuse(p, w->channel, &err);
		return;
	}
	audit(p, at, "screen");
	p->current[w->channel] = w->target;
	phase_answer(&p->phase, w->channel, SLOT_DOOR);
	ipc_begin(&open_out, MONITOR_DOOR);
	ipc_put_u32(&open_out, w->channel);
	ipc_put_fd(&open_out, fd);
	peer_send(p, &open_out);
	close(fd);
}

static void open_program(struct peer *p, struct peer_wish *w, const struct auth_answer *at,
    const char *line)
{
	int fds[3], n = w->open->pty ? 1 : 3;
	struct cl_err err = {0};
	struct child *c;
	pid_t pid = launch_exec(p->gateway, &p->user, at, &w->target, w->open, line, fds, &err);

	if (pid < 0) {
		refuse(p, w->channel, &err);
		return;
	}
	audit(p, at, line);
	c = child_add(CHILD_EXEC, pid, p->user.uid);
	c->owner = p;
	c->channel = w->channel;
	phase_answer(&p->phase, w->channel, SLOT_CHILD);
	ipc_begin(&open_out, w->open->pty ? MONITOR_PTY : MONITOR_PIPES);
	ipc_put_u32(&open_out, w->channel);
	for (int i = 0; i < n; i++)
		ipc_put_fd(&open_out, fds[i]);
	peer_send(p, &open_out);
	for (int i = 0; i < n; i++)
		close(fds[i]);
}

/* The engine's numbers for a child: no group of the system, no odd paths. */
static bool plausible(const struct gateway *g, const struct auth_answer *at)
{
	for (size_t i = 0; i < at->ngroups; i++)
		if (at->groups[i] < g->gid_base)
			return false;
	if (at->project[0] && (!name_valid(at->project) || !name_valid(at->owner)))
		return false;
	return at->home[0] == '/' && (!at->project[0] || at->workspace[0] == '/');
}

static void target_cb(void *arg, const struct auth_answer *at)
{
	struct peer_wish *w = arg;
	struct peer *p = w->peer;
	struct cl_err err = at->err;
	char line[64];

	w->question = 0;
	if (!at->ok || !plausible(p->gateway, at)) {
		if (at->ok)
			err_set(&err, CL_FAILED, "open %s: the engine's answer makes no sense", p->user.name);
		else if (err.code == CL_OK)
			err_set(&err, CL_NOT_FOUND, "open %s: not found", w->target.project);
		refuse(p, w->channel, &err);
	} else if (w->open && w->open->exec) {
		open_program(p, w, at, w->open->line);
	} else if (w->open && w->target.tier[0]) {
		if (w->target.n)
			snprintf(line, sizeof(line), "enter %s-%d", w->target.tier, w->target.n);
		else
			snprintf(line, sizeof(line), "enter %s", w->target.tier);
		open_program(p, w, at, line);
	} else {
		open_session(p, w, at);
	}
	forget(w);
}

/* "" (home), "project" or "owner:project". */
static int parse_target(struct name_target *t, const char *user, const char *text)
{
	cl_autofree char *whole = mem_printf("%s%s%s", user, text[0] ? "+" : "", text);

	return strchr(text, '.') || strchr(text, '+') ? -1 : name_parse_target(t, whole);
}

void peer_open_ask(struct peer *p, const struct monitor_msg *m)
{
	struct peer_wish *w = &p->wishes[m->channel];
	struct cl_err err = {0};

	memset(w, 0, sizeof(*w));
	w->peer = p;
	w->channel = m->channel;
	w->target = p->current[m->channel].user[0] ? p->current[m->channel] : p->target;
	if (m->type == MONITOR_SWITCH && parse_target(&w->target, p->user.name, m->text) < 0) {
		err_set(&err, CL_USAGE, "open %s: malformed project name", m->text);
		refuse(p, m->channel, &err);
		return;
	}
	if (p->surplus_until) {
		err_set(&err, CL_QUOTA, "open: you have %d connections open already",
		    p->gateway->connections_per_user);
		err_hint(&err, "Close one of them");
		refuse(p, m->channel, &err);
		return;
	}
	if (m->type == MONITOR_OPEN)
		w->open = mem_dup(m, sizeof(*m));
	w->question = auth_ask_target(p->gateway->auth, p->user.id, w->target.owner, w->target.project,
	    clock_ms() + PEER_OPEN_WAIT_MS, target_cb, w);
	if (w->question == 0) {
		err_set(&err, CL_FAILED, "open %s: cannot ask the engine", w->target.project);
		refuse(p, m->channel, &err);
		forget(w);
	}
}

void peer_open_forget(struct peer *p)
{
	for (int i = 0; i < MONITOR_CHANNELS; i++) {
		auth_cancel(p->gateway->auth, p->wishes[i].question);
		forget(&p->wishes[i]);
	}
}
