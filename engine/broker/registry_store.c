/* Locks, tidying and garbage collection of our own registry's storage: see registry_store.h. */
#include "engine/broker/registry_store.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/priv.h"
#include "base/proc.h"
#include "engine/broker/registry_tree.h"

#define FULL_BYTES (1u << 20)

static int store_open(const struct broker *b, const char *name)
{
	char path[PLACE_PATH];

	snprintf(path, sizeof(path), "%s/%s", b->place.registry_dir, name);
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static int wait_lock(int fd, int how)
{
	int rc;

	do
		rc = flock(fd, how);
	while (rc < 0 && errno == EINTR);
	return rc;
}

static int lock_shared(int gate, int lock, struct line *out)
{
	static const char says[] = "waiting: the repository is being cleaned up";

	if (flock(gate, LOCK_EX | LOCK_NB) < 0) {
		line_text(out->sock, says, sizeof(says) - 1);
		if (wait_lock(gate, LOCK_EX) < 0)
			return -1;
	}
	return wait_lock(lock, LOCK_SH);
}

int registry_store_share(const struct broker *b, struct line *out, struct cl_err *err)
{
	cl_autoclose int gate = -1;
	int lock;

	if (!b->place.registry_own)
		return -1;
	gate = store_open(b, "gate");
	lock = store_open(b, "lock");
	if (gate >= 0 && lock >= 0 && lock_shared(gate, lock, out) == 0)
		return lock;
	err_errno(err, CL_FAILED, "repository: %s: lock", b->place.registry_dir);
	if (lock >= 0)
		close(lock);
	return -2;
}

static int store_root(const struct broker *b, struct cl_err *err)
{
	char path[PLACE_PATH];

	snprintf(path, sizeof(path), "%s/storage", b->place.registry_dir);
	return path_root(path, err);
}

bool registry_store_full(const struct broker *b)
{
	cl_autoclose int root = b->place.registry_own ? store_root(b, NULL) : -1;
	struct statvfs s;

	return root >= 0 && fstatvfs(root, &s) == 0 &&
	    (uint64_t)s.f_bavail * s.f_frsize < FULL_BYTES;
}

void registry_store_tidy(const struct broker *b, int lock)
{
	cl_autoclose int root = -1;

	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0)
		return; /* another push is at work; the last of them tidies */
	root = store_root(b, NULL);
	if (root >= 0)
		registry_tree_mend(root);
}

void registry_store_mend(const struct broker *b)
{
	cl_autoclose int lock = b->place.registry_own ? store_open(b, "lock") : -1;

	registry_store_tidy(b, lock);
}

/* -- garbage collection -- */

struct collect {
	struct line *out;
	struct buf part;
	char last[512];
	long blobs;
};

static void collect_line(struct collect *c, const char *text, size_t len)
{
	static const char eligible[] = "blob eligible for deletion";

	c->blobs += len >= sizeof(eligible) - 1 && memcmp(text, eligible, sizeof(eligible) - 1) == 0;
	if (len)
		snprintf(c->last, sizeof(c->last), "%.*s", (int)(len < 500 ? len : 500), text);
}

static void collect_read(struct collect *c, int fd, int64_t until)
{
	char data[8192], *end;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = until - clock_ms();
		ssize_t n = left > 0 && poll(&p, 1, (int)left) > 0 ? read(fd, data, sizeof(data)) : 0;

		if (n <= 0)
			return;
		if (buf_add(&c->part, data, (size_t)n) < 0)
			c->part.len = 0;
		while (c->part.len && (end = memchr(c->part.data, '\n', c->part.len))) {
			size_t len = (size_t)(end - c->part.data);

			collect_line(c, c->part.data, len);
			buf_drop(&c->part, len + 1);
		}
	}
}

/* The registry's own program as its own account; it holds the lock for as long as it lives. */
static int run_collector(const struct broker *b, bool dry, int lock, struct collect *c,
    int timeout_s, struct cl_err *err)
{
	char config[PLACE_PATH];
	const char *words[] = {"docker-registry", "garbage-collect", "--delete-untagged",
	    dry ? "--dry-run" : config, dry ? config : NULL, NULL};
	int pipe_fds[2], status = 0;
	struct proc_spec spec = {.path = config_str("registry.program"),
	    .argv = (char *const *)(uintptr_t)words, .nfds = 4, .drop = true};
	pid_t pid;

	snprintf(config, sizeof(config), "%s/config.yml", b->place.registry_dir);
	if (priv_lookup(config_str("registry.account"), &spec.uid, &spec.gid, err) < 0)
		return -1;
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_errno(err, CL_FAILED, "pipe");
	spec.fds[0] = -1;
	spec.fds[1] = spec.fds[2] = pipe_fds[1];
	spec.fds[3] = lock;
	pid = proc_start(&spec, err);
	close(pipe_fds[1]);
	if (pid > 0) {
		int64_t until = clock_ms() + timeout_s * 1000LL;

		collect_read(c, pipe_fds[0], until);
		if (clock_ms() >= until)
			kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			continue;
	}
	close(pipe_fds[0]);
	if (pid <= 0)
		return -1;
	return proc_exit_code(status) == 0 ? 0
	    : err_set(err, CL_FAILED, "repository: cleaning up ended with status %d: %s",
		proc_exit_code(status), c->last);
}

static int collect(const struct broker *b, bool dry, int lock, struct line *out, int timeout_s,
    int64_t *freed, struct cl_err *err)
{
	struct collect c = {.out = out};
	cl_autoclose int root = store_root(b, err);
	char text[128];
	int64_t before;
	int rc;

	if (root < 0)
		return -1;
	if (!dry)
		registry_tree_mend(root);
	before = registry_tree_size(root);
	if (before == 0)
		return 0; /* nothing was ever pushed: its collector would call that a failure */
	buf_init(&c.part, 1 << 16);
	rc = run_collector(b, dry, lock, &c, timeout_s, err);
	buf_clear(&c.part);
	*freed = before - registry_tree_size(root);
	if (rc == 0) {
		snprintf(text, sizeof(text), "repository: %ld blobs %s", c.blobs,
		    dry ? "would go" : "removed");
		line_text(out->sock, text, strlen(text));
	}
	return rc;
}

int registry_store_collect(const struct broker *b, bool dry, struct line *out, int timeout_s,
    int64_t *freed, struct cl_err *err)
{
	cl_autoclose int gate = -1, lock = -1;

	*freed = 0;
	if (!b->place.registry_own)
		return 0;
	gate = store_open(b, "gate");
	lock = store_open(b, "lock");
	if (gate < 0 || lock < 0 || wait_lock(gate, LOCK_EX) < 0 || wait_lock(lock, LOCK_EX) < 0)
		return err_errno(err, CL_FAILED, "repository: %s: lock", b->place.registry_dir);
	return collect(b, dry, lock, out, timeout_s, freed, err);
}
