/* Where things are and what they are called: see place.h. */
#include "engine/broker/place.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"

#define REPOSITORY "localhost/codinglab/"

static void set(char *dst, size_t size, const char *option)
{
	if (mem_copy_str(dst, size, config_str(option)) < 0)
		log_fatal("%s: longer than %zu bytes", option, size - 1);
}

void place_identify(struct place *p)
{
	uint64_t h = 0xcbf29ce484222325u; /* FNV-1a: a name, not a secret */

	for (const char *s = p->state; *s; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3u;
	snprintf(p->instance, sizeof(p->instance), "%016" PRIx64, h);
}

static void load_registry(struct place *p)
{
	const char *url = config_str("registry.url");
	int port = (int)config_int("registry.port");

	set(p->registry_dir, sizeof(p->registry_dir), "registry.dir");
	set(p->registry_user, sizeof(p->registry_user), "registry.user");
	set(p->registry_password, sizeof(p->registry_password), "registry.password_file");
	p->registry_own = !url[0] && port > 0;
	p->registry_plain = p->registry_own || strncmp(url, "http://", 7) == 0;
	if (p->registry_own) {
		snprintf(p->registry, sizeof(p->registry), "127.0.0.1:%d", port);
	} else if (url[0]) {
		const char *at = strstr(url, "://");
		size_t n;

		if (!at || mem_copy_str(p->registry, sizeof(p->registry), at + 3) < 0)
			log_fatal("registry.url: it is http(s)://HOST[:PORT][/PREFIX]");
		n = strlen(p->registry);
		while (n && p->registry[n - 1] == '/')
			p->registry[--n] = '\0';
	}
}

/* A program of ours that is mounted into containers; out is "" where it is not there. */
static bool program(char *out, size_t size, const char *name)
{
	struct stat st;
	int n = snprintf(out, size, "%s/%s", config_str("bin.dir"), name);

	if (n > 0 && (size_t)n < size && stat(out, &st) == 0 && S_ISREG(st.st_mode))
		return true;
	out[0] = '\0';
	return false;
}

static void load_network(struct place *p)
{
	const char *mode = config_str("build.network");

	p->network = strcmp(mode, "none") == 0 ? PLACE_NONE
	    : strcmp(mode, "open") == 0 ? PLACE_OPEN : PLACE_REGISTRIES;
	if (!config_bool("proxy.enabled"))
		return;
	if (program(p->net, sizeof(p->net), "codinglab-net"))
		set(p->proxy, sizeof(p->proxy), "proxy.doors");
}

void place_load(struct place *p)
{
	memset(p, 0, sizeof(*p));
	set(p->state, sizeof(p->state), "state.dir");
	set(p->run, sizeof(p->run), "run.dir");
	set(p->edge, sizeof(p->edge), "edge.dir");
	set(p->images, sizeof(p->images), "images.dir");
	program(p->helper, sizeof(p->helper), "codinglab-pty");
	program(p->copy, sizeof(p->copy), "codinglab-copy");
	set(p->trust, sizeof(p->trust), "trust.dir");
	load_network(p);
	set(p->rootfs, sizeof(p->rootfs), "images.rootfs");
	set(p->socket, sizeof(p->socket), "runtime.socket");
	mem_copy_str(p->log_driver, sizeof(p->log_driver), "k8s-file");
	p->slots = (int)config_int("edge.slots");
	load_registry(p);
	place_identify(p);
}

static void named(const struct place *p, const char *name, char out[PLACE_NAME])
{
	snprintf(out, PLACE_NAME, "cl-%.8s-%s", p->instance, name);
}

void place_container(const struct place *p, const char *name, char out[PLACE_NAME])
{
	named(p, name, out);
}

void place_volume(const struct place *p, const char *name, char out[PLACE_NAME])
{
	named(p, name, out);
}

void place_network(const struct place *p, const char *name, char out[PLACE_NAME])
{
	named(p, name, out);
}

void place_image(const struct place *p, const char *id, const char *tag, char *out, size_t size)
{
	if (strncmp(id, "sha256:", 7) == 0)
		snprintf(out, size, "%s", id);
	else if (strchr(id, '/'))
		snprintf(out, size, REPOSITORY "i%.8s/%s:%s", p->instance, id, tag ? tag : "latest");
	else
		snprintf(out, size, REPOSITORY "%s:%s", id, tag ? tag : "latest");
}

void place_image_ref(const struct place *p, const char *image, char *out, size_t size)
{
	const char *colon = strncmp(image, "sha256:", 7) == 0 ? NULL : strchr(image, ':');
	char id[256];

	snprintf(id, sizeof(id), "%.*s", colon ? (int)(colon - image) : 255, image);
	place_image(p, id, colon ? colon + 1 : NULL, out, size);
}

int place_image_id(const struct place *p, const char *reference, char *out, size_t size)
{
	char mine[32];
	const char *s = reference;
	size_t n;

	if (strncmp(s, REPOSITORY, sizeof(REPOSITORY) - 1) != 0)
		return -1;
	s += sizeof(REPOSITORY) - 1;
	snprintf(mine, sizeof(mine), "i%.8s/", p->instance);
	n = strcspn(s, ":");
	if (memchr(s, '/', n)) {
		if (strncmp(s, mine, strlen(mine)) != 0)
			return -1;
		s += strlen(mine);
		n -= strlen(mine);
	}
	if (n >= size)
		return -1;
	memcpy(out, s, n);
	out[n] = '\0';
	return 0;
}

void place_stack(const struct place *p, const char *id, char out[PLACE_PATH])
{
	struct stat st;

	snprintf(out, PLACE_PATH, "%s/%s", p->images, id);
	if (lstat(out, &st) < 0 || !S_ISDIR(st.st_mode))
		snprintf(out, PLACE_PATH, "%s/stacks/%s", p->state, id);
}

void place_project(const struct place *p, int64_t project, char out[PLACE_PATH])
{
	snprintf(out, PLACE_PATH, "%s/projects/%" PRId64, p->state, project);
}

void place_work(const struct place *p, int64_t project, char out[PLACE_PATH])
{
	snprintf(out, PLACE_PATH, "%s/projects/%" PRId64 "/work", p->state, project);
}

void place_home(const struct place *p, int64_t project, char out[PLACE_PATH])
{
	snprintf(out, PLACE_PATH, "%s/projects/%" PRId64 "/home", p->state, project);
}

void place_build(const struct place *p, int64_t op, char out[PLACE_PATH])
{
	snprintf(out, PLACE_PATH, "%s/builds/%" PRId64, p->state, op);
}

void place_slot(const struct place *p, int slot, char out[PLACE_PATH])
{
	snprintf(out, PLACE_PATH, "%s/%d", p->edge, slot);
}

/* Sockets for terminals of the container called name; "" = the folder of all of them. */
void place_tty(const struct place *p, const char *name, char out[PLACE_PATH])
{
	snprintf(out, PLACE_PATH, "%s/tty%s%s", p->run, name[0] ? "/" : "", name);
}

void place_tickets(const struct place *p, char out[PLACE_PATH])
{
	snprintf(out, PLACE_PATH, "%s/broker/tickets", p->run);
}

void place_warn(const struct place *p)
{
	if (!p->helper[0])
		log_warn("codinglab-pty: not there; terminals go through the container engine");
	if (!p->copy[0])
		log_warn("codinglab-copy: not there; a Containerfile of a project is not built");
	if (config_bool("proxy.enabled") && !p->net[0])
		log_warn("codinglab-net: not there; containers do not use the package proxy");
}
