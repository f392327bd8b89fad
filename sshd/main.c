/*
 * codinglab-sshd, the listener: root, small, and without any library that parses.  It accepts
 * connections and gives each a process without rights (codinglab-conn), decides by messages from
 * those (peer.h) and from the engine (auth.h), and starts what users may open, as the users.
 *
 *   SIGHUP   read the configuration and the host key again
 *   SIGTERM  end connections and sessions, then itself
 *   SIGUSR1  end itself alone: sessions and open connections live on, for a new listener
 *   SIGUSR2  go on as the program that is installed now, with all connections and children (handover.h)
 *
 * With --check it only reads the configuration and says which handover it understands.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/priv.h"
#include "sshd/auth.h"
#include "sshd/child.h"
#include "sshd/gateway.h"
#include "sshd/handover.h"
#include "sshd/library.h"
#include "sshd/listen.h"
#include "sshd/peer.h"
#include "sshd/peer_serve.h"
#include "sshd/penalty.h"
#include "sshd/roll.h"
#include "sshd/session.h"

#define MAIN_HAND_MS 40000 /* to wait for open questions before handing over */
#define MAIN_HOLD_MS 1000  /* after so much of it no new connection is accepted */
#define MAIN_END_MS 4000 /* for connections and sessions to end after SIGTERM */

static struct gateway gateway = {.key = -1};
static struct listen listening;
static int saved_argc;
static char **saved_argv;
static bool step_down, check_only;
static int64_t end_at;
static int64_t hand_since; /* SIGUSR2 came, 0 = did not */

/* config_load() takes what it understood out of argv, so it gets a copy each time. */
static int load_settings(struct cl_err *err)
{
	cl_autofree char **argv = mem_array((size_t)saved_argc + 1, sizeof(*argv));
	int argc = saved_argc;

	memcpy(argv, saved_argv, (size_t)saved_argc * sizeof(*argv));
	if (config_load(NULL, &argc, argv, err) < 0)
		return -1;
	check_only = argc == 2 && strcmp(argv[1], "--check") == 0;
	if (argc > 1 && !check_only)
		return err_set(err, CL_USAGE, "unknown argument %s", argv[1]);
	log_open("codinglab-sshd", (enum log_level)config_word("log.level"));
	return gateway_settings(&gateway, err);
}

static void revoke_cb(void *arg, int64_t user_id, const char *reason, const char *fingerprint)
{
	log_info("user %lld: ending what is open: %s", (long long)user_id, reason);
	peer_revoke(arg, user_id, reason, fingerprint);
}

static void reaped(struct child *c, int status)
{
	if (c->kind == CHILD_CONN)
		peer_serve_ended(c->owner, status);
	else if (c->kind == CHILD_EXEC && c->owner)
		peer_child_ended(c->owner, c->channel, status);
	else if (c->kind == CHILD_TUI)
		log_info("session %d ended: status %#x", (int)c->pid, (unsigned)status);
	if (c->kind == CHILD_TUI && c->path)
		unlink(c->path);
}

static void begin_end(void)
{
	if (gateway.ending)
		return;
	log_info("ending");
	gateway.ending = true;
	end_at = clock_ms() + MAIN_END_MS;
	listen_close(&listening);
	session_end(&gateway, 0, SIGTERM);
	for (struct peer *p = gateway.peers; p; p = p->next)
		peer_close(p, "codinglab: the gateway is shutting down");
	for (struct child *c = child_first(); c; c = child_next(c, -1, NULL))
		if (c->kind != CHILD_CONN)
			child_end(c, c->kind == CHILD_EXEC ? SIGHUP : SIGTERM, end_at - 1000);
}

static void reload(void)
{
	struct cl_err err = {0};

	if (load_settings(&err) < 0 || gateway_key(&gateway, &err) < 0)
		log_error("configuration not changed: %s", err.message);
	else
		log_info("configuration read again");
}

/* The program that is installed now: where this one was started from. */
static const char *own_program(void)
{
	static char path[512];
	ssize_t n;
	char *gone;

	if (saved_argv[0][0] == '/')
		return saved_argv[0];
	n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	gone = strstr(path, " (deleted)");
	if (gone)
		*gone = '\0';
	return path;
}

static void begin_handover(void)
{
	struct cl_err err = {0};

	if (gateway.ending || hand_since)
		return;
	if (handover_check(own_program(), saved_argv, &err) < 0)
		log_error("not handed over: %s. %s", err.message, err.hint);
	else
		hand_since = clock_ms();
}

/* As soon as nothing is open that cannot be handed over; ms until the next look. */
static int try_handover(int64_t now)
{
	struct cl_err err = {0};

	if (handover_possible(&gateway))
		handover_exec(&gateway, &listening, own_program(), saved_argv, &err);
	else if (now - hand_since < MAIN_HAND_MS)
		return 20;
	else
		err_set(&err, CL_UNAVAILABLE, "hand over: questions to the engine stay open");
	log_error("not handed over: %s", err.message);
	hand_since = 0;
	return -1;
}

static bool accepting(int64_t now)
{
	return !listening.paused && (!hand_since || now - hand_since < MAIN_HOLD_MS);
}

static void on_signal(int fd)
{
	struct signalfd_siginfo si;

	while (read(fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGHUP)
			reload();
		else if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT)
			begin_end();
		else if (si.ssi_signo == SIGUSR1)
			step_down = true;
		else if (si.ssi_signo == SIGUSR2)
			begin_handover();
	}
	child_reap(reaped);
}

static int sooner(int a, int b)
{
	return a < 0 ? b : b < 0 ? a : a < b ? a : b;
}

/* Do what time asks for; ms until the next such thing, -1 = none. */
static int turn(int64_t now)
{
	int wait = sooner(roll_turn(&gateway, now), child_turn(now));

	wait = sooner(auth_turn(gateway.auth, now), wait);
	for (struct peer *p = gateway.peers; p; p = p->next)
		wait = sooner(wait, sooner(peer_serve_turn(p, now), peer_turn(p, now)));
	if (listening.paused) {
		if (now >= listening.resume_at)
			listening.paused = false;
		else
			wait = sooner(wait, (int)(listening.resume_at - now));
	}
	if (gateway.ending)
		wait = sooner(wait, 200);
	else if (hand_since)
		wait = sooner(wait, try_handover(now));
	return wait;
}

struct poll_set {
	size_t n, cap;
	struct pollfd *fds;
	struct peer **peers; /* of fds[i], or NULL */
};

static void watch(struct poll_set *s, int fd, short events, struct peer *p)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 64;
		s->fds = mem_resize(s->fds, s->cap, sizeof(*s->fds));
		s->peers = mem_resize(s->peers, s->cap, sizeof(struct peer *));
	}
	s->fds[s->n] = (struct pollfd){.fd = fd, .events = events};
	s->peers[s->n++] = p;
}

/* One turn: places 0 to 2 are the signals, the engine and the roll, then listening sockets, then
 * peers. */
static void loop_once(struct poll_set *s, int signals)
{
	int wait = turn(clock_ms());
	short events;
	int engine = auth_fd(gateway.auth, &events);
	size_t first_peer;

	s->n = 0;
	watch(s, signals, POLLIN, NULL);
	watch(s, engine, events, NULL);
	watch(s, roll_fd(), POLLIN, NULL);
	for (int i = 0; i < listening.n; i++)
		watch(s, accepting(clock_ms()) ? listening.fds[i] : -1, POLLIN, NULL);
	first_peer = s->n;
	for (struct peer *p = gateway.peers; p; p = p->next)
		watch(s, p->mon, POLLIN, p);
	if (poll(s->fds, s->n, wait) < 0) {
		if (errno != EINTR)
			log_fatal("poll: %s", strerror(errno));
		return;
	}
	for (size_t i = first_peer; i < s->n; i++)
		if (s->fds[i].revents)
			peer_serve_ready(s->peers[i]);
	if (engine >= 0 && s->fds[1].revents)
		auth_ready(gateway.auth, s->fds[1].revents);
	if (s->fds[2].revents)
		roll_ready(&gateway);
	for (size_t i = 3; i < first_peer; i++)
		if (s->fds[i].revents)
			listen_accept(&listening, s->fds[i].fd, &gateway);
	/* Last, because it frees peers. */
	if (s->fds[0].revents)
		on_signal(signals);
}

static int open_signals(void)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		log_fatal("signalfd: %s", strerror(errno));
	return fd;
}

/* From the process before, where there was one; otherwise from nothing. */
static int take_over(struct cl_err *err)
{
	struct cl_err lost = {0};
	int given = handover_given();

	if (given >= 0 && handover_take(&gateway, &listening, given, &lost) < 0)
		log_error("%s", lost.message);
	if (listening.n)
		return 0;
	return listen_open(&listening, config_str("sshd.listen"), (int)config_int("sshd.port"), err);
}

static int start(struct cl_err *err)
{
	uid_t engine_uid = 0;
	gid_t engine_gid;

	if (err->code)
		return -1;
	if (geteuid() != 0)
		return err_set(err, CL_PRECONDITION, "codinglab-sshd: must be started by root");
	if (priv_lookup(config_str("engine.user"), &engine_uid, &engine_gid, NULL) < 0)
		engine_uid = 0;
	umask(022);
	priv_limits(0, -1);
	gateway.penalties = penalty_new(PENALTY_SOURCES);
	if (gateway_folders(&gateway, err) < 0 || gateway_key(&gateway, err) < 0 || take_over(err) < 0)
		return -1;
	gateway.auth = auth_new(config_str("engine.auth_socket"), engine_uid, revoke_cb, &gateway);
	auth_serve(gateway.auth, roll_serve);
	log_info("listening on %s port %d, %d live sessions", config_str("sshd.listen"),
	    (int)config_int("sshd.port"), session_sweep(&gateway));
	return 0;
}

int main(int argc, char **argv)
{
	struct poll_set set = {0};
	struct cl_err err = {0};
	int signals;

	saved_argc = argc;
	saved_argv = argv;
	log_open("codinglab-sshd", LOG_INFO_L);
	signals = open_signals();
	if (load_settings(&err) == 0 &&
	    library_check(config_str("sshd.libssh_least"), &err) == 0 && check_only) {
		printf("handover %d\n", HANDOVER_VERSION);
		return 0;
	}
	if (start(&err) < 0) {
		err_print(&err);
		return err_exit(err.code);
	}
	child_reap(reaped); /* whoever ended while nobody looked */
	while (!step_down) {
		loop_once(&set, signals);
		if (gateway.ending && (clock_ms() >= end_at || !child_first()))
			break;
	}
	listen_close(&listening);
	auth_free(gateway.auth);
	penalty_free(gateway.penalties);
	mem_free(set.fds);
	mem_free(set.peers);
	return 0;
}
