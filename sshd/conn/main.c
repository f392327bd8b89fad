/*
 * codinglab-conn, one SSH client: started by the listener as root with the TCP socket, the monitor
 * and the host key, it throws everything else away before it reads the first byte of the network:
 * an empty root directory, an account without rights, no new processes, 64 MiB of address space,
 * and only the system calls below.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/priv.h"
#include "sshd/conn/back.h"
#include "sshd/conn/chan.h"
#include "sshd/conn/conn.h"
#include "sshd/conn/door.h"
#include "sshd/conn/life.h"
#include "sshd/conn/link.h"
#include "sshd/conn/login.h"
#include "sshd/conn/out.h"
#include "sshd/conn/pump.h"
#include "sshd/conn/request.h"

#define MAIN_FLUSH_MS 1000

static const char *const main_syscalls[] = {
    "poll", "ppoll", "read", "write", "recvfrom", "recvmsg", "sendto", "sendmsg", "writev",
    "futex", "brk", "mmap", "munmap", "mremap", "madvise", "getrandom", "getpid", "close", "exit",
    "exit_group", "rt_sigreturn", "rt_sigprocmask", "clock_gettime", "gettimeofday", "fcntl",
    "ioctl", "prlimit64", "setrlimit", "restart_syscall", "shutdown", "getsockopt", "tgkill",
    "gettid", "accept4", "getsockname", "getpeername",
};

static void throw_rights_away(void)
{
	struct rlimit as = {CONN_AS_BEFORE, CONN_AS_AFTER}, files = {128, 128};

	priv_limits(0, 0);
#ifndef CL_SANITIZE
	if (setrlimit(RLIMIT_AS, &as) < 0)
		log_fatal("setrlimit: %s", strerror(errno));
#else
	(void)as;
#endif
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		log_fatal("setrlimit: %s", strerror(errno));
	priv_chroot(conn.chroot);
	priv_drop(conn.uid, conn.gid, NULL, 0);
	priv_no_new_privs();
	priv_seccomp(main_syscalls, CL_COUNT(main_syscalls), false);
}

/* Wait, then do what is ready.  Places 0 and 1 are the client and the listener. */
static void turn(void)
{
	struct pollfd p[2 + MONITOR_CHANNELS * PUMP_FDS];
	int at[MONITOR_CHANNELS + 1], n = 2, wait = -1, hold = rekey_hold(&conn.rekey, clock_ms());

	p[0] = (struct pollfd){.fd = hold ? -1 : CONN_TCP_FD, .events = POLLIN};
	if (hold || conn.rekey.under_way)
		wait = hold ? hold : REKEY_MOST_MS;
	if (ssh_get_poll_flags(conn.session) & SSH_WRITE_PENDING)
		p[0].events |= POLLOUT;
	p[1] = (struct pollfd){.fd = conn.orphan ? -1 : CONN_MON_FD, .events = POLLIN};
	for (int i = 0; i < MONITOR_CHANNELS; i++) {
		at[i] = n;
		n += pump_poll(&chan_all[i], p + n);
		if (out_can_send(&chan_all[i]))
			wait = 0;
	}
	if (rekey_stuck(&conn.rekey, clock_ms()))
		conn.over = true;
	at[MONITOR_CHANNELS] = n;
	if (poll(p, (nfds_t)n, wait) < 0) {
		if (errno != EINTR)
			log_fatal("poll: %s", strerror(errno));
		return;
	}
	if (p[0].revents && ssh_event_dopoll(conn.event, 0) == SSH_ERROR) {
		conn.over = true;
		return;
	}
	if (p[1].revents)
		link_ready();
	back_turn();
	for (int i = 0; i < MONITOR_CHANNELS; i++) {
		struct chan *c = &chan_all[i];

		out_send(c);
		pump_ready(c, p + at[i], at[i + 1] - at[i]);
	}
}

/* After writing, libssh waits for the socket to be writable again, which it nearly always is at
 * once: one look clears its mark, and frames that went out whole can be acknowledged. */
static void settle(void)
{
	if (rekey_hold(&conn.rekey, clock_ms()))
		return;
	if (ssh_get_poll_flags(conn.session) & SSH_WRITE_PENDING &&
	    ssh_event_dopoll(conn.event, 0) == SSH_ERROR) {
		conn.over = true;
		return;
	}
	if (ssh_get_poll_flags(conn.session) & SSH_WRITE_PENDING)
		return;
	for (struct chan *c = chan_all; c < chan_all + MONITOR_CHANNELS; c++)
		if (c->state == CHAN_DOOR && c->ack_due && c->out_len == 0)
			door_ack(c);
}

static void serve(void)
{
	while (!conn.over) {
		int left;

		turn();
		if (conn.over)
			break;
		settle();
		left = life_sweep();
		if (conn.closing && left == 0)
			break;
	}
}

int main(void)
{
	static const struct link_hooks hooks = {
	    .granted = life_granted,
	    .refused = life_refused,
	    .exited = life_exited,
	    .close_all = life_close_all,
	};

	log_open("codinglab-conn", LOG_INFO_L);
	signal(SIGPIPE, SIG_IGN);
	conn.started = clock_ms();
	for (struct chan *c = chan_all; c < chan_all + MONITOR_CHANNELS; c++)
		c->in = c->out = c->err = -1;
	link_setup(&hooks);
	back_init(request_listen);
	login_prepare();
	throw_rights_away();
	if (login_run() == 0)
		serve();
	if (ssh_is_connected(conn.session)) {
		ssh_blocking_flush(conn.session, MAIN_FLUSH_MS);
		ssh_disconnect(conn.session);
	}
	/* Nothing to tidy: all of it belongs to this one client and goes with the process. */
	_exit(0);
}
