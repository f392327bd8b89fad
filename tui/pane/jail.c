/* The pane's limits and its list of system calls, as a BPF program of one comparison each. */
#include "tui/pane/jail.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include "base/log.h"
#include "base/mem.h"
#ifdef CL_SANITIZE
#include "base/priv.h"
#endif

#if defined(__x86_64__)
#define JAIL_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define JAIL_ARCH AUDIT_ARCH_AARCH64
#else
#error "name this architecture for seccomp"
#endif

static void limit(int what, rlim_t value)
{
	struct rlimit r = {.rlim_cur = value, .rlim_max = value};

	if (setrlimit(what, &r) < 0)
		log_fatal("limit %d: %s", what, strerror(errno));
}

void jail_begin(void)
{
	limit(RLIMIT_CORE, 0);
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		log_fatal("give up privileges: %s", strerror(errno));
}

#ifdef CL_SANITIZE
/* The sanitizers need more calls and more address space; base/priv knows which. */
void jail_worker(size_t address_space)
{
	static const char *const calls[] = {"read", "write", "poll", "recvmsg", "sendmsg", "futex",
	    "brk", "mmap", "munmap", "mremap", "madvise", "close", "clock_gettime"};

	priv_limits(address_space, -1);
	priv_seccomp(calls, CL_COUNT(calls), false);
}
#else
static const uint32_t calls[] = {
	SYS_read, SYS_write, SYS_recvmsg, SYS_sendmsg, SYS_futex, SYS_brk, SYS_mmap, SYS_munmap,
	SYS_mremap, SYS_madvise, SYS_close, SYS_clock_gettime, SYS_exit, SYS_exit_group,
	SYS_rt_sigreturn, SYS_restart_syscall, SYS_ppoll,
#ifdef SYS_poll
	SYS_poll,
#endif
};

void jail_worker(size_t address_space)
{
	struct sock_filter code[CL_COUNT(calls) + 6];
	struct sock_fprog prog = {.filter = code};
	const size_t n = CL_COUNT(calls);
	size_t at = 0;

	limit(RLIMIT_AS, address_space);
	code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	    offsetof(struct seccomp_data, arch));
	code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, JAIL_ARCH, 1, 0);
	code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	    offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < n; i++)
		code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i],
		    (uint8_t)(n - i), 0);
	code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	prog.len = (unsigned short)at;
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)
		log_fatal("seccomp: %s", strerror(errno));
}
#endif
