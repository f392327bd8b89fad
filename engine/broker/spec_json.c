/*
 * The container engine's JSON for a checked spec: see spec.h.  Nothing here copies a structure
 * from outside; each key is written by name, and the dangerous ones are written as "no".
 */
#include "engine/broker/spec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/broker/exec_pty.h"

#define PIDS_DEFAULT 512

json_t *spec_json_argv(const struct spec_argv *a)
{
	json_t *j = json_array();

	for (size_t i = 0; i < a->n; i++)
		json_array_append_new(j, json_stringn_nocheck(a->words[i], strlen(a->words[i])));
	return j;
}

json_t *spec_json_vars(const struct spec_vars *v)
{
	json_t *j = json_array();

	for (size_t i = 0; i < v->n; i++) {
		cl_autofree char *s = mem_printf("%s=%s", v->items[i].name, v->items[i].value);

		json_array_append_new(j, json_string(s));
	}
	return j;
}

static void put(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value);
}

static void put_label(json_t *o, const char *key, int64_t n)
{
	char s[24];

	snprintf(s, sizeof(s), "%" PRId64, n);
	put(o, key, json_string(s));
}

static json_t *labels(const struct spec *s, const struct place *p)
{
	json_t *o = json_object();

	put(o, PLACE_LABEL, json_string(p->instance));
	put(o, "codinglab.name", json_string(s->name));
	put_label(o, "codinglab.project", s->project);
	put(o, "codinglab.env", json_string(s->env));
	put(o, "codinglab.tier", json_string(s->tier));
	put_label(o, "codinglab.n", s->n);
	put_label(o, "codinglab.release", s->release);
	put_label(o, "codinglab.generation", s->generation);
	return o;
}

static json_t *mount(const char *type, const char *source, const char *target, bool read_only)
{
	json_t *o = json_object();

	put(o, "Type", json_string(type));
	put(o, "Source", json_string(source));
	put(o, "Target", json_string(target));
	put(o, "ReadOnly", json_boolean(read_only));
	return o;
}

static void mounts(const struct spec *s, const struct place *p, json_t *host)
{
	json_t *list = json_array(), *tmpfs = json_object();
	char path[PLACE_PATH], name[PLACE_NAME];

	for (size_t i = 0; i < s->nmounts; i++) {
		const struct spec_mount *m = &s->mounts[i];

		switch (m->kind) {
		case BROKER_MOUNT_WORKSPACE:
			place_work(p, s->project, path);
			json_array_append_new(list, mount("bind", path, m->target, m->read_only));
			break;
		case BROKER_MOUNT_HOME:
			place_home(p, s->project, path);
			json_array_append_new(list, mount("bind", path, m->target, m->read_only));
			break;
		case BROKER_MOUNT_EDGE:
			/* The slot was checked to be a short number. */
			snprintf(path, sizeof(path), "%s/%s", p->edge, m->source);
			json_array_append_new(list, mount("bind", path, m->target, true));
			break;
		case BROKER_MOUNT_VOLUME:
			place_volume(p, m->source, name);
			json_array_append_new(list, mount("volume", name, m->target, m->read_only));
			break;
		default:
			put(tmpfs, m->target, json_string("rw,nosuid,nodev,size=256m,mode=1777"));
		}
	}
	if (strcmp(s->tier, "dev") == 0 && p->helper[0]) {
		place_tty(p, s->name, path);
		json_array_append_new(list, mount("bind", path, EXEC_PTY_FOLDER, true));
	}
	if (p->helper[0])
		json_array_append_new(list, mount("bind", p->helper, EXEC_PTY_HELPER, true));
	put(host, "Mounts", list);
	put(host, "Tmpfs", tmpfs);
}

json_t *spec_json_host(const struct place *p)
{
	return json_pack("{s:b, s:s, s:[s], s:[s], s:s, s:{s:s, s:{s:s}}, s:{s:s}, s:b}",
	    "Privileged", 0, "NetworkMode", "none", "CapDrop", "ALL", "SecurityOpt",
	    "no-new-privileges", "IpcMode", "private", "LogConfig", "Type", p->log_driver, "Config",
	    "max-size", "10m", "RestartPolicy", "Name", "no", "AutoRemove", 0);
}

static json_t *host(const struct spec *s, const struct place *p)
{
	json_t *h = spec_json_host(p);

	if (s->network[0]) {
		char name[PLACE_NAME];

		place_network(p, s->network, name);
		put(h, "NetworkMode", json_string(name));
	}
	put(h, "ReadonlyRootfs", json_boolean(s->read_only_root));
	put(h, "PidsLimit", json_integer(s->pids ? s->pids : PIDS_DEFAULT));
	if (s->memory) {
		put(h, "Memory", json_integer(s->memory));
		put(h, "MemorySwap", json_integer(s->memory)); /* no swap on top */
	}
	if (s->cpu_milli)
		put(h, "NanoCpus", json_integer((json_int_t)s->cpu_milli * 1000000));
	mounts(s, p, h);
	return h;
}

static void networking(const struct spec *s, const struct place *p, json_t *o)
{
	char name[PLACE_NAME];
	json_t *ends = json_object(), *end = json_object();

	place_network(p, s->network, name);
	if (s->alias[0])
		put(end, "Aliases", json_pack("[s]", s->alias));
	put(ends, name, end);
	put(o, "NetworkingConfig", json_pack("{s:o}", "EndpointsConfig", ends));
}

json_t *spec_json_make(const struct spec *s, const struct place *p)
{
	char ref[256], user[32];
	json_t *o = json_object();

	place_image(p, s->image, NULL, ref, sizeof(ref));
	snprintf(user, sizeof(user), "%u:%u", s->uid, s->gid);
	put(o, "Image", json_string(ref));
	put(o, "User", json_string(user));
	put(o, "Env", spec_json_vars(&s->vars));
	if (s->argv.n)
		put(o, "Cmd", spec_json_argv(&s->argv));
	if (s->hostname[0])
		put(o, "Hostname", json_string(s->hostname));
	if (s->workdir[0])
		put(o, "WorkingDir", json_string(s->workdir));
	if (s->stop_grace_s)
		put(o, "StopTimeout", json_integer(s->stop_grace_s));
	put(o, "Labels", labels(s, p));
	put(o, "HostConfig", host(s, p));
	if (s->network[0])
		networking(s, p, o);
	return o;
}
