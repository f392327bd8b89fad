/* Learning the hosts of package registries: see registry.h. */
#include "engine/registry.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/fetch_url.h"
#include "base/log.h"
#include "base/mem.h"

#define REGISTRY_S 60
#define REGISTRY_UID 65000   /* nobody's */
#define REGISTRY_HOSTS 4096  /* bytes of one stack's file */

struct registry_seen {
	struct buf hosts; /* the file: a comment with the image's digest, then a host a line */
	struct buf output;
};

/* A host that may stand in the list: dots, letters, digits and '-', with a letter in it (never a
 * bare address). */
static bool registry_host_valid(const char *s)
{
	bool letter = false;

	for (const char *p = s; *p != '\0'; p++) {
		if (!isalnum((unsigned char)*p) && *p != '.' && *p != '-')
			return false;
		letter |= isalpha((unsigned char)*p) != 0;
	}
	return letter && strchr(s, '.') != NULL && strlen(s) < 254;
}

/* The URLs of a line that a command printed; lists of them are separated by space, ',' or '|'. */
static void registry_line_cb(void *arg, const char *line, size_t len)
{
	cl_autofree char *copy = mem_strndup(line, len);
	struct registry_seen *seen = arg;
	char *rest = copy, *word;
	struct cl_err err = { 0 };
	struct fetch_url u;

	while ((word = strsep(&rest, " \t,|")) != NULL) {
		if (strncmp(word, "https://", 8) != 0 && strncmp(word, "http://", 7) != 0)
			continue;
		err_clear(&err);
		if (fetch_url_read(word, &u, &err) != 0)
			continue;
		for (char *p = u.host; *p != '\0'; p++)
			*p = (char)tolower((unsigned char)*p);
		if (registry_host_valid(u.host)) {
			buf_add_str(&seen->hosts, u.host);
			buf_add_str(&seen->hosts, "\n");
		}
	}
	if (seen->output.len < 300)
		buf_add(&seen->output, line, len < 300 ? len : 300);
}

static int registry_ask(struct backend *be, const struct stack *s, int n, struct registry_seen *seen,
    backend_cancel_cb *cancelled, void *arg, struct cl_err *err)
{
	struct backend_job job = { .line = registry_line_cb, .cancelled = NULL, .arg = seen,
		.timeout_s = REGISTRY_S };
	struct backend_kv home = { (char *)(uintptr_t)"HOME", (char *)(uintptr_t)"/tmp" };
	struct backend_spec spec = { .argv = s->registries[n], .env_vars = &home, .nenv = 1,
		.uid = REGISTRY_UID, .gid = REGISTRY_UID, .n = 1, .memory = 512 << 20, .pids = 128,
		.nmounts = 1, .mounts = { { .kind = BACKEND_MOUNT_TMP, .target = "/tmp" } } };
	int status = 0;

	if (cancelled(arg))
		return err_set(err, CL_FAILED, "cancelled");
	(void)snprintf(spec.name, sizeof(spec.name), "op-registries-%s", s->id);
	(void)mem_copy_str(spec.env, sizeof(spec.env), "job");
	(void)mem_copy_str(spec.tier, sizeof(spec.tier), "job");
	(void)mem_copy_str(spec.hostname, sizeof(spec.hostname), "registries");
	(void)mem_copy_str(spec.image, sizeof(spec.image), s->dev.id);
	(void)mem_copy_str(spec.workdir, sizeof(spec.workdir), "/tmp");
	if (be->ops->run(be, &spec, &job, &status, err) != 0)
		return -1;
	if (status != 0)
		return err_set(err, CL_FAILED, "its command ended with status %d: %.*s", status,
		    (int)seen->output.len, seen->output.len > 0 ? seen->output.data : "");
	return 0;
}

/* Is the file of this image?  Its first line says which. */
static bool registry_is_known(const char *path, const char *mark)
{
	cl_autofclose FILE *f = fopen(path, "re");
	char line[200] = "";

	return f != NULL && fgets(line, sizeof(line), f) != NULL && strcmp(line, mark) == 0;
}

static int registry_write(const char *path, const struct buf *text, struct cl_err *err)
{
	cl_autofree char *fresh = mem_printf("%s.new", path);
	FILE *f = fopen(fresh, "we");
	bool good;

	if (f == NULL)
		return err_errno(err, CL_FAILED, "%s", fresh);
	(void)fchmod(fileno(f), 0644); /* for the proxy's account */
	good = fwrite(text->data, 1, text->len, f) == text->len;
	if (fclose(f) != 0 || !good || rename(fresh, path) != 0) {
		(void)unlink(fresh);
		return err_errno(err, CL_FAILED, "%s", path);
	}
	return 0;
}

static void registry_learn_one(struct backend *be, const struct stack *s, const char *digest,
    backend_cancel_cb *cancelled, void *arg)
{
	cl_autofree char *path = mem_printf("%s/registries/%s", config_str("proxy.dir"), s->id);
	cl_autofree char *mark = mem_printf("# %.128s\n", digest);
	struct registry_seen seen;
	struct cl_err err = { 0 };
	int rc = 0;

	if (registry_is_known(path, mark))
		return;
	buf_init(&seen.hosts, REGISTRY_HOSTS);
	buf_init(&seen.output, 1024);
	buf_add_str(&seen.hosts, mark);
	for (size_t i = 0; rc == 0 && i < s->nregistries; i++)
		rc = registry_ask(be, s, (int)i, &seen, cancelled, arg, &err);
	if (rc == 0)
		rc = registry_write(path, &seen.hosts, &err);
	if (rc == 0)
		log_info("registries of %s are known", s->id);
	else if (!cancelled(arg))
		log_warn("registries of %s: %s", s->id, err.message);
	buf_clear(&seen.hosts);
	buf_clear(&seen.output);
}

bool registry_is_missing(const struct stack *s)
{
	cl_autofree char *path = mem_printf("%s/registries/%s", config_str("proxy.dir"), s->id);
	struct stat st;

	return s->nregistries > 0 && config_bool("proxy.enabled") &&
	    strcmp(config_str("build.network"), "registries") == 0 && stat(path, &st) != 0;
}

void registry_learn(struct backend *be, const struct stack_set *set,
    const struct backend_images *there, backend_cancel_cb *cancelled, void *arg)
{
	if (!config_bool("proxy.enabled"))
		return;
	for (size_t i = 0; i < set->n; i++) {
		const struct stack *s = &set->items[i];

		for (size_t k = 0; s->nregistries > 0 && k < there->n; k++)
			if (strcmp(there->items[k].id, s->dev.id) == 0 && !cancelled(arg))
				registry_learn_one(be, s, there->items[k].digest, cancelled, arg);
	}
}
