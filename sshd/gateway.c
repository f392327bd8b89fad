/* Settings, folders and the host key of the listener: see gateway.h. */
#include "sshd/gateway.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/priv.h"
#include "base/proc.h"

#define GATEWAY_KEY_MAX 65536

int gateway_settings(struct gateway *g, struct cl_err *err)
{
	uid_t conn_uid, pane_uid;
	gid_t conn_gid, pane_gid;

	if (priv_lookup(config_str("sshd.user"), &conn_uid, &conn_gid, err) < 0 ||
	    priv_lookup(config_str("tui.pane_user"), &pane_uid, &pane_gid, err) < 0)
		return -1;
	if (conn_uid == 0 || pane_uid == 0)
		return err_set(err, CL_PRECONDITION, "sshd.user, tui.pane_user: may not be root");
	g->conn_uid = conn_uid;
	g->conn_gid = conn_gid;
	g->pane_uid = pane_uid;
	g->pane_gid = pane_gid;
	g->grace_ms = config_int("sshd.login_grace_s") * 1000;
	g->max_startups = (int)config_int("sshd.max_startups");
	g->per_source = (int)config_int("sshd.per_source");
	g->sessions_per_user = (int)config_int("sshd.sessions_per_user");
	g->connections_per_user = (int)config_int("sshd.connections_per_user");
	g->connection_max_ms = config_int("sshd.connection_max_s") * 1000;
	g->delay_ms = config_int("auth.delay_ms");
	g->tries = (int)config_int("auth.tries");
	g->uid_base = (uid_t)config_int("engine.uid_base");
	g->gid_base = (gid_t)config_int("engine.gid_base");
	g->exempt = config_str("sshd.exempt");
	g->bin = config_str("bin.dir");
	g->run = config_str("run.dir");
	snprintf(g->empty, sizeof(g->empty), "%s/empty", g->run);
	snprintf(g->sessions, sizeof(g->sessions), "%s/sessions", g->run);
	return 0;
}

static int folder(const char *path, mode_t mode, struct cl_err *err)
{
	struct stat st;

	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return err_errno(err, CL_FAILED, "make %s", path);
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(err, CL_FAILED, "%s: is not a directory", path);
	if (chown(path, 0, 0) < 0 || chmod(path, mode) < 0)
		return err_errno(err, CL_FAILED, "own %s", path);
	return 0;
}

int gateway_folders(struct gateway *g, struct cl_err *err)
{
	if (mkdir(g->run, 0755) < 0 && errno != EEXIST)
		return err_errno(err, CL_FAILED, "make %s", g->run);
	if (folder(g->empty, 0755, err) < 0)
		return -1;
	return folder(g->sessions, 0700, err);
}

static int make_key(const char *path, struct cl_err *err)
{
	char dir[512], *slash;
	const char *const argv[] = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "codinglab", "-f",
	    path, NULL};
	const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
	struct proc_spec spec = {
	    .path = "/usr/bin/ssh-keygen", .argv = (char *const *)(uintptr_t)argv,
	    .env = (char *const *)(uintptr_t)env, .fds = {-1, 2, 2}, .nfds = 3};
	int status;
	pid_t pid;

	mem_copy_str(dir, sizeof(dir), path);
	slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
	if (slash && mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_errno(err, CL_FAILED, "make %s", dir);
	pid = proc_start(&spec, err);
	if (pid < 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (proc_exit_code(status) != 0)
		return err_set(err, CL_FAILED, "make the host key %s: ssh-keygen failed", path);
	log_info("host key made: %s", path);
	return 0;
}

/* A private key is only taken from a file that is root's alone. */
static int read_key(const char *path, char *data, size_t *len, struct cl_err *err)
{
	cl_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, CL_FAILED, "host key %s", path);
	if (!S_ISREG(st.st_mode) || st.st_uid != 0 || st.st_mode & 077)
		return err_set(err, CL_FORBIDDEN, "host key %s: must be a file of root with mode 0600", path);
	n = read(fd, data, GATEWAY_KEY_MAX);
	if (n <= 0 || n == GATEWAY_KEY_MAX)
		return err_set(err, CL_FAILED, "host key %s: cannot be read", path);
	*len = (size_t)n;
	return 0;
}

static int seal(const char *data, size_t len, struct cl_err *err)
{
	int fd = memfd_create("host-key", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || write(fd, data, len) != (ssize_t)len ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0) {
		err_errno(err, CL_FAILED, "host key in memory");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

int gateway_key(struct gateway *g, struct cl_err *err)
{
	const char *path = config_str("sshd.host_key");
	cl_autofree char *data = mem_alloc(GATEWAY_KEY_MAX);
	size_t len = 0;
	int fd;

	if (access(path, F_OK) < 0 && make_key(path, err) < 0)
		return -1;
	if (read_key(path, data, &len, err) < 0)
		return -1;
	fd = seal(data, len, err);
	mem_wipe(data, len);
	if (fd < 0)
		return -1;
	if (g->key >= 0)
		close(g->key);
	g->key = fd;
	return 0;
}
