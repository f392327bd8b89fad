/* git: see git.h.  What it prints goes to our output; its last complaint becomes the reason. */
#include "engine/broker/unpack/git.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/proc.h"

#define GIT "/usr/bin/git"
#define CONFIG "gitconfig"
#define ENV_MAX 32
#define GIT_LINE 1024

struct git {
	char *env[ENV_MAX];
	int nenv;
	char reason[GIT_LINE]; /* the last "fatal:" or "error:" line */
	bool settled;          /* that says why; complaints after it are of what follows from it */
	bool hostile;          /* it is what git's check of objects found */
	char line[GIT_LINE];
	size_t len;
	bool echo;              /* pass lines on */
	int64_t deadline;
	/* counting the entries of `ls-tree -z` */
	const struct unpack_limits *max;
	int64_t bytes;
	int files;
};

/* Complaints of git fsck that many honest old repositories earn. */
static const char *const harmless[] = {"zeroPaddedFilemode", "missingSpaceBeforeDate",
    "badTimezone", "missingEmail", "badEmail", "missingNameBeforeEmail", "missingSpaceBeforeEmail",
    "badDateOverflow", "zeroPaddedDate", "badFilemode", "missingTaggerEntry"};

char *git_settings(const struct clone *c)
{
	const struct giturl *u = &c->web.url;
	struct buf b;

	buf_init(&b, 65536);
	buf_add_str(&b, "[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n\tprotectNTFS = true\n"
	    "\tprotectHFS = true\n\tsymlinks = true\n\tpackedGitLimit = 256m\n\taskPass = /bin/false\n"
	    "[transfer]\n\tfsckObjects = true\n[protocol]\n\tallow = never\n"
	    "[submodule]\n\trecurse = false\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n"
	    "[pack]\n\tthreads = 1\n\twindowMemory = 64m\n[credential]\n\thelper =\n"
	    "[safe]\n\tdirectory = *\n[init]\n\tdefaultBranch = main\n[advice]\n\tdetachedHead = false\n"
	    "[fetch \"fsck\"]\n");
	for (size_t i = 0; i < CL_COUNT(harmless); i++)
		buf_printf(&b, "\t%s = warn\n", harmless[i]);
	buf_printf(&b, "[protocol \"%s\"]\n\tallow = always\n", u->kind == GITURL_HTTPS ? "https"
	    : u->kind == GITURL_HTTP ? "http" : u->kind == GITURL_SSH ? "ssh" : "file");
	if (u->kind <= GITURL_HTTPS) {
		buf_printf(&b, "[http]\n\tfollowRedirects = false\n\tproxy =\n\tlowSpeedLimit = 100\n"
		    "\tlowSpeedTime = 40\n\tcurloptResolve = \"%s\"\n", c->web.pin);
		if (c->bundle[0])
			buf_printf(&b, "\tsslCAInfo = \"%s\"\n", c->bundle);
	}
	return buf_take(&b, NULL);
}

static int write_settings(const struct clone *c, struct cl_err *err)
{
	cl_autoclose int fd = open(CONFIG, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	cl_autofree char *text = git_settings(c);
	size_t n = strlen(text);

	return fd >= 0 && write(fd, text, n) == (ssize_t)n ? 0 : err_errno(err, CL_FAILED, CONFIG);
}

static void set(struct git *g, const char *fmt, const char *value)
{
	if (g->nenv < ENV_MAX - 1)
		g->env[g->nenv++] = mem_printf("%s%s", fmt, value);
}

/* ssh wants an account for its uid; users here are numbers. */
static int write_passwd(const struct clone *c, const char *cwd, struct git *g, struct cl_err *err)
{
	cl_autofree char *text = mem_printf("git:x:%u:%u:git:%s:/bin/false\n", (unsigned)getuid(),
	    (unsigned)getgid(), c->home);
	cl_autofree char *group = mem_printf("git:x:%u:\n", (unsigned)getgid());
	const char *const names[] = {"passwd", "group"}, *const texts[] = {text, group};

	for (size_t i = 0; i < CL_COUNT(names); i++) {
		cl_autoclose int fd = open(names[i], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		cl_autofree char *path = mem_printf("%s/%s", cwd, names[i]);

		if (fd < 0 || write(fd, texts[i], strlen(texts[i])) < 0)
			return err_errno(err, CL_FAILED, "%s", names[i]);
		set(g, i ? "NSS_WRAPPER_GROUP=" : "NSS_WRAPPER_PASSWD=", path);
	}
	set(g, "LD_PRELOAD=", "libnss_wrapper.so");
	return 0;
}

/* ssh goes to the address that was checked and knows the host by its name. */
static void set_ssh(const struct clone *c, struct git *g)
{
	const char *address = c->web.reach.address[0];
	size_t n = strlen(address);
	cl_autofree char *bare = address[0] == '[' ? mem_strndup(address + 1, n - 2)
	    : mem_strdup(address);
	cl_autofree char *command = mem_printf("/usr/bin/ssh -F /dev/null -i '%s/id_ed25519' "
	    "-o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=accept-new "
	    "-o 'UserKnownHostsFile=%s/known_hosts' -o GlobalKnownHostsFile=/dev/null "
	    "-o 'HostName=%s' -o 'HostKeyAlias=%s' -o ConnectTimeout=20 -o ServerAliveInterval=15 "
	    "-o ForwardAgent=no -o ClearAllForwardings=yes -o PermitLocalCommand=no "
	    "-o ProxyCommand=none -o UpdateHostKeys=no", c->home, c->home, bare, c->web.url.host);

	set(g, "GIT_SSH_COMMAND=", command);
	set(g, "GIT_SSH_VARIANT=", "ssh");
}

static int environment(struct clone *c, struct git *g, struct cl_err *err)
{
	const struct giturl *u = &c->web.url;
	char cwd[512];

	memset(g, 0, sizeof(*g));
	if (!getcwd(cwd, sizeof(cwd)))
		return err_errno(err, CL_FAILED, "working directory");
	g->echo = true;
	g->max = &c->max;
	g->deadline = clock_ms() + (int64_t)c->max.seconds * 1000;
	set(g, "PATH=", "/usr/bin:/bin");
	set(g, "LC_ALL=", "C.UTF-8");
	set(g, "HOME=", cwd);
	set(g, "TMPDIR=", cwd);
	set(g, "GIT_CONFIG_NOSYSTEM=", "1");
	set(g, "GIT_ATTR_NOSYSTEM=", "1");
	set(g, "GIT_TERMINAL_PROMPT=", "0");
	set(g, "GIT_LFS_SKIP_SMUDGE=", "1");
	set(g, "GIT_AUTHOR_NAME=", "import");
	set(g, "GIT_AUTHOR_EMAIL=", "import@localhost");
	set(g, "GIT_COMMITTER_NAME=", "import");
	set(g, "GIT_COMMITTER_EMAIL=", "import@localhost");
	g->env[g->nenv++] = mem_printf("GIT_CONFIG_GLOBAL=%s/" CONFIG, cwd);
	if (u->kind == GITURL_SSH) {
		set_ssh(c, g);
		return write_passwd(c, cwd, g, err);
	}
	if (u->user[0] || u->password[0]) {
		set(g, "GIT_ASKPASS=", c->self);
		set(g, "CODINGLAB_ASKPASS=", "1");
		set(g, "CODINGLAB_GIT_HOST=", u->host);
		set(g, "CODINGLAB_GIT_USER=", u->user);
		set(g, "CODINGLAB_GIT_PASSWORD=", u->password);
	}
	return 0;
}

static void clear(struct git *g)
{
	for (int i = 0; i < g->nenv; i++) {
		mem_wipe(g->env[i], strlen(g->env[i]));
		mem_free(g->env[i]);
	}
}

static void end_line(struct git *g)
{
	g->line[g->len] = '\0';
	if (!g->settled && (strncmp(g->line, "fatal: ", 7) == 0 || strncmp(g->line, "error: ", 7) == 0) &&
	    (!g->reason[0] || !strstr(g->line, "Could not read from remote"))) /* that says nothing more */
		mem_copy_str(g->reason, sizeof(g->reason), g->line + 7);
	if (!g->settled && (strstr(g->line, "Permission denied") || strstr(g->line, "Host key"))) {
		mem_copy_str(g->reason, sizeof(g->reason), g->line);
		g->settled = true;
	}
	g->hostile = g->hostile || strncmp(g->line, "error: object ", 14) == 0;
	g->settled = g->settled || g->hostile;
	if (g->echo && g->len) {
		g->line[g->len++] = '\n';
		if (write(STDOUT_FILENO, g->line, g->len) < 0)
			g->echo = false;
	}
	g->len = 0;
}

static int talk(struct git *g, const char *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (data[i] == '\n' || data[i] == '\r')
			end_line(g);
		else if (g->len < sizeof(g->line) - 2)
			g->line[g->len++] = data[i];
	}
	return 0;
}

/* "MODE TYPE HASH    SIZE\tNAME\0" */
static int count(struct git *g, const char *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (data[i]) {
			if (g->len < sizeof(g->line) - 2)
				g->line[g->len++] = data[i];
			continue;
		}
		g->line[g->len] = '\0';
		g->files++;
		if (strlen(g->line) > 53)
			g->bytes += strtoll(g->line + 52, NULL, 10);
		g->len = 0;
		if (g->files > g->max->files || g->bytes > g->max->bytes)
			return -1;
	}
	return 0;
}

/* Start git; its output comes by *out. */
static pid_t start(struct git *g, const char *const *argv, int *out, struct cl_err *err)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, CL_FAILED, "pipe");
	struct proc_spec spec = {.path = GIT, .argv = (char *const *)(uintptr_t)argv, .env = g->env,
	    .fds = {-1, fds[1], fds[1]}, .nfds = 3, .setsid = true, .cwd = "."};

	g->env[g->nenv] = NULL;
	pid = proc_start(&spec, err);
	close(fds[1]);
	if (pid < 0)
		close(fds[0]);
	else
		*out = fds[0];
	return pid;
}

/* Read until git ends: its exit status, or -1 with the reason (limits, time). */
static int run(struct git *g, const char *const *argv, int (*feed)(struct git *, const char *, size_t),
    struct cl_err *err)
{
	int out = -1, status = 0, rc = 0;
	pid_t pid = start(g, argv, &out, err);
	struct pollfd p = {.fd = out, .events = POLLIN};
	char data[8192];
	ssize_t n = 1;

	if (pid < 0)
		return -1;
	g->len = 0;
	while (rc == 0 && n != 0) {
		int64_t left = g->deadline - clock_ms();

		if (left <= 0) {
			rc = err_set(err, CL_TIMEOUT, "import: not done after %d s", g->max->seconds);
		} else if (poll(&p, 1, left < 1000 ? (int)left : 1000) > 0) {
			n = read(out, data, sizeof(data));
			if (n > 0 && feed(g, data, (size_t)n) < 0)
				rc = err_set(err, CL_QUOTA, "import: the repository holds more than %d files "
				    "or %lld MB", g->max->files, (long long)(g->max->bytes >> 20));
		}
	}
	if (rc < 0)
		kill(-pid, SIGKILL);
	close(out);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (rc == 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ)
		rc = err_set(err, CL_QUOTA, "import: the repository is larger than %lld MB",
		    (long long)(g->max->bytes >> 20));
	return rc < 0 ? -1 : proc_exit_code(status);
}

/* What git said, in our words where we know more. */
static int explain(const struct clone *c, struct git *g, struct cl_err *err)
{
	cl_autofree char *path = mem_printf("%s/id_ed25519.pub", c->home);
	cl_autofclose FILE *f = NULL;
	char key[256] = "";

	if (strstr(g->reason, "File too large") || strstr(g->reason, "index-pack died of signal 25"))
		return err_set(err, CL_QUOTA, "import: the repository is larger than %lld MB",
		    (long long)(c->max.bytes >> 20));
	if (g->hostile)
		return err_set(err, CL_FORBIDDEN, "import: git does not let this repository in: %.300s",
		    g->reason);
	err_set(err, strstr(g->reason, "Permission denied") ? CL_FORBIDDEN : CL_FAILED,
	    "import: git: %.300s", g->reason[0] ? g->reason : "it failed without a reason");
	if (c->web.url.kind != GITURL_SSH)
		return -1;
	f = fopen(path, "re");
	if (f && fgets(key, sizeof(key), f))
		key[strcspn(key, "\n")] = '\0';
	return err_hint(err, "Let this key in there: %.200s", key);
}

/* The user's own key for git servers, made at its first use. */
static int make_key(struct clone *c, struct git *g, struct cl_err *err)
{
	cl_autofree char *path = mem_printf("%s/id_ed25519", c->home);
	const char *const argv[] = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C",
	    "codinglab-import", "-f", path, NULL};
	struct proc_spec spec = {.path = "/usr/bin/ssh-keygen", .argv = (char *const *)(uintptr_t)argv,
	    .env = g->env, .fds = {-1, STDOUT_FILENO, STDOUT_FILENO}, .nfds = 3, .cwd = "."};
	struct stat st;
	int status = 0;
	pid_t pid;

	if (stat(path, &st) == 0)
		return 0;
	g->env[g->nenv] = NULL;
	pid = proc_start(&spec, err);
	if (pid < 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return status == 0 ? 0 : err_set(err, CL_FAILED, "import: ssh-keygen made no key");
}

static char *plain_url(const struct clone *c)
{
	char text[UNPACK_URL];

	giturl_print(&c->web.url, text, sizeof(text));
	return mem_strdup(text);
}

int git_clone(struct clone *c, struct cl_err *err)
{
	cl_autofree char *url = plain_url(c), *depth = mem_printf("--depth=%d", c->depth);
	const char *argv[16] = {"git", "clone", "--progress", "--no-checkout", "--template=", "--origin",
	    "origin"};
	struct git g;
	int n = 7, rc;

	if (c->branch[0]) {
		argv[n++] = "--branch";
		argv[n++] = c->branch;
	}
	if (c->depth)
		argv[n++] = depth;
	argv[n++] = "--";
	argv[n++] = url;
	argv[n++] = "new";
	rc = environment(c, &g, err);
	if (rc == 0)
		rc = write_settings(c, err);
	if (rc == 0 && c->web.url.kind == GITURL_SSH)
		rc = make_key(c, &g, err);
	if (rc == 0)
		rc = run(&g, argv, talk, err);
	if (rc > 0)
		rc = explain(c, &g, err);
	clear(&g);
	return rc;
}

/* In the clone. */
static int again(struct clone *c, const char *const *argv,
    int (*feed)(struct git *, const char *, size_t), struct cl_err *err)
{
	struct git g;
	int rc = environment(c, &g, err);

	if (rc == 0)
		rc = run(&g, argv, feed, err);
	if (rc > 0)
		rc = explain(c, &g, err);
	clear(&g);
	return rc;
}

int git_measure(struct clone *c, struct cl_err *err)
{
	static const char *const head[] = {"git", "-C", "new", "rev-parse", "-q", "--verify",
	    "HEAD^{tree}", NULL};
	static const char *const list[] = {"git", "-C", "new", "ls-tree", "-r", "-l", "-z", "HEAD", NULL};

	if (again(c, head, talk, NULL) < 0)
		return err_set(err, CL_USAGE, "import: the repository is empty");
	return again(c, list, count, err);
}

int git_checkout(struct clone *c, struct cl_err *err)
{
	static const char *const argv[] = {"git", "-C", "new", "reset", "-q", "--hard", NULL};

	return again(c, argv, talk, err);
}
