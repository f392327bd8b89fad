/*
 * Handing over: see handover.h.  What is written is a row of messages (base/ipc.h), each behind its
 * length, in a memfd: START, then penalties, peers and children, then END with their numbers.  Peers
 * are named by the process id of their connection.
 */
#include "sshd/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/ipc.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "sshd/auth.h"
#include "sshd/child.h"
#include "sshd/peer.h"

#define HANDOVER_ENV "CODINGLAB_HANDOVER_FD"
#define HANDOVER_CHECK_MS 5000
#define HANDOVER_FD_MAX 1048576

enum { HAND_START = 1, HAND_PENALTY, HAND_PEER, HAND_CHILD, HAND_END };

struct reading {
	struct gateway *gateway;
	struct listen *listen;
	int64_t peers, children;
	bool ended;
};

static struct ipc_out hand_out;
static struct ipc_in hand_in;

bool handover_possible(const struct gateway *g)
{
	return !g->ending && !auth_busy(g->auth);
}

/* ---- writing ---- */

static int put_message(int fd)
{
	uint32_t len = (uint32_t)hand_out.len;

	return !hand_out.bad && write(fd, &len, sizeof(len)) == sizeof(len) &&
	    write(fd, hand_out.data, len) == (ssize_t)len ? 0 : -1;
}

static void put_target(const struct name_target *t)
{
	ipc_put_str(&hand_out, t->user);
	ipc_put_str(&hand_out, t->project);
	ipc_put_str(&hand_out, t->owner);
	ipc_put_str(&hand_out, t->tier);
	ipc_put_i32(&hand_out, t->n);
}

static void put_user(const struct launch_user *u)
{
	ipc_put_i64(&hand_out, u->id);
	ipc_put_str(&hand_out, u->name);
	ipc_put_str(&hand_out, u->role);
	ipc_put_str(&hand_out, u->fingerprint);
	ipc_put_u32(&hand_out, u->uid);
	ipc_put_u32(&hand_out, u->gid);
}

static void put_phase(const struct phase *p)
{
	ipc_put_u32(&hand_out, p->at);
	ipc_put_u32(&hand_out, p->proof);
	ipc_put_u32(&hand_out, p->verified);
	ipc_put_i32(&hand_out, p->tries);
	ipc_put_i32(&hand_out, p->most_tries);
	ipc_put_i32(&hand_out, p->offers);
	for (int i = 0; i < MONITOR_CHANNELS; i++)
		ipc_put_u32(&hand_out, p->slots[i]);
}

static int put_peer(int fd, const struct peer *p)
{
	ipc_begin(&hand_out, HAND_PEER);
	ipc_put_i32(&hand_out, p->pid);
	ipc_put_i32(&hand_out, p->mon);
	ipc_put_bytes(&hand_out, p->addr.ip, sizeof(p->addr.ip));
	ipc_put_bytes(&hand_out, p->addr.key, sizeof(p->addr.key));
	ipc_put_str(&hand_out, p->addr.text);
	ipc_put_i64(&hand_out, p->started);
	ipc_put_str(&hand_out, p->asked_name);
	ipc_put_u32(&hand_out, p->noted_name);
	put_phase(&p->phase);
	put_target(&p->asked);
	put_user(&p->user);
	put_target(&p->target);
	for (int i = 0; i < MONITOR_CHANNELS; i++)
		put_target(&p->current[i]);
	ipc_put_u32(&hand_out, p->ping);
	ipc_put_i64(&hand_out, p->pinged);
	ipc_put_i64(&hand_out, p->ponged);
	ipc_put_i64(&hand_out, p->cpu_at_ping);
	ipc_put_u32(&hand_out, p->killed);
	ipc_put_i64(&hand_out, p->close_at);
	ipc_put_i64(&hand_out, p->tell_at);
	ipc_put_u32(&hand_out, p->refusal.code);
	ipc_put_str(&hand_out, p->refusal.message);
	ipc_put_i64(&hand_out, p->surplus_until);
	return put_message(fd);
}

static int put_child(int fd, const struct child *c)
{
	const struct peer *owner = c->owner;

	ipc_begin(&hand_out, HAND_CHILD);
	ipc_put_u32(&hand_out, c->kind);
	ipc_put_i32(&hand_out, c->pid);
	ipc_put_u32(&hand_out, c->uid);
	ipc_put_i64(&hand_out, c->kill_at);
	ipc_put_i32(&hand_out, owner ? owner->pid : 0);
	ipc_put_u32(&hand_out, c->channel);
	ipc_put_str(&hand_out, c->path ? c->path : "");
	return put_message(fd);
}

static int put_start(int fd, const struct listen *l)
{
	ipc_begin(&hand_out, HAND_START);
	ipc_put_u32(&hand_out, HANDOVER_VERSION);
	ipc_put_str(&hand_out, config_str("sshd.listen"));
	ipc_put_i64(&hand_out, config_int("sshd.port"));
	ipc_put_i32(&hand_out, l->n);
	for (int i = 0; i < l->n; i++)
		ipc_put_i32(&hand_out, l->fds[i]);
	return put_message(fd);
}

static int put_penalties(int fd, const struct penalty_table *t)
{
	struct penalty_record r;

	for (size_t i = 0; penalty_record(t, i, &r); i++) {
		ipc_begin(&hand_out, HAND_PENALTY);
		ipc_put_bytes(&hand_out, r.key, sizeof(r.key));
		ipc_put_i64(&hand_out, r.until);
		ipc_put_u32(&hand_out, r.active);
		if (put_message(fd) < 0)
			return -1;
	}
	return 0;
}

static int put_all(int fd, const struct gateway *g, const struct listen *l)
{
	int64_t peers = 0, children = 0;

	if (put_start(fd, l) < 0 || put_penalties(fd, g->penalties) < 0)
		return -1;
	for (const struct peer *p = g->peers; p; p = p->next, peers++)
		if (put_peer(fd, p) < 0)
			return -1;
	for (struct child *c = child_first(); c; c = child_next(c, -1, NULL), children++)
		if (put_child(fd, c) < 0)
			return -1;
	ipc_begin(&hand_out, HAND_END);
	ipc_put_i64(&hand_out, peers);
	ipc_put_i64(&hand_out, children);
	return put_message(fd);
}

/* Do these outlive an exec? */
static void keep_open(const struct gateway *g, const struct listen *l, int state, bool keep)
{
	int flags = keep ? 0 : FD_CLOEXEC;

	fcntl(state, F_SETFD, flags);
	for (int i = 0; i < l->n; i++)
		fcntl(l->fds[i], F_SETFD, flags);
	for (const struct peer *p = g->peers; p; p = p->next)
		if (p->mon >= 0)
			fcntl(p->mon, F_SETFD, flags);
}

int handover_exec(struct gateway *g, const struct listen *l, const char *program, char *const *argv,
    struct cl_err *err)
{
	cl_autoclose int fd = memfd_create("handover", MFD_CLOEXEC);
	char number[16];
	int error;

	if (fd < 0)
		return err_errno(err, CL_FAILED, "hand over");
	if (put_all(fd, g, l) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_set(err, CL_FAILED, "hand over: the state could not be written");
	snprintf(number, sizeof(number), "%d", fd);
	if (setenv(HANDOVER_ENV, number, 1) < 0)
		return err_errno(err, CL_FAILED, "hand over");
	log_info("handing over to %s", program);
	keep_open(g, l, fd, true);
	execv(program, argv);
	error = errno;
	keep_open(g, l, fd, false);
	unsetenv(HANDOVER_ENV);
	errno = error;
	return err_errno(err, CL_FAILED, "hand over: run %s", program);
}

/* ---- asking the new program first ---- */

/* What the child says on fd until its end or the time is over, NUL-terminated. */
static void listen_to(int fd, char *out, size_t size)
{
	int64_t end = clock_ms() + HANDOVER_CHECK_MS;
	size_t len = 0;

	while (len < size - 1) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = end - clock_ms();
		ssize_t n;

		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			break;
		n = read(fd, out + len, size - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	out[len] = '\0';
}

int handover_check(const char *program, char *const *argv, struct cl_err *err)
{
	cl_autofree char **args = NULL;
	char said[64], want[64];
	int p[2], n = 0, status = -1;
	pid_t pid;

	while (argv[n])
		n++;
	args = mem_array((size_t)n + 2, sizeof(*args));
	memcpy(args, argv, (size_t)n * sizeof(*args));
	args[n] = (char *)(uintptr_t)"--check";
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_errno(err, CL_FAILED, "hand over");
	struct proc_spec spec = {.path = program, .argv = args, .env = environ, .fds = {-1, p[1], 2}, .nfds = 3};

	pid = proc_start(&spec, err);
	close(p[1]);
	if (pid > 0) {
		listen_to(p[0], said, sizeof(said));
		kill(pid, SIGKILL); /* one that said all has ended, or is about to */
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(p[0]);
	if (pid < 0)
		return -1;
	snprintf(want, sizeof(want), "handover %d\n", HANDOVER_VERSION);
	if (strcmp(said, want) == 0)
		return 0;
	err_set(err, CL_PRECONDITION, "hand over: %s does not start, or does not know what this one writes", program);
	return err_hint(err, "SIGUSR1 ends this one and leaves what is live to the next");
}

/* ---- reading ---- */

int handover_given(void)
{
	const char *text = getenv(HANDOVER_ENV);
	long fd = text ? strtol(text, NULL, 10) : -1;

	unsetenv(HANDOVER_ENV);
	if (fd < 3 || fd > HANDOVER_FD_MAX || fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	return (int)fd;
}

/* A descriptor of an open file that this process got from the one before. */
static int get_fd(void)
{
	int fd = (int)ipc_get_range(&hand_in, 3, HANDOVER_FD_MAX);

	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		hand_in.bad = true;
	return fd;
}

static bool get_bool(void)
{
	return ipc_get_range(&hand_in, 0, 1) != 0;
}

static int64_t get_time(void)
{
	int64_t t = ipc_get_i64(&hand_in);

	hand_in.bad = hand_in.bad || t < 0;
	return t;
}

static void get_fixed(uint8_t *out, size_t size)
{
	size_t n = 0;
	const void *p = ipc_get_bytes(&hand_in, &n, size);

	if (p && n == size)
		memcpy(out, p, size);
	else
		hand_in.bad = true;
}

static void get_target(struct name_target *t)
{
	ipc_get_str(&hand_in, t->user, sizeof(t->user));
	ipc_get_str(&hand_in, t->project, sizeof(t->project));
	ipc_get_str(&hand_in, t->owner, sizeof(t->owner));
	ipc_get_str(&hand_in, t->tier, sizeof(t->tier));
	t->n = ipc_get_i32(&hand_in);
}

static void get_user(struct launch_user *u)
{
	u->id = ipc_get_i64(&hand_in);
	ipc_get_str(&hand_in, u->name, sizeof(u->name));
	ipc_get_str(&hand_in, u->role, sizeof(u->role));
	ipc_get_str(&hand_in, u->fingerprint, sizeof(u->fingerprint));
	u->uid = ipc_get_u32(&hand_in);
	u->gid = ipc_get_u32(&hand_in);
}

static void get_phase(struct phase *p)
{
	p->at = (enum phase_at)ipc_get_range(&hand_in, PHASE_PREAUTH, PHASE_ENDING);
	p->proof = get_bool();
	p->verified = get_bool();
	p->tries = ipc_get_i32(&hand_in);
	p->most_tries = ipc_get_i32(&hand_in);
	p->offers = ipc_get_i32(&hand_in);
	for (int i = 0; i < MONITOR_CHANNELS; i++)
		p->slots[i] = (enum phase_slot)ipc_get_range(&hand_in, SLOT_FREE, SLOT_REFUSED);
}

static void get_peer(struct reading *r)
{
	struct peer *p = mem_alloc(sizeof(*p));
	int mon;

	p->gateway = r->gateway;
	p->pid = ipc_get_i32(&hand_in);
	mon = ipc_get_i32(&hand_in);
	p->mon = mon;
	p->tcp = -1; /* not handed over: this one counts as having spoken */
	if (mon != -1 && (mon < 3 || fcntl(mon, F_SETFD, FD_CLOEXEC) < 0))
		hand_in.bad = true;
	get_fixed(p->addr.ip, sizeof(p->addr.ip));
	get_fixed(p->addr.key, sizeof(p->addr.key));
	ipc_get_str(&hand_in, p->addr.text, sizeof(p->addr.text));
	p->exempt = addr_listed(&p->addr, r->gateway->exempt);
	p->started = get_time();
	ipc_get_str(&hand_in, p->asked_name, sizeof(p->asked_name));
	p->noted_name = get_bool();
	get_phase(&p->phase);
	get_target(&p->asked);
	get_user(&p->user);
	get_target(&p->target);
	for (int i = 0; i < MONITOR_CHANNELS; i++)
		get_target(&p->current[i]);
	p->ping = ipc_get_u32(&hand_in);
	p->pinged = get_time();
	p->ponged = get_time();
	p->cpu_at_ping = get_time();
	p->killed = get_bool();
	p->close_at = get_time();
	p->tell_at = get_time();
	p->refusal.code = (enum cl_code)ipc_get_u32(&hand_in);
	ipc_get_str(&hand_in, p->refusal.message, sizeof(p->refusal.message));
	p->surplus_until = get_time();
	/* in the order that they had */
	struct peer **end = &r->gateway->peers;

	while (*end)
		end = &(*end)->next;
	*end = p;
	r->peers++;
}

static void get_child(struct reading *r)
{
	enum child_kind kind = (enum child_kind)ipc_get_range(&hand_in, CHILD_CONN, CHILD_EXEC);
	pid_t pid = ipc_get_i32(&hand_in), owner;
	struct child *c = child_add(kind, pid, ipc_get_u32(&hand_in));
	char path[512];

	c->kill_at = get_time();
	owner = ipc_get_i32(&hand_in);
	c->channel = ipc_get_u32(&hand_in);
	ipc_get_str(&hand_in, path, sizeof(path));
	if (path[0])
		c->path = mem_strdup(path);
	for (struct peer *p = r->gateway->peers; owner && p; p = p->next)
		if (p->pid == owner)
			c->owner = p;
	if (owner && !c->owner)
		hand_in.bad = true;
	r->children++;
}

static void get_start(struct reading *r)
{
	char host[256];
	int64_t port;
	bool same;

	if (ipc_get_range(&hand_in, 0, INT32_MAX) != HANDOVER_VERSION)
		hand_in.bad = true;
	ipc_get_str(&hand_in, host, sizeof(host));
	port = ipc_get_i64(&hand_in);
	same = strcmp(host, config_str("sshd.listen")) == 0 && port == config_int("sshd.port");
	r->listen->n = 0;
	for (int64_t n = ipc_get_range(&hand_in, 0, LISTEN_MAX); n > 0 && !hand_in.bad; n--) {
		int fd = get_fd();

		if (same)
			r->listen->fds[r->listen->n++] = fd;
		else if (!hand_in.bad)
			close(fd); /* the configuration names another place now */
	}
}

static void get_penalty(struct reading *r)
{
	struct penalty_record rec;

	get_fixed(rec.key, sizeof(rec.key));
	rec.until = get_time();
	rec.active = get_bool();
	if (!hand_in.bad)
		penalty_restore(r->gateway->penalties, &rec);
}

static void get_end(struct reading *r)
{
	int64_t peers = ipc_get_i64(&hand_in), children = ipc_get_i64(&hand_in);

	if (peers != r->peers || children != r->children)
		hand_in.bad = true;
	r->ended = true;
}

static bool read_whole(int fd, void *out, size_t size)
{
	uint8_t *p = out;
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, p + len, size - len);

		if (n <= 0)
			return false;
		len += (size_t)n;
	}
	return true;
}

static int get_message(struct reading *r, int fd)
{
	static void (*const handlers[])(struct reading *) = {
	    [HAND_START] = get_start, [HAND_PENALTY] = get_penalty, [HAND_PEER] = get_peer,
	    [HAND_CHILD] = get_child, [HAND_END] = get_end,
	};
	uint32_t len;

	memset(&hand_in, 0, offsetof(struct ipc_in, data));
	if (!read_whole(fd, &len, sizeof(len)) || len > IPC_MAX || !read_whole(fd, hand_in.data, len))
		return -1;
	hand_in.len = len;
	hand_in.type = ipc_get_u32(&hand_in);
	if (hand_in.bad || hand_in.type < HAND_START || hand_in.type > HAND_END)
		return -1;
	handlers[hand_in.type](r);
	return ipc_end(&hand_in);
}

/* Nothing of it is used: connections live on by themselves, as after SIGUSR1. */
static void drop_all(struct reading *r)
{
	struct peer *p, *next;

	for (p = r->gateway->peers; p; p = next) {
		next = p->next;
		if (p->mon >= 3)
			close(p->mon);
		mem_free(p);
	}
	r->gateway->peers = NULL;
	for (int i = 0; i < r->listen->n; i++)
		close(r->listen->fds[i]);
	r->listen->n = 0;
	child_forget();
}

int handover_take(struct gateway *g, struct listen *l, int fd, struct cl_err *err)
{
	struct reading r = {.gateway = g, .listen = l};
	cl_autoclose int state = fd;

	memset(l, 0, sizeof(*l));
	while (!r.ended)
		if (get_message(&r, state) < 0) {
			drop_all(&r);
			return err_set(err, CL_FAILED, "hand over: what the one before left cannot be read");
		}
	log_info("took over %d connections and %d processes", (int)r.peers, (int)r.children);
	return 0;
}
