/* Children: start one with chosen descriptors and identity, and read how it ended. */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <stdbool.h>
#include <sys/types.h>
#include "base/err.h"

struct proc_spec {
	const char *path;        /* program, absolute */
	char *const *argv;
	char *const *env;        /* the whole environment of the child, NULL = empty */
	int fds[8];              /* fds[i] becomes descriptor i; -1 = /dev/null for 0..2, closed above */
	int nfds;                /* how many of fds are meant (>= 3) */
	bool drop;               /* take on uid, gid and groups below */
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t ngroups;
	bool setsid;             /* new session */
	bool ctty;               /* descriptor 0 becomes the controlling terminal (implies setsid) */
	const char *cwd;         /* NULL = "/" */
};
/* pid, or -1.  Every other descriptor is closed in the child, signals are reset. */
pid_t proc_start(const struct proc_spec *spec, struct cl_err *err);
/* wait status -> 0..255, 128+n for a signal */
int proc_exit_code(int status);

#endif
