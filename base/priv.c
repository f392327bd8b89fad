/*
 * Throwing rights away: see priv.h.  Every step that fails ends the process, because going on
 * with more rights than meant is worse than not starting.  Landlock has no libc wrappers, so its
 * three calls are made raw.
 */
#include "base/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

#define PRIV_READ                                                                                  \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define PRIV_FILE                                                                                  \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |                               \
	    LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)

int priv_lookup(const char *account, uid_t *uid, gid_t *gid, struct cl_err *err)
{
	struct passwd pw, *got = NULL;
	char text[4096];

	getpwnam_r(account, &pw, text, sizeof(text), &got);
	if (!got) {
		err_set(err, CL_PRECONDITION, "account %s: there is no such account", account);
		return err_hint(err, "`./lab up` makes it");
	}
	if (uid)
		*uid = got->pw_uid;
	if (gid)
		*gid = got->pw_gid;
	return 0;
}

static void limit(int what, rlim_t value, const char *name)
{
	struct rlimit rl = {value, value};

	if (setrlimit(what, &rl) < 0)
		log_fatal("setrlimit %s: %s", name, strerror(errno));
}

static void undumpable(void)
{
#ifndef CL_SANITIZE
	/* LeakSanitizer looks at its own process by ptrace, which this forbids. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		log_fatal("undumpable: %s", strerror(errno));
#endif
}

void priv_limits(size_t address_space, int processes)
{
#ifndef CL_SANITIZE
	/* AddressSanitizer reserves terabytes of address space. */
	if (address_space)
		limit(RLIMIT_AS, address_space, "AS");
#endif
	if (processes >= 0)
		limit(RLIMIT_NPROC, (rlim_t)processes, "NPROC");
	limit(RLIMIT_CORE, 0, "CORE");
	undumpable();
}

void priv_chroot(const char *dir)
{
	if (chdir(dir) < 0 || chroot(dir) < 0 || chdir("/") < 0)
		log_fatal("chroot %s: %s", dir, strerror(errno));
}

void priv_drop(uid_t uid, gid_t gid, const gid_t *extra, size_t n)
{
	uid_t r, e, s;

	if (setgroups(n, extra) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		log_fatal("become uid %u: %s", (unsigned)uid, strerror(errno));
	if (getresuid(&r, &e, &s) < 0 || r != uid || e != uid || s != uid)
		log_fatal("become uid %u: it did not hold", (unsigned)uid);
	if (uid != 0 && (setuid(0) == 0 || seteuid(0) == 0))
		log_fatal("become uid %u: the way back to root is open", (unsigned)uid);
	/* A change of uid makes a process dumpable or not by fs.suid_dumpable; say it again. */
	undumpable();
}

void priv_keep_caps(const int *caps, size_t n)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {{0}};
	uint64_t keep = 0;

	for (size_t i = 0; i < n; i++)
		keep |= 1ULL << caps[i];
	/* The bounding set first: dropping from it needs CAP_SETPCAP, which goes last. */
	for (int cap = 0; cap <= 63; cap++)
		if (!(keep & 1ULL << cap) && prctl(PR_CAPBSET_READ, cap) == 1 &&
		    prctl(PR_CAPBSET_DROP, cap) < 0)
			log_fatal("drop capability %d: %s", cap, strerror(errno));
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		log_fatal("clear ambient capabilities: %s", strerror(errno));
	for (int i = 0; i < 2; i++) {
		data[i].permitted = data[i].effective = (uint32_t)(keep >> (32 * i));
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, data) < 0)
		log_fatal("set capabilities: %s", strerror(errno));
}

void priv_no_new_privs(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		log_fatal("no_new_privs: %s", strerror(errno));
}

/* Every file right that this kernel's Landlock knows. */
static uint64_t landlock_rights(long abi)
{
	uint64_t all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

	if (abi >= 2)
		all |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		all |= LANDLOCK_ACCESS_FS_TRUNCATE;
	return all;
}

static void landlock_allow(int rules, const struct priv_path *p, uint64_t all)
{
	struct landlock_path_beneath_attr rule = {0};
	cl_autoclose int fd = open(p->path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	rule.parent_fd = fd;
	rule.allowed_access = p->write ? all : all & PRIV_READ;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= PRIV_FILE;
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		log_fatal("landlock %s: %s", p->path, strerror(errno));
}

void priv_landlock(const struct priv_path *paths, size_t n)
{
	struct landlock_ruleset_attr attr = {0};
	cl_autoclose int rules = -1;
	long abi;

	abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 1) {
		log_warn("this kernel has no Landlock: file rights alone keep this process in");
		return;
	}
	attr.handled_access_fs = landlock_rights(abi);
	rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (rules < 0)
		log_fatal("landlock: %s", strerror(errno));
	for (size_t i = 0; i < n; i++)
		landlock_allow(rules, &paths[i], attr.handled_access_fs);
	priv_no_new_privs();
	if (syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		log_fatal("landlock: %s", strerror(errno));
}

static void allow_if(scmp_filter_ctx ctx, int nr, const struct scmp_arg_cmp *only)
{
	int rc;

	/* A name that this architecture or kernel does not know needs no rule. */
	if (nr == __NR_SCMP_ERROR || nr < 0)
		return;
	rc = only ? seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, nr, 1, only) :
		    seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
	if (rc < 0 && rc != -EEXIST)
		log_fatal("seccomp %d: %s", nr, strerror(-rc));
}

/* Threads, not processes.  What clone3 asks for lies behind a pointer, so libc is told that there is
 * none and falls back on clone. */
static void allow_threads(scmp_filter_ctx ctx)
{
	struct scmp_arg_cmp thread = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD);
	int rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	if (rc < 0)
		log_fatal("seccomp clone3: %s", strerror(-rc));
	allow_if(ctx, SCMP_SYS(clone), &thread);
}

static void allow(scmp_filter_ctx ctx, const char *name)
{
	struct scmp_arg_cmp own = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid());
	struct scmp_arg_cmp itself = SCMP_A0(SCMP_CMP_EQ, 0);
	int nr;

	if (strcmp(name, "threads") == 0) {
		allow_threads(ctx);
		return;
	}
	nr = seccomp_syscall_resolve_name(name);
	/* Processes of other people may run under the same uid: signals and limits are for this one. */
	if (nr == SCMP_SYS(tgkill))
		allow_if(ctx, nr, &own);
	else if (nr == SCMP_SYS(prlimit64))
		allow_if(ctx, nr, &itself);
	else
		allow_if(ctx, nr, NULL);
}

void priv_seccomp(const char *const *names, size_t n, bool deny_eperm)
{
	static const char *const always[] = {"exit", "exit_group", "rt_sigreturn", "restart_syscall"};
#ifdef CL_SANITIZE
	static const char *const sanitize[] = {"mmap", "munmap", "mprotect", "madvise", "mremap",
	    "gettid", "getpid", "sigaltstack", "rt_sigaction", "rt_sigprocmask", "sched_yield",
	    "sched_getaffinity", "clone", "clone3", "wait4", "ptrace", "prctl", "arch_prctl",
	    "set_robust_list", "rseq", "readlink", "open", "openat", "close", "read", "write",
	    "newfstatat", "fstat", "futex", "brk", "clock_gettime", "getrandom", "getuid", "geteuid",
	    "process_vm_readv", "dup", "pipe2", "lseek", "getrlimit", "prlimit64", "tgkill", "kill",
	    "membarrier", "nanosleep", "clock_nanosleep", "getcwd", "stat"};
#endif
	scmp_filter_ctx ctx;
	int rc;

	ctx = seccomp_init(deny_eperm ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_KILL_PROCESS);
	if (!ctx)
		log_fatal("seccomp: out of memory");
	for (size_t i = 0; i < CL_COUNT(always); i++)
		allow(ctx, always[i]);
	for (size_t i = 0; i < n; i++)
		allow(ctx, names[i]);
#ifdef CL_SANITIZE
	for (size_t i = 0; i < CL_COUNT(sanitize); i++)
		allow_if(ctx, seccomp_syscall_resolve_name(sanitize[i]), NULL);
#endif
	/* Threads started before this get the filter too. */
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	rc = seccomp_load(ctx);
	if (rc < 0)
		log_fatal("seccomp: %s", strerror(-rc));
	seccomp_release(ctx);
}
