/*
 * codinglab-pane: the terminals of one session, kept apart from everything worth having.
 *
 *   codinglab-pane --fd N --shm-fd M [--test]
 *
 * N: SOCK_SEQPACKET to the session; M: the memfd they share (base/pane.h).  Started by the gateway's
 * listener as uid codinglab-pane.  --test obeys PANE_TEST messages (spin, crash) and is only for
 * the project's tests.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "base/sock.h"
#include "tui/pane/jail.h"
#include "tui/pane/super.h"

static int fd_of(const char *s)
{
	char *end;
	long v = s ? strtol(s, &end, 10) : -1;

	return !s || !*s || *end || v < 0 || v > 1023 ? -1 : (int)v;
}

int main(int argc, char **argv)
{
	int sock = -1, memfd = -1;
	bool test = false;

	log_open("codinglab-pane", LOG_INFO_L);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--fd") == 0)
			sock = fd_of(argv[++i]);
		else if (strcmp(argv[i], "--shm-fd") == 0)
			memfd = fd_of(argv[++i]);
		else if (strcmp(argv[i], "--test") == 0)
			test = true;
		else
			log_fatal("usage: codinglab-pane --fd N --shm-fd M");
	}
	if (sock < 0 || memfd < 0)
		log_fatal("usage: codinglab-pane --fd N --shm-fd M");
	if (chdir("/") < 0 || sock_nonblock(sock, 1) < 0)
		log_fatal("start: the descriptors given are not usable");
	jail_begin();
	return super_run(sock, memfd, test);
}
