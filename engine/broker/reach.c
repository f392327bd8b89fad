/* The way out of dev containers and builds: see reach.h. */
#include "engine/broker/reach.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

/* Bytes that a tool reads before it asks: the platform's own names never go through the proxy. */
#define NO_PROXY "localhost,127.0.0.1,::1,.localhost,web,was,db"
#define PROXY "http://127.0.0.1:3128" /* engine/broker/net/main.c */

/* A build whose network is open gets the proxy's open door, like a dev container. */
static void door(const struct place *p, enum reach_kind kind, char out[PLACE_PATH])
{
	bool build = kind == REACH_BUILD && p->network == PLACE_REGISTRIES;

	snprintf(out, PLACE_PATH, "%s/%s", p->proxy, build ? "build" : "dev");
}

bool reach_proxied(const struct place *p, enum reach_kind kind)
{
	char path[PLACE_PATH];
	struct stat st;

	if (!p->proxy[0] || (kind == REACH_BUILD && p->network == PLACE_NONE))
		return false;
	door(p, kind, path);
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool reach_closed(const struct place *p)
{
	return p->network == PLACE_NONE ||
	    (p->network == PLACE_REGISTRIES && reach_proxied(p, REACH_BUILD));
}

const char *reach_text(const struct place *p)
{
	if (p->network == PLACE_NONE)
		return "network: none (build.network)";
	if (p->network == PLACE_OPEN)
		return "network: open (build.network)";
	return reach_closed(p) ? "network: package registries only (build.network, build.registries)"
	    : "network: open, since there is no package proxy here to keep it to the registries";
}

static void add_mount(json_t *body, const char *path, const char *target)
{
	json_array_append_new(json_object_get(json_object_get(body, "HostConfig"), "Mounts"),
	    json_pack("{s:s, s:s, s:s, s:b}", "Type", "bind", "Source", path, "Target", target,
	    "ReadOnly", 1));
}

static void give_trust(json_t *body, const struct place *p)
{
	static const struct {
		const char *file, *target;
	} files[] = {
	    {"ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt"},
	    {"cacerts", "/etc/ssl/certs/java/cacerts"},
	};
	char path[PLACE_PATH];
	struct stat st;

	for (size_t i = 0; i < CL_COUNT(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", p->trust, files[i].file);
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
			add_mount(body, path, files[i].target);
	}
	if (stat(p->trust, &st) == 0)
		add_mount(body, p->trust, REACH_TRUST);
}

/* A variable that the container does not have already: a project's own word wins. */
static void add_var(json_t *list, const char *name, const char *value)
{
	json_t *item;
	size_t i, n = strlen(name);
	const char *text;

	json_array_foreach(list, i, item) {
		text = json_string_value(item);
		if (text && strncmp(text, name, n) == 0 && text[n] == '=')
			return;
	}
	json_array_append_new(list, json_sprintf("%s=%s", name, value));
}

static const struct {
	const char *name, *value;
} vars[] = {
    {"HTTP_PROXY", PROXY}, {"http_proxy", PROXY}, {"HTTPS_PROXY", PROXY}, {"https_proxy", PROXY},
    {"NO_PROXY", NO_PROXY}, {"no_proxy", NO_PROXY},
};

/* The helper needs the command that it is put before. */
static void give_proxy(json_t *body, const struct place *p, enum reach_kind kind)
{
	json_t *cmd = json_object_get(body, "Cmd");
	char path[PLACE_PATH];

	if (json_array_size(cmd) == 0 || !reach_proxied(p, kind))
		return;
	door(p, kind, path);
	add_mount(body, path, REACH_PROXY);
	add_mount(body, p->net, REACH_HELPER);
	for (size_t i = 0; i < CL_COUNT(vars); i++)
		add_var(json_object_get(body, "Env"), vars[i].name, vars[i].value);
	json_array_insert_new(cmd, 0, json_string(REACH_PROXY "/proxy.sock"));
	json_array_insert_new(cmd, 0, json_string(REACH_HELPER));
}

void reach_give(json_t *body, const struct place *p, enum reach_kind kind)
{
	give_trust(body, p);
	give_proxy(body, p, kind);
}

void reach_vars(json_t *env, const struct place *p, enum reach_kind kind)
{
	for (size_t i = 0; i < CL_COUNT(vars) && reach_proxied(p, kind); i++)
		add_var(env, vars[i].name, vars[i].value);
}

json_t *reach_undo(const json_t *config)
{
	json_t *list = json_array(), *cmd = json_deep_copy(json_object_get(config, "Cmd"));
	const char *first = json_string_value(json_array_get(cmd, 0));
	char *text;

	if (first && strcmp(first, REACH_HELPER) == 0 && json_array_size(cmd) > 2) {
		json_array_remove(cmd, 0);
		json_array_remove(cmd, 0);
		text = json_dumps(cmd, JSON_COMPACT);
		json_array_append_new(list, json_sprintf("CMD %s", text ? text : "[]"));
		mem_free(text);
		for (size_t i = 0; i < CL_COUNT(vars); i++)
			json_array_append_new(list, json_sprintf("ENV %s=", vars[i].name));
	}
	json_decref(cmd);
	return list;
}
