/*
 * The test as the listener of a connection process: a monitor link in place of the real one, the
 * question that a client asks, and what the listener hears.  For questions that end in channels of the
 * connection's own making (forward.c, back.c).
 */
#ifndef TESTS_UNIT_CONN_FAKE_LISTENER_H
#define TESTS_UNIT_CONN_FAKE_LISTENER_H

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/ipc.h"
#include "base/mem.h"
#include "sshd/conn/chan.h"
#include "tests/unit/conn/fake_ssh.h"

static int listener;          /* its end of the link */
static struct ipc_in in;
static struct monitor_msg msg; /* what it heard last */
static char *question;        /* stands for libssh's message, which frees it */
static int listened;          /* channels whose requests are listened to */

static inline void fake_listener_count(struct chan *c)
{
	assert_non_null(c->ssh);
	listened++;
}

static inline void fake_listener_open(void)
{
	int pair[2];

	fake_ssh_init();
	assert_int_equal(ipc_pair(pair, NULL), 0);
	listener = fcntl(pair[1], F_DUPFD_CLOEXEC, 20);
	close(pair[1]);
	if (pair[0] != CONN_MON_FD) {
		assert_int_equal(dup2(pair[0], CONN_MON_FD), CONN_MON_FD);
		close(pair[0]);
	}
	fcntl(listener, F_SETFL, O_NONBLOCK);
	memset(&conn, 0, sizeof(conn));
	conn.authed = true;
	memset(chan_all, 0, sizeof(chan_all));
	listened = 0;
	fake_ssh_refusals = 0;
	fake_ssh_debug[0] = '\0';
	question = mem_resize(NULL, 64, 1);
}

static inline void fake_listener_close(void)
{
	close(listener);
	close(CONN_MON_FD);
	mem_free(question);
	fake_ssh_clear();
}

/* The next thing the listener hears, 0 when there is none. */
static inline uint32_t heard(void)
{
	if (ipc_recv(listener, &in) != 1)
		return 0;
	assert_int_equal(monitor_decode(&msg, &in), 0);
	return msg.type;
}

#endif
