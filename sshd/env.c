/* Environments of children: see env.h. */
#include "sshd/env.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "base/mem.h"

static const char *const env_options[] = {
    "run.dir",     "bin.dir",     "share.dir", "images.dir",  "runtime.exec_socket",
    "edge.domain", "edge.listen", "edge.port", "engine.socket",
};

void env_init(struct env *e)
{
	e->n = 0;
	e->list[0] = NULL;
}

void env_clear(struct env *e)
{
	for (int i = 0; i < e->n; i++)
		mem_free(e->list[i]);
	env_init(e);
}

static const char *find(const struct env *e, const char *name, size_t n)
{
	for (int i = 0; i < e->n; i++)
		if (strncmp(e->list[i], name, n) == 0 && e->list[i][n] == '=')
			return e->list[i] + n + 1;
	return NULL;
}

const char *env_get(const struct env *e, const char *name)
{
	return find(e, name, strlen(name));
}

int env_add(struct env *e, const char *assignment)
{
	size_t n = strcspn(assignment, "=");

	if (e->n == ENV_COUNT || !assignment[n] || n == 0 || find(e, assignment, n))
		return -1;
	e->list[e->n++] = mem_strdup(assignment);
	e->list[e->n] = NULL;
	return 0;
}

int env_set(struct env *e, const char *name, const char *value)
{
	cl_autofree char *assignment = mem_printf("%s=%s", name, value);

	return env_add(e, assignment);
}

/* "edge.port" -> CODINGLAB_EDGE_PORT */
static void set_option(struct env *e, const char *option)
{
	char name[64], value[32];
	size_t n;

	snprintf(name, sizeof(name), "CODINGLAB_%s", option);
	n = strlen(name);
	for (size_t i = 0; i < n; i++)
		name[i] = name[i] == '.' ? '_' : (char)toupper((unsigned char)name[i]);
	if (strcmp(option, "edge.port") == 0) {
		snprintf(value, sizeof(value), "%d", (int)config_int(option));
		env_set(e, name, value);
		return;
	}
	env_set(e, name, config_str(option));
}

void env_installation(struct env *e)
{
	env_set(e, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	/* libcurl brings GnuTLS, which prepares itself before main() (0.2 MB and some ms of each session)
	 * for what nobody here asks of it: these programs speak plain HTTP over the engine's socket. */
	env_set(e, "GNUTLS_NO_IMPLICIT_INIT", "1");
	env_set(e, "CODINGLAB_STATE", config_str("state.dir"));
	env_set(e, "CODINGLAB_SOCKET", config_str("engine.socket"));
	for (size_t i = 0; i < CL_COUNT(env_options); i++)
		set_option(e, env_options[i]);
}
