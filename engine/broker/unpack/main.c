/*
 * codinglab-unpack: the broker's helper for one import or export (unpack.h), started as the
 * project's owner with the broker's socket as descriptor 3.  It throws away what it does not need,
 * does its one job and ends.  As git's askpass (CODINGLAB_ASKPASS) it answers one question.
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ipc.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/priv.h"
#include "engine/broker/unpack/bundle.h"
#include "engine/broker/unpack/clone.h"
#include "engine/broker/unpack/extract.h"

#define SOCKET 3
#define MEMORY (1ULL << 30)     /* decoders and ourselves */
#define GIT_MEMORY (4ULL << 30) /* git maps its packs */

static const char *const calls[] = {"read", "pread64", "write", "pwrite64", "writev", "lseek",
    "close", "openat", "openat2", "mkdirat", "symlinkat", "unlinkat", "readlinkat", "newfstatat",
    "fstat", "statx", "ftruncate", "fallocate", "utimensat", "getdents64", "fcntl", "dup", "brk",
    "mmap", "munmap", "mremap", "mprotect", "madvise", "futex", "sendmsg", "recvmsg", "sendto",
    "getpid", "gettid", "clock_gettime", "clock_nanosleep", "getrandom", "poll", "rt_sigaction",
    "rt_sigprocmask", "tgkill", "sched_getaffinity", "sysinfo", "getrlimit", "prlimit64", "umask"};

static void limit(int what, rlim_t value)
{
	struct rlimit rl = {value, value};

	if (setrlimit(what, &rl) < 0)
		log_fatal("setrlimit: %s", strerror(errno));
}

static void limits(const struct unpack_limits *max, size_t memory)
{
	priv_limits(memory, -1);
	limit(RLIMIT_FSIZE, (rlim_t)max->bytes + (1 << 20));
	limit(RLIMIT_CPU, (rlim_t)max->seconds);
	limit(RLIMIT_NOFILE, 128);
	umask(007);
}

/* No network, no programs, nothing but the folders that came as descriptors. */
static void jail(const char *folder, bool write)
{
	const struct priv_path paths[] = {{folder, write}};

	priv_landlock(paths, 1);
	priv_seccomp(calls, CL_COUNT(calls), true);
}

static void jail_git(const struct clone *c)
{
	const struct priv_path paths[] = {{".", true}, {c->home, true}, {"/dev/null", true},
	    {"/usr", false}, {"/lib", false}, {"/lib64", false}, {"/bin", false}, {"/etc", false},
	    {"/proc", false}, {"/dev/urandom", false}, {"/run/systemd/resolve", false},
	    {"/run/resolvconf", false}, {c->bundle, false}, {c->self, false},
	    {c->web.url.kind == GITURL_FILE ? c->web.url.path : "/usr", false}};

	priv_no_new_privs();
	priv_landlock(paths, CL_COUNT(paths));
}

static void get_limits(struct ipc_in *m, struct unpack_limits *max)
{
	max->bytes = ipc_get_i64(m);
	max->files = ipc_get_i32(m);
	max->seconds = (int)ipc_get_range(m, 1, 86400);
	if (max->bytes < 0 || max->bytes > INT64_C(1) << 46 || max->files < 0)
		m->bad = true;
}

static int malformed(struct cl_err *err)
{
	return err_set(err, CL_FAILED, "unpack: malformed request");
}

static int extract(struct ipc_in *m, struct unpack_result *r, struct cl_err *err)
{
	struct unpack_limits max = {0};
	cl_autoclose int folder = -1, archive = -1, root = -1;

	get_limits(m, &max);
	folder = ipc_get_fd(m);
	archive = ipc_get_fd(m);
	if (ipc_end(m) < 0)
		return malformed(err);
	limits(&max, MEMORY);
	if (fchdir(folder) < 0 || mkdir("new", 02770) < 0 ||
	    (root = open("new", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return err_errno(err, CL_FAILED, "new");
	jail("new", true);
	return extract_run(archive, root, &max, r, err);
}

static int fetch(struct ipc_in *m, struct unpack_result *r, struct cl_err *err)
{
	struct clone *c = mem_alloc(sizeof(*c));
	cl_autoclose int folder = -1;
	char url[UNPACK_URL];
	int rc = -1;
	ssize_t n;

	get_limits(m, &c->max);
	ipc_get_str(m, url, sizeof(url));
	ipc_get_str(m, c->branch, sizeof(c->branch));
	c->depth = (int)ipc_get_range(m, 0, 1000000);
	ipc_get_str(m, c->networks, sizeof(c->networks));
	ipc_get_str(m, c->home, sizeof(c->home));
	ipc_get_str(m, c->bundle, sizeof(c->bundle));
	folder = ipc_get_fd(m);
	n = readlink("/proc/self/exe", c->self, sizeof(c->self) - 1);
	if (ipc_end(m) < 0 || n < 0 || c->branch[0] == '-')
		rc = malformed(err);
	else if (fchdir(folder) < 0)
		rc = err_errno(err, CL_FAILED, "staging");
	else
		rc = giturl_parse(url, &c->web.url, err);
	mem_wipe(url, sizeof(url));
	mem_wipe(m->data, sizeof(m->data));
	if (rc == 0) {
		limits(&c->max, GIT_MEMORY);
		jail_git(c);
		rc = clone_run(c, r, err);
	}
	giturl_wipe(&c->web.url);
	mem_free(c);
	return rc;
}

static int pack(struct ipc_in *m, struct unpack_result *r, struct cl_err *err)
{
	struct bundle b = {0};
	cl_autoclose int work = -1, out = -1, extra = -1;

	get_limits(m, &b.max);
	ipc_get_str(m, b.format, sizeof(b.format));
	ipc_get_str(m, b.prefix, sizeof(b.prefix));
	ipc_get_str(m, b.skip, sizeof(b.skip));
	work = b.work = ipc_get_fd(m);
	out = b.out = ipc_get_fd(m);
	extra = b.extra = ipc_get_fd(m);
	if (ipc_end(m) < 0)
		return malformed(err);
	limits(&b.max, MEMORY);
	if (fchdir(work) < 0)
		return err_errno(err, CL_FAILED, "workspace");
	jail(".", false);
	return bundle_run(&b, r, err);
}

static void answer(int rc, const struct unpack_result *r, struct cl_err *err)
{
	struct ipc_out *m = mem_alloc(sizeof(*m));

	if (rc < 0) {
		if (err->code == CL_UNAVAILABLE) /* their server, not our runtime */
			err->code = CL_FAILED;
		if (!err->code)
			err_set(err, CL_FAILED, "unpack: failed without a reason");
		ipc_begin(m, UNPACK_FAILED);
		ipc_put_err(m, err);
	} else {
		ipc_begin(m, UNPACK_DONE);
		ipc_put_i64(m, r->bytes);
		ipc_put_i32(m, r->files);
		ipc_put_str(m, r->root);
		ipc_put_str(m, r->stack);
		ipc_put_str(m, r->top);
		ipc_put_str(m, r->note);
	}
	ipc_send(SOCKET, m);
	mem_free(m);
}

int main(int argc, char **argv)
{
	struct unpack_result *r;
	struct cl_err err = {0};
	struct ipc_in *m;
	int rc = -1;

	log_open("codinglab-unpack", LOG_INFO_L);
	if (getenv("CODINGLAB_ASKPASS"))
		return clone_askpass(argc > 1 ? argv[1] : "");
	if (geteuid() == 0)
		log_fatal("not to be run as root");
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* the broker's worker gone: nobody wants this any more */
	setlocale(LC_CTYPE, "C.UTF-8");
	r = mem_alloc(sizeof(*r));
	m = mem_alloc(sizeof(*m));
	if (ipc_recv(SOCKET, m) != 1)
		return 1;
	fcntl(SOCKET, F_SETFD, FD_CLOEXEC);
	if (m->type == UNPACK_EXTRACT)
		rc = extract(m, r, &err);
	else if (m->type == UNPACK_FETCH)
		rc = fetch(m, r, &err);
	else if (m->type == UNPACK_PACK)
		rc = pack(m, r, &err);
	else
		malformed(&err);
	answer(rc, r, &err);
	mem_free(m);
	mem_free(r);
	return 0;
}
