/* Exec credential plug-ins: see kube_plugin.h. */
#include "engine/kube_plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/proc.h"

#define PLUGIN_MS 30000
#define PLUGIN_MAX (1u << 20)

extern char **environ;

static char *plugin_find(const char *command);
static char **plugin_env(const struct kube_config *c);
static int plugin_read(int fd, struct buf *out);

int kube_plugin_run(const struct kube_config *c, struct kube_plugin_result *out, struct cl_err *err)
{
	cl_autofree char *path = plugin_find(c->plugin.command);
	int pipes[2], status = 0, rc;
	char **env, **argv;
	struct proc_spec spec = { .path = path, .nfds = 3, .fds = { -1, -1, STDERR_FILENO } };
	size_t n = 0;
	struct buf text;
	pid_t pid;

	memset(out, 0, sizeof(*out));
	if (!path)
		return err_set(err, CL_PRECONDITION, "kubeconfig: the program %.100s of its user is not "
		    "there", c->plugin.command);
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return err_errno(err, CL_FAILED, "kubeconfig: %s", path);
	while (c->plugin.args && c->plugin.args[n])
		n++;
	argv = mem_array(n + 2, sizeof(*argv));
	argv[0] = path;
	for (size_t i = 0; i < n; i++)
		argv[i + 1] = c->plugin.args[i];
	env = plugin_env(c);
	spec.argv = argv;
	spec.env = env;
	spec.fds[1] = pipes[1];
	pid = proc_start(&spec, err);
	close(pipes[1]);
	for (char **e = env; *e; e++)
		mem_free(*e);
	mem_free(env);
	mem_free(argv);
	buf_init(&text, PLUGIN_MAX);
	rc = pid < 0 ? -1 : plugin_read(pipes[0], &text);
	close(pipes[0]);
	if (pid > 0) {
		if (rc != 0)
			(void)kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	if (pid > 0 && (rc != 0 || status != 0))
		rc = err_set(err, CL_UNAVAILABLE, "%s: %s (status %d)", path, rc != 0 ?
		    "it gave no credential within 30 s" : "it failed", proc_exit_code(status));
	else if (pid > 0)
		rc = kube_plugin_parse(text.data ? text.data : "", text.len, c->plugin.api_version, out,
		    err);
	if (text.data)
		mem_wipe(text.data, text.len);
	buf_clear(&text);
	return rc;
}

int kube_plugin_parse(const char *text, size_t len, const char *api_version,
    struct kube_plugin_result *out, struct cl_err *err)
{
	json_error_t je;
	json_t *o = json_loadb(text, len, 0, &je), *st = json_object_get(o, "status");
	const char *kind = json_string_value(json_object_get(o, "kind"));
	const char *version = json_string_value(json_object_get(o, "apiVersion"));
	const char *token = json_string_value(json_object_get(st, "token"));
	const char *cert = json_string_value(json_object_get(st, "clientCertificateData"));
	const char *key = json_string_value(json_object_get(st, "clientKeyData"));
	const char *until = json_string_value(json_object_get(st, "expirationTimestamp"));
	struct tm tm = { 0 };
	int rc = 0;

	memset(out, 0, sizeof(*out));
	if (!kind || strcmp(kind, "ExecCredential") != 0 || !version ||
	    strcmp(version, api_version) != 0)
		rc = err_set(err, CL_FAILED, "kubeconfig: its program printed no ExecCredential of %.64s",
		    api_version);
	else if ((!token && !cert) || !cert != !key || (token && strpbrk(token, "\r\n")))
		rc = err_set(err, CL_FAILED, "kubeconfig: its program printed neither a token nor a "
		    "certificate with its key");
	else if (until && !strptime(until, "%Y-%m-%dT%H:%M:%S", &tm))
		rc = err_set(err, CL_FAILED, "kubeconfig: its program printed an expiry that is no time");
	if (rc == 0) {
		out->token = mem_strdup(token);
		out->cert = mem_strdup(cert);
		out->key = mem_strdup(key);
		out->until = until ? (int64_t)timegm(&tm) : 0;
		out->there = true;
	}
	json_decref(o);
	return rc;
}

bool kube_plugin_valid(const struct kube_plugin_result *r)
{
	return r->there && (r->until == 0 || clock_unix_ms() / 1000 + 60 < r->until);
}

void kube_plugin_clear(struct kube_plugin_result *r)
{
	if (r->token)
		mem_wipe(r->token, strlen(r->token));
	if (r->key)
		mem_wipe(r->key, strlen(r->key));
	mem_free(r->token);
	mem_free(r->cert);
	mem_free(r->key);
	memset(r, 0, sizeof(*r));
}

static bool plugin_is_there(const char *path)
{
	cl_autoclose int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111) != 0;
}

/* NULL: there is no such program. */
static char *plugin_find(const char *command)
{
	const char *path = getenv("PATH"), *p = path ? path : "/usr/local/bin:/usr/bin:/bin";

	if (command[0] == '/')
		return plugin_is_there(command) ? mem_strdup(command) : NULL;
	while (*p) {
		size_t n = strcspn(p, ":");
		char *full = mem_printf("%.*s/%s", (int)n, p, command);

		if (p[0] == '/' && plugin_is_there(full))
			return full;
		mem_free(full);
		p += n + (p[n] == ':');
	}
	return NULL;
}

static char **plugin_env(const struct kube_config *c)
{
	json_t *info = json_pack("{s:s, s:s, s:{s:b}}", "kind", "ExecCredential", "apiVersion",
	    c->plugin.api_version, "spec", "interactive", 0), *cluster;
	size_t n = 0, more = 0, k = 0;
	char **env, *text;

	if (c->plugin.cluster_info) {
		cluster = json_pack("{s:s, s:b}", "server", c->server, "insecure-skip-tls-verify",
		    (int)c->any_server);
		json_object_set_new(json_object_get(info, "spec"), "cluster", cluster);
	}
	text = json_dumps(info, JSON_COMPACT);
	json_decref(info);
	while (environ[n])
		n++;
	while (c->plugin.env && c->plugin.env[more])
		more++;
	env = mem_array(n + more + 2, sizeof(*env));
	env[k++] = mem_printf("KUBERNETES_EXEC_INFO=%s", text);
	for (size_t i = 0; i < more; i++)
		env[k++] = mem_strdup(c->plugin.env[i]);
	for (size_t i = 0; i < n; i++) {
		size_t name = strcspn(environ[i], "=") + 1;
		bool given = false;

		for (size_t j = 0; j <= more; j++)
			given = given || strncmp(env[j], environ[i], name) == 0;
		if (!given)
			env[k++] = mem_strdup(environ[i]);
	}
	mem_free(text);
	return env;
}

/* To its end; -1 when that does not come, or too much does. */
static int plugin_read(int fd, struct buf *out)
{
	int64_t until = clock_ms() + PLUGIN_MS;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = until - clock_ms();
		char part[4096];
		ssize_t n;

		if (left <= 0 || poll(&p, 1, (int)left) == 0)
			return -1;
		n = read(fd, part, sizeof(part));
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0 && buf_add(out, part, (size_t)n) != 0)
			return -1;
	}
}
