/* A container spec, read from a message: see spec.h.  The JSON is made in spec_json.c. */
#include "engine/broker/spec.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "engine/broker/check.h"

#define VALUE_MAX 8192
#define MEMORY_MIN (4LL << 20)
#define MEMORY_MAX (1LL << 42)

static int refuse(struct cl_err *err, const char *field)
{
	return err_set(err, CL_USAGE, "container spec: %s: not allowed", field);
}

/* A string of at most max bytes on the heap, UTF-8 as it goes into JSON; NULL when the message is bad. */
static char *text(struct ipc_in *m, size_t max)
{
	size_t n = 0;
	const char *p = ipc_get_bytes(m, &n, max);

	if (m->bad || (n && (memchr(p, '\0', n) || !utf8_valid(p, n))))
		return NULL;
	return mem_strndup(p ? p : "", n);
}

int64_t spec_read_wide(struct ipc_in *m, int64_t lo, int64_t hi)
{
	int64_t v = ipc_get_i64(m);

	if (!m->bad && v >= lo && v <= hi)
		return v;
	m->bad = true;
	return lo;
}

int spec_read_argv(struct spec_argv *a, struct ipc_in *m, struct cl_err *err)
{
	size_t n = (size_t)ipc_get_range(m, 0, BROKER_ARGS);

	memset(a, 0, sizeof(*a));
	for (size_t i = 0; i < n; i++) {
		char *s = text(m, VALUE_MAX);

		if (!s)
			return refuse(err, "command");
		a->words[a->n++] = s;
	}
	if (m->bad)
		return refuse(err, "command");
	return 0;
}

int spec_read_vars(struct spec_vars *v, size_t max, struct ipc_in *m, struct cl_err *err)
{
	size_t n = (size_t)ipc_get_range(m, 0, (int64_t)max);

	memset(v, 0, sizeof(*v));
	for (size_t i = 0; i < n; i++) {
		char *name = text(m, 64), *value = text(m, VALUE_MAX);

		v->items[v->n++] = (struct spec_var){name, value};
		if (!name || !value)
			return refuse(err, "variable");
	}
	if (m->bad)
		return refuse(err, "variable");
	return 0;
}

void spec_clear_argv(struct spec_argv *a)
{
	for (size_t i = 0; i < a->n; i++)
		mem_free(a->words[i]);
	memset(a, 0, sizeof(*a));
}

void spec_clear_vars(struct spec_vars *v)
{
	for (size_t i = 0; i < v->n; i++) {
		mem_free(v->items[i].name);
		mem_free(v->items[i].value);
	}
	memset(v, 0, sizeof(*v));
}

void spec_clear(struct spec *s)
{
	spec_clear_argv(&s->argv);
	spec_clear_vars(&s->vars);
}

/* A decimal slot number without sign or leading zeros, below limit. */
static bool slot_valid(const char *s, int limit)
{
	int n = 0;

	if (!s[0] || strlen(s) > 4 || (s[0] == '0' && s[1]))
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		n = n * 10 + (*s - '0');
	}
	return n < limit;
}

static int check_mount(const struct spec *s, struct spec_mount *m, const struct place *p,
    struct cl_err *err)
{
	if (!check_target(m->target))
		return refuse(err, "mount target");
	switch (m->kind) {
	case BROKER_MOUNT_VOLUME:
		if (!check_name(m->source) || strlen(m->source) > 63 || !check_owned(m->source, s->project))
			return refuse(err, "volume");
		return 0;
	case BROKER_MOUNT_EDGE:
		if (!slot_valid(m->source, p->slots))
			return refuse(err, "edge slot");
		m->read_only = true;
		return 0;
	default: /* their place follows from the project; a source means nothing */
		return m->source[0] ? refuse(err, "mount source") : 0;
	}
}

static int read_mounts(struct spec *s, struct ipc_in *m, const struct place *p, struct cl_err *err)
{
	size_t n = (size_t)ipc_get_range(m, 0, SPEC_MOUNTS);

	for (size_t i = 0; i < n; i++) {
		struct spec_mount *mt = &s->mounts[s->nmounts++];

		mt->kind = (enum broker_mount)ipc_get_range(m, 0, BROKER_MOUNT_KINDS - 1);
		ipc_get_str(m, mt->source, sizeof(mt->source));
		ipc_get_str(m, mt->target, sizeof(mt->target));
		mt->read_only = ipc_get_range(m, 0, 1);
		if (m->bad)
			return refuse(err, "mount");
		if (check_mount(s, mt, p, err) < 0)
			return -1;
	}
	return 0;
}

static int check_identity(const struct spec *s, struct cl_err *err)
{
	if (!check_name(s->name))
		return refuse(err, "name");
	if (!check_word(s->env) || !check_word(s->tier))
		return refuse(err, "env or tier");
	if (!check_image(s->image))
		return refuse(err, "image");
	for (size_t i = 0; i < s->vars.n; i++)
		if (!check_env_name(s->vars.items[i].name))
			return refuse(err, "variable name");
	return 0;
}

static int check_rest(const struct spec *s, struct cl_err *err)
{
	if (s->network[0] && (!check_name(s->network) || !check_owned(s->network, s->project)))
		return refuse(err, "network");
	if (s->alias[0] && !check_alias(s->alias))
		return refuse(err, "alias");
	if (s->hostname[0] && !check_hostname(s->hostname))
		return refuse(err, "hostname");
	if (s->workdir[0] && !check_workdir(s->workdir))
		return refuse(err, "workdir");
	if (s->user_name[0] && !check_user(s->user_name))
		return refuse(err, "user name");
	if (!check_text(s->health))
		return refuse(err, "health");
	if (s->memory && s->memory < MEMORY_MIN)
		return refuse(err, "memory");
	return 0;
}

int spec_read(struct spec *s, struct ipc_in *m, const struct place *p, struct cl_err *err)
{
	memset(s, 0, sizeof(*s));
	ipc_get_str(m, s->name, sizeof(s->name));
	s->project = spec_read_wide(m, 0, CHECK_ID_MAX);
	ipc_get_str(m, s->env, sizeof(s->env));
	ipc_get_str(m, s->tier, sizeof(s->tier));
	s->n = ipc_get_i32(m);
	s->release = ipc_get_i32(m);
	if (s->n < 0 || s->release < 0)
		return refuse(err, "number");
	ipc_get_str(m, s->image, sizeof(s->image));
	if (spec_read_argv(&s->argv, m, err) < 0 ||
	    spec_read_vars(&s->vars, BROKER_ENVS, m, err) < 0 || check_identity(s, err) < 0 ||
	    read_mounts(s, m, p, err) < 0)
		return -1;
	ipc_get_str(m, s->network, sizeof(s->network));
	ipc_get_str(m, s->alias, sizeof(s->alias));
	ipc_get_str(m, s->hostname, sizeof(s->hostname));
	ipc_get_str(m, s->workdir, sizeof(s->workdir));
	s->uid = (uint32_t)ipc_get_range(m, CHECK_UID_MIN, CHECK_UID_MAX);
	s->gid = (uint32_t)ipc_get_range(m, CHECK_UID_MIN, CHECK_UID_MAX);
	if (m->bad)
		return refuse(err, "uid or gid");
	ipc_get_str(m, s->user_name, sizeof(s->user_name));
	s->memory = spec_read_wide(m, 0, MEMORY_MAX);
	s->cpu_milli = ipc_get_i32(m);
	s->pids = ipc_get_i32(m);
	s->read_only_root = ipc_get_range(m, 0, 1);
	s->port = ipc_get_i32(m);
	ipc_get_str(m, s->health, sizeof(s->health));
	s->stop_grace_s = ipc_get_i32(m);
	s->generation = ipc_get_i64(m);
	if (m->bad || s->cpu_milli < 0 || s->cpu_milli > 1024000 || s->pids < 0 ||
	    s->pids > 4194304 || s->port < 0 || s->port > 65535 || s->stop_grace_s < 0 ||
	    s->stop_grace_s > 3600)
		return refuse(err, "limits");
	return check_rest(s, err);
}
