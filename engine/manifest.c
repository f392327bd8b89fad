/*
 * One function per kind of container.  Variables are laid in this order, the later winning: the
 * stack's, the project's, the platform's; so a project cannot pretend to be another.
 */
#include "engine/manifest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"

#define MIB (INT64_C(1) << 20)
#define MANIFEST_MEMORY_WEB (128 * MIB)
#define MANIFEST_MEMORY_WAS (512 * MIB)
#define MANIFEST_MEMORY_DB (512 * MIB)
#define MANIFEST_MEMORY_DEV (2048 * MIB)
#define MANIFEST_UID_MIN 1000
#define MANIFEST_VARS_MAX 400

static void manifest_begin(struct backend_spec *s, const struct manifest *m, const char *tier, int n,
    int release);
static void manifest_mount(struct backend_spec *s, enum backend_mount_kind kind, const char *source,
    const char *target);
static void manifest_service(struct backend_spec *s, const struct stack *service);
static void manifest_platform_vars(struct backend_spec *s, const struct manifest *m);
static void manifest_app(struct backend_spec *s, const struct manifest *m);
static char **manifest_argv(char *const *argv);
static int manifest_end(struct backend_spec *s, struct cl_err *err);
static int manifest_check_mount(const struct backend_spec *s, const struct backend_mount *m,
    struct cl_err *err);
static int manifest_check_name(const struct backend_spec *s, struct cl_err *err);
static int manifest_check_limits(const struct backend_spec *s, struct cl_err *err);
static bool manifest_word(const char *s, const char *more);
static uint64_t manifest_hash(uint64_t h, const void *p, size_t n);
static uint64_t manifest_hash_str(uint64_t h, const char *s);

int manifest_web(const struct manifest *m, int n, struct backend_spec *out, struct cl_err *err)
{
	char number[24];

	manifest_begin(out, m, "web", n, 0);
	(void)mem_copy_str(out->image, sizeof(out->image), m->web->run.id);
	manifest_service(out, m->web);
	(void)snprintf(number, sizeof(number), "%d", m->slot);
	manifest_mount(out, BACKEND_MOUNT_EDGE, number, "/run/edge");
	out->memory = MANIFEST_MEMORY_WEB;
	out->pids = 64;
	manifest_platform_vars(out, m);
	(void)snprintf(number, sizeof(number), "%d", out->port);
	manifest_set_var(out, "PORT", number);
	/* nginx does not change with a release: its number tells one kind of web from another, so
	 * that a new kind is rolled out beside the old one as a release is */
	out->release = 1 + (int)(manifest_generation(out) % 9973);
	manifest_name(out->name, sizeof(out->name), m->project, m->env, "web", n, out->release);
	return manifest_end(out, err);
}

int manifest_was(const struct manifest *m, int n, struct backend_spec *out, struct cl_err *err)
{
	manifest_begin(out, m, "was", n, m->release->version);
	manifest_app(out, m);
	out->port = m->release->port;
	(void)mem_copy_str(out->health, sizeof(out->health), m->release->health);
	out->stop_grace_s = 10;
	return manifest_end(out, err);
}

int manifest_migrate(const struct manifest *m, int64_t op, struct backend_spec *out,
    struct cl_err *err)
{
	manifest_begin(out, m, "job", 1, m->release->version);
	manifest_app(out, m);
	(void)snprintf(out->name, sizeof(out->name), "op%lld-migrate", (long long)op);
	(void)mem_copy_str(out->env, sizeof(out->env), "job");
	out->alias[0] = '\0';
	(void)mem_copy_str(out->hostname, sizeof(out->hostname), "migrate");
	out->argv = manifest_argv(m->release->migrate);
	manifest_set_var(out, "CODINGLAB_INSTANCE", "migrate");
	return manifest_end(out, err);
}

int manifest_db(const struct manifest *m, struct backend_spec *out, struct cl_err *err)
{
	char volume[64];

	manifest_begin(out, m, "db", 1, 0);
	(void)mem_copy_str(out->image, sizeof(out->image), m->db->run.id);
	manifest_service(out, m->db);
	(void)snprintf(volume, sizeof(volume), "p%lld-%s-db", (long long)m->project, m->env);
	manifest_mount(out, BACKEND_MOUNT_VOLUME, volume, m->db->volume);
	out->memory = MANIFEST_MEMORY_DB;
	out->pids = 256;
	out->stop_grace_s = 30;
	manifest_platform_vars(out, m);
	manifest_set_var(out, "DATABASE_USER", manifest_db_user(m->release));
	manifest_set_var(out, "DATABASE_NAME", "app");
	manifest_set_var(out, "DATABASE_PASSWORD", manifest_db_password(m, m->release));
	return manifest_end(out, err);
}

int manifest_login(const struct manifest *m, const struct release *before, bool let, int64_t op,
    struct backend_spec *out, struct cl_err *err)
{
	const struct release *to = m->release;

	manifest_begin(out, m, "job", 1, to->version);
	manifest_service(out, m->db);
	out->port = 0;
	(void)snprintf(out->name, sizeof(out->name), "op%lld-login-%s", (long long)op, let ? "let" :
	    "keep");
	(void)mem_copy_str(out->env, sizeof(out->env), "job");
	(void)mem_copy_str(out->image, sizeof(out->image), m->db->run.id);
	(void)mem_copy_str(out->hostname, sizeof(out->hostname), "login");
	out->alias[0] = '\0';
	out->memory = MANIFEST_MEMORY_WEB;
	out->pids = 64;
	out->argv = manifest_argv((char *[]){ (char *)"codinglab-login", (char *)(let ? "let" : "keep"),
	    NULL });
	manifest_set_var(out, "HOME", "/tmp");
	manifest_set_var(out, "DATABASE_HOST", m->db_host != NULL ? m->db_host : "db");
	manifest_set_var(out, "DATABASE_NAME", "app");
	manifest_set_var(out, "DATABASE_USER", manifest_db_user(before));
	manifest_set_var(out, "DATABASE_PASSWORD", manifest_db_password(m, before));
	manifest_set_var(out, "NEXT_USER", manifest_db_user(to));
	manifest_set_var(out, "NEXT_PASSWORD", manifest_db_password(m, to));
	return manifest_end(out, err);
}

const char *manifest_db_user(const struct release *r)
{
	return r != NULL && r->db_user[0] != '\0' ? r->db_user : MANIFEST_DB_USER;
}

const char *manifest_db_password(const struct manifest *m, const struct release *r)
{
	return r != NULL && r->db_user[0] != '\0' ? r->db_password : m->db_password != NULL ?
	    m->db_password : "";
}

int manifest_dev(const struct manifest *m, int port, struct backend_spec *out, struct cl_err *err)
{
	char number[16];

	manifest_begin(out, m, "dev", 1, 0);
	(void)mem_copy_str(out->env, sizeof(out->env), "ide");
	(void)snprintf(out->name, sizeof(out->name), "p%lld-dev", (long long)m->project);
	manifest_network(out->network, sizeof(out->network), m->project, "ide");
	(void)mem_copy_str(out->image, sizeof(out->image), m->stack->dev.id);
	(void)mem_copy_str(out->hostname, sizeof(out->hostname), m->name);
	(void)mem_copy_str(out->workdir, sizeof(out->workdir), "/workspace");
	(void)mem_copy_str(out->user_name, sizeof(out->user_name), m->owner);
	out->uid = m->uid;
	out->gid = m->gid;
	out->memory = MANIFEST_MEMORY_DEV;
	out->pids = 512;
	out->stop_grace_s = 2;
	manifest_mount(out, BACKEND_MOUNT_WORKSPACE, "", "/workspace");
	manifest_mount(out, BACKEND_MOUNT_HOME, "", "/home/dev");
	for (size_t i = 0; i < m->stack->nenv; i++)
		manifest_set_var(out, m->stack->env[i].name, m->stack->env[i].value);
	manifest_platform_vars(out, m);
	(void)snprintf(number, sizeof(number), "%d", port > 0 ? port : m->stack->port);
	manifest_set_var(out, "PORT", number);
	manifest_set_var(out, "HOME", "/home/dev");
	manifest_set_var(out, "CODINGLAB_ENV", "ide");
	return manifest_end(out, err);
}

void manifest_clear(struct backend_spec *s)
{
	for (size_t i = 0; s->argv != NULL && s->argv[i] != NULL; i++)
		mem_free(s->argv[i]);
	mem_free(s->argv);
	for (size_t i = 0; i < s->nenv; i++) {
		mem_free(s->env_vars[i].name);
		mem_wipe(s->env_vars[i].value, strlen(s->env_vars[i].value));
		mem_free(s->env_vars[i].value);
	}
	mem_free(s->env_vars);
	memset(s, 0, sizeof(*s));
}

int manifest_check(const struct backend_spec *s, struct cl_err *err)
{
	if (s->uid < MANIFEST_UID_MIN || s->gid < MANIFEST_UID_MIN)
		return err_set(err, CL_FORBIDDEN, "manifest %s: runs as a system user", s->name);
	if (manifest_check_name(s, err) != 0 || manifest_check_limits(s, err) != 0)
		return -1;
	if (s->nmounts > BACKEND_MOUNTS || s->nenv > MANIFEST_VARS_MAX)
		return err_set(err, CL_FORBIDDEN, "manifest %s: too many mounts or variables",
		    s->name);
	for (size_t i = 0; i < s->nmounts; i++)
		if (manifest_check_mount(s, &s->mounts[i], err) != 0)
			return -1;
	for (size_t i = 0; i < s->nenv; i++)
		if (s->env_vars[i].name[0] == '\0' || strchr(s->env_vars[i].name, '=') != NULL)
			return err_set(err, CL_FORBIDDEN, "manifest %s: a variable without a name",
			    s->name);
	return 0;
}

/* The instance's number; and who enters a database, which is asked when it is made and not again. */
static bool manifest_is_own(const struct backend_spec *s, const char *name)
{
	return strcmp(name, "CODINGLAB_INSTANCE") == 0 || (strcmp(s->tier, "db") == 0 &&
	    (strcmp(name, "DATABASE_USER") == 0 || strcmp(name, "DATABASE_PASSWORD") == 0));
}

uint64_t manifest_generation(const struct backend_spec *s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	h = manifest_hash_str(h, s->env);
	h = manifest_hash_str(h, s->tier);
	h = manifest_hash_str(h, s->image);
	for (size_t i = 0; s->argv != NULL && s->argv[i] != NULL; i++)
		h = manifest_hash_str(h, s->argv[i]);
	for (size_t i = 0; i < s->nenv; i++) {
		if (manifest_is_own(s, s->env_vars[i].name))
			continue;
		h = manifest_hash_str(h, s->env_vars[i].name);
		h = manifest_hash_str(h, s->env_vars[i].value);
	}
	for (size_t i = 0; i < s->nmounts; i++) {
		h = manifest_hash(h, &s->mounts[i].kind, sizeof(s->mounts[i].kind));
		h = manifest_hash_str(h, s->mounts[i].source);
		h = manifest_hash_str(h, s->mounts[i].target);
		h = manifest_hash(h, &s->mounts[i].read_only, sizeof(s->mounts[i].read_only));
	}
	h = manifest_hash_str(h, s->network);
	h = manifest_hash_str(h, s->workdir);
	h = manifest_hash(h, &s->uid, sizeof(s->uid));
	h = manifest_hash(h, &s->gid, sizeof(s->gid));
	h = manifest_hash(h, &s->memory, sizeof(s->memory));
	h = manifest_hash(h, &s->cpu_milli, sizeof(s->cpu_milli));
	h = manifest_hash(h, &s->pids, sizeof(s->pids));
	h = manifest_hash(h, &s->read_only_root, sizeof(s->read_only_root));
	h = manifest_hash(h, &s->port, sizeof(s->port));
	return manifest_hash_str(h, s->health);
}

void manifest_name(char *out, size_t size, int64_t project, const char *env, const char *tier, int n,
    int release)
{
	(void)snprintf(out, size, "p%lld-%s-%s-%d-r%d", (long long)project, env, tier, n, release);
}

void manifest_network(char *out, size_t size, int64_t project, const char *env)
{
	(void)snprintf(out, size, "p%lld-%s", (long long)project, env);
}

int manifest_host(char *out, size_t size, const char *project, const char *owner, const char *env,
    const char *domain)
{
	int n = snprintf(out, size, "%s%s.%s.%s", project, strcmp(env, "dev") == 0 ? "-dev" : "",
	    owner, domain);

	return n > 0 && (size_t)n < size ? 0 : -1;
}

void manifest_url(char *out, size_t size, const char *host, int port)
{
	if (port == 80)
		(void)snprintf(out, size, "http://%s/", host);
	else
		(void)snprintf(out, size, "http://%s:%d/", host, port);
}

void manifest_set_var(struct backend_spec *s, const char *name, const char *value)
{
	for (size_t i = 0; i < s->nenv; i++) {
		if (strcmp(s->env_vars[i].name, name) != 0)
			continue;
		mem_free(s->env_vars[i].value);
		s->env_vars[i].value = mem_strdup(value);
		return;
	}
	s->env_vars = mem_resize(s->env_vars, s->nenv + 1, sizeof(*s->env_vars));
	s->env_vars[s->nenv].name = mem_strdup(name);
	s->env_vars[s->nenv++].value = mem_strdup(value);
}

static void manifest_begin(struct backend_spec *s, const struct manifest *m, const char *tier, int n,
    int release)
{
	memset(s, 0, sizeof(*s));
	s->project = m->project;
	s->n = n;
	s->release = release;
	(void)mem_copy_str(s->env, sizeof(s->env), m->env);
	(void)mem_copy_str(s->tier, sizeof(s->tier), tier);
	(void)mem_copy_str(s->alias, sizeof(s->alias), tier);
	(void)snprintf(s->hostname, sizeof(s->hostname), "%s-%d", tier, n);
	manifest_network(s->network, sizeof(s->network), m->project, m->env);
	manifest_name(s->name, sizeof(s->name), m->project, m->env, tier, n, release);
	s->stop_grace_s = 5;
}

static void manifest_mount(struct backend_spec *s, enum backend_mount_kind kind, const char *source,
    const char *target)
{
	struct backend_mount *m = &s->mounts[s->nmounts++];

	m->kind = kind;
	(void)mem_copy_str(m->source, sizeof(m->source), source);
	(void)mem_copy_str(m->target, sizeof(m->target), target);
}

/* What stack.json says of a service: its user, its tmpfs, its port and health path. */
static void manifest_service(struct backend_spec *s, const struct stack *service)
{
	s->uid = s->gid = service->uid;
	s->read_only_root = true;
	s->port = service->port;
	(void)mem_copy_str(s->health, sizeof(s->health), service->health);
	for (size_t i = 0; i < service->ntmp; i++)
		manifest_mount(s, BACKEND_MOUNT_TMP, "", service->tmp[i]);
	for (size_t i = 0; i < service->nenv; i++)
		manifest_set_var(s, service->env[i].name, service->env[i].value);
}

static void manifest_platform_vars(struct backend_spec *s, const struct manifest *m)
{
	char instance[32];

	(void)snprintf(instance, sizeof(instance), "%s-%d", s->tier, s->n);
	manifest_set_var(s, "CODINGLAB_PROJECT", m->name);
	manifest_set_var(s, "CODINGLAB_ENV", m->env);
	manifest_set_var(s, "CODINGLAB_TIER", s->tier);
	manifest_set_var(s, "CODINGLAB_INSTANCE", instance);
}

/* What the WAS tier and its migration share. */
static void manifest_app(struct backend_spec *s, const struct manifest *m)
{
	const struct release *r = m->release;
	char text[256];

	(void)mem_copy_str(s->image, sizeof(s->image), r->digest);
	(void)mem_copy_str(s->workdir, sizeof(s->workdir), r->own ? "" : "/app");
	s->uid = s->gid = MANIFEST_UID_WAS;
	s->memory = MANIFEST_MEMORY_WAS;
	s->pids = 256;
	manifest_mount(s, BACKEND_MOUNT_TMP, "", "/tmp");
	for (size_t i = 0; i < m->stack->nenv && !r->own; i++)
		manifest_set_var(s, m->stack->env[i].name, m->stack->env[i].value);
	for (size_t i = 0; i < r->nvars; i++)
		manifest_set_var(s, r->vars[i].name, r->vars[i].value);
	manifest_platform_vars(s, m);
	(void)snprintf(text, sizeof(text), "%d", r->version);
	manifest_set_var(s, "CODINGLAB_RELEASE", text);
	(void)snprintf(text, sizeof(text), "%d", r->port);
	manifest_set_var(s, "PORT", text);
	manifest_set_var(s, "HOME", "/tmp");
	if (m->db == NULL || m->db_password == NULL)
		return;
	(void)snprintf(text, sizeof(text), "%s://%s:%s@%s:%d/app", m->db->database.scheme,
	    manifest_db_user(r), manifest_db_password(m, r), m->db_host != NULL ? m->db_host : "db", m->db->database.port);
	manifest_set_var(s, "DATABASE_URL", text);
}

static char **manifest_argv(char *const *argv)
{
	char **copy;
	size_t n = 0;

	while (argv != NULL && argv[n] != NULL)
		n++;
	copy = mem_array(n + 1, sizeof(*copy));
	for (size_t i = 0; i < n; i++)
		copy[i] = mem_strdup(argv[i]);
	return copy;
}

static int manifest_end(struct backend_spec *s, struct cl_err *err)
{
	s->generation = manifest_generation(s);
	if (manifest_check(s, err) == 0)
		return 0;
	manifest_clear(s);
	return -1;
}

static int manifest_check_name(const struct backend_spec *s, struct cl_err *err)
{
	char own[32];
	bool job = strcmp(s->env, "job") == 0;

	(void)snprintf(own, sizeof(own), "p%lld-", (long long)s->project);
	if (s->project < 1 || !manifest_word(s->name, "-") ||
	    strncmp(s->name, job ? "op" : own, job ? 2 : strlen(own)) != 0)
		return err_set(err, CL_FORBIDDEN, "manifest: %.80s is no name for project %lld",
		    s->name, (long long)s->project);
	if (s->network[0] != '\0' && strncmp(s->network, own, strlen(own)) != 0)
		return err_set(err, CL_FORBIDDEN, "manifest %s: another project's network", s->name);
	if (!manifest_word(s->image, "-_.:/@") || !manifest_word(s->hostname, "-") ||
	    (s->alias[0] != '\0' && !manifest_word(s->alias, "-")))
		return err_set(err, CL_FORBIDDEN, "manifest %s: image, host name or alias is "
		    "malformed", s->name);
	if (s->workdir[0] != '\0' && s->workdir[0] != '/')
		return err_set(err, CL_FORBIDDEN, "manifest %s: working folder is relative", s->name);
	return 0;
}

static int manifest_check_limits(const struct backend_spec *s, struct cl_err *err)
{
	if (s->memory < 16 * MIB || s->pids < 8 || s->cpu_milli < 0)
		return err_set(err, CL_FORBIDDEN, "manifest %s: without limits", s->name);
	if (s->port < 0 || s->port > 65535 || s->stop_grace_s < 0 || s->stop_grace_s > 600)
		return err_set(err, CL_FORBIDDEN, "manifest %s: port or grace out of range", s->name);
	for (const char *p = s->health; *p != '\0'; p++)
		if ((unsigned char)*p <= 0x20 || *p == 0x7f || s->health[0] != '/')
			return err_set(err, CL_FORBIDDEN, "manifest %s: health path is malformed",
			    s->name);
	return 0;
}

static int manifest_check_mount(const struct backend_spec *s, const struct backend_mount *m,
    struct cl_err *err)
{
	static const char *const never[] = { "/", "/proc", "/sys", "/dev", "/etc", "/usr", "/bin",
		"/lib", "/sbin", NULL };
	bool ide = strcmp(s->env, "ide") == 0;
	char own[32];

	(void)snprintf(own, sizeof(own), "p%lld-", (long long)s->project);
	if (m->target[0] != '/' || strstr(m->target, "..") != NULL || strchr(m->target, ':') != NULL)
		return err_set(err, CL_FORBIDDEN, "manifest %s: mounts on %.60s", s->name, m->target);
	for (size_t i = 0; never[i] != NULL; i++) {
		size_t n = strlen(never[i]);

		if (strncmp(m->target, never[i], n) == 0 &&
		    (m->target[n] == '\0' || (n > 1 && m->target[n] == '/')))
			return err_set(err, CL_FORBIDDEN, "manifest %s: mounts on %.60s", s->name,
			    m->target);
	}
	if ((m->kind == BACKEND_MOUNT_WORKSPACE || m->kind == BACKEND_MOUNT_HOME) && !ide)
		return err_set(err, CL_FORBIDDEN, "manifest %s: the workspace is for the dev "
		    "container alone", s->name);
	if (m->kind == BACKEND_MOUNT_VOLUME && (!manifest_word(m->source, "-") ||
	    strncmp(m->source, own, strlen(own)) != 0))
		return err_set(err, CL_FORBIDDEN, "manifest %s: another project's volume", s->name);
	if (m->kind == BACKEND_MOUNT_EDGE && (strcmp(s->tier, "web") != 0 ||
	    m->source[0] == '\0' || strspn(m->source, "0123456789") != strlen(m->source)))
		return err_set(err, CL_FORBIDDEN, "manifest %s: a slot of the edge is for web alone",
		    s->name);
	return 0;
}

/* Not empty, and only lower and upper case letters, digits and what is in more. */
static bool manifest_word(const char *s, const char *more)
{
	if (*s == '\0' || *s == '-')
		return false;
	for (; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) && strchr(more, *s) == NULL)
			return false;
	return true;
}

static uint64_t manifest_hash(uint64_t h, const void *p, size_t n)
{
	const unsigned char *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* With its NUL, so that "a","bc" and "ab","c" differ. */
static uint64_t manifest_hash_str(uint64_t h, const char *s)
{
	return manifest_hash(h, s, strlen(s) + 1);
}
