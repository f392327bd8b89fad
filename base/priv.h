/*
 * Throwing rights away: every process calls these at its start, in this order: limits, chroot,
 * groups and uid, no_new_privs, Landlock, seccomp.  A step that fails ends the process.
 */
#ifndef BASE_PRIV_H
#define BASE_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "base/err.h"

int priv_lookup(const char *account, uid_t *uid, gid_t *gid, struct cl_err *err);
/* Address space (bytes, 0 = leave), processes (-1 = leave), core files off, undumpable. */
void priv_limits(size_t address_space, int processes);
void priv_chroot(const char *dir);
/* setgroups(extra), setresgid, setresuid, then checks that going back fails. */
void priv_drop(uid_t uid, gid_t gid, const gid_t *extra, size_t n);
/* Keep only these capabilities (CAP_* numbers, n = 0: none) across priv_drop-less daemons. */
void priv_keep_caps(const int *caps, size_t n);
void priv_no_new_privs(void);

struct priv_path {
	const char *path; /* a missing path is skipped */
	bool write;
};
/* Landlock to these trees; where the kernel lacks it, logs once and goes on. */
void priv_landlock(const struct priv_path *paths, size_t n);
/* seccomp allow-list by syscall name; others kill the process (or give EPERM where deny_eperm).
 * "threads" allows new threads, not processes.  tgkill is allowed to the process itself and prlimit64 on
 * itself only, so whoever forks afterwards cannot use tgkill.  Under CL_SANITIZE the calls that the sanitizers need are added. */
void priv_seccomp(const char *const *names, size_t n, bool deny_eperm);

#endif
