/* The requests of stages, every field checked: see stage.h. */
#include "engine/broker/stage.h"

#include <string.h>

#include "base/mem.h"
#include "engine/broker/check.h"

static int refuse(struct cl_err *err, const char *what)
{
	return err_set(err, CL_USAGE, "stage: %s: not allowed", what);
}

/* HOST[:PORT]/PATH[:TAG][@sha256:...] of a registry: never a name of this machine's own images. */
static bool name_ok(const char *s)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@";
	const char *slash = strchr(s, '/');
	size_t host = slash ? (size_t)(slash - s) : 0;

	if (host == 0 || strspn(s, chars) != strlen(s) || strstr(s, "..") || strstr(s, "//"))
		return false;
	if (memchr(s, '@', host) || (strchr(s, '@') && strncmp(strchr(s, '@'), "@sha256:", 8) != 0))
		return false;
	return strncmp(s, "localhost/", 10) != 0 && (memchr(s, '.', host) || memchr(s, ':', host));
}

static void read_head(struct stage *s, struct ipc_in *m)
{
	memset(s, 0, sizeof(*s));
	s->project = spec_read_wide(m, 1, CHECK_ID_MAX);
	s->op = spec_read_wide(m, 1, INT32_MAX);
	s->n = (int)ipc_get_range(m, 0, STAGE_MAX - 1);
}

int stage_read_begin(struct stage *s, struct ipc_in *m, struct cl_err *err)
{
	read_head(s, m);
	ipc_get_str(m, s->image, sizeof(s->image));
	s->pull = ipc_get_range(m, 0, 1);
	s->memory = spec_read_wide(m, 0, 1LL << 42);
	if (m->bad)
		return refuse(err, "number");
	return (s->pull ? name_ok(s->image) : check_image(s->image)) ? 0 : refuse(err, "image");
}

/* "app", "1000:1000": no option, no blank. */
static bool user_ok(const char *s)
{
	return s[0] != '-' && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-") ==
	    strlen(s);
}

static bool folder_ok(const char *s)
{
	return s[0] == '\0' || (s[0] == '/' && check_text(s) && !strpbrk(s, "\n\t"));
}

int stage_read_run(struct stage *s, struct ipc_in *m, struct cl_err *err)
{
	read_head(s, m);
	if (spec_read_argv(&s->argv, m, err) < 0 || spec_read_vars(&s->vars, BROKER_ENVS, m, err) < 0)
		return -1;
	ipc_get_str(m, s->user, sizeof(s->user));
	ipc_get_str(m, s->workdir, sizeof(s->workdir));
	s->timeout_s = (int)ipc_get_range(m, 1, 86400);
	if (m->bad)
		return refuse(err, "number");
	for (size_t i = 0; i < s->vars.n; i++)
		if (!check_env_name(s->vars.items[i].name))
			return refuse(err, "variable name");
	if (s->argv.n == 0 || !user_ok(s->user) || !folder_ok(s->workdir))
		return refuse(err, "command, user or folder");
	return 0;
}

static int check_vars(const struct stage_commit *c, struct cl_err *err)
{
	for (size_t i = 0; i < c->vars.n; i++)
		if (!check_env_name(c->vars.items[i].name) || !check_text(c->vars.items[i].value) ||
		    strchr(c->vars.items[i].value, '\n'))
			return refuse(err, "variable");
	for (size_t i = 0; i < c->labels.n; i++)
		if (!check_label(c->labels.items[i].name) || !check_text(c->labels.items[i].value) ||
		    strchr(c->labels.items[i].value, '\n'))
			return refuse(err, "label");
	return 0;
}

int stage_read_commit(struct stage_commit *c, struct ipc_in *m, struct cl_err *err)
{
	memset(c, 0, sizeof(*c));
	c->op = spec_read_wide(m, 1, INT32_MAX);
	c->n = (int)ipc_get_range(m, 0, STAGE_MAX - 1);
	ipc_get_str(m, c->id, sizeof(c->id));
	ipc_get_str(m, c->tag, sizeof(c->tag));
	ipc_get_str(m, c->workdir, sizeof(c->workdir));
	c->port = (int)ipc_get_range(m, 0, 65535);
	if (m->bad || spec_read_argv(&c->entrypoint, m, err) < 0 || spec_read_argv(&c->cmd, m, err) < 0 ||
	    spec_read_vars(&c->vars, BROKER_ENVS, m, err) < 0 ||
	    spec_read_vars(&c->labels, BROKER_LABELS, m, err) < 0)
		return refuse(err, "message");
	if (!check_image_id(c->id) || strncmp(c->id, "app/", 4) != 0 || !check_tag(c->tag) ||
	    strncmp(c->tag, "op", 2) != 0 || !folder_ok(c->workdir))
		return refuse(err, "image or folder");
	return check_vars(c, err);
}
