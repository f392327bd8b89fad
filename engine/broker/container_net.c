/* Networks and volumes of ours: made when a container wants one, found by name and label. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "base/mem.h"
#include "engine/broker/container_net.h"

/* A network whose addresses are not all given out says so itself: podman does not tell the range. */
#define KEPT_BACK "codinglab.kept_back"

/* 1 ours, 0 absent, -1 there but not ours or the engine fails. */
static int look(const struct broker *b, const char *url, const char *what, struct cl_err *err)
{
	json_t *j = NULL;
	struct cl_err why = {0};
	int status = docker_call(&b->docker, "GET", url, NULL, &j, &why), rc;

	if (status == 404)
		rc = 0;
	else if (status != 200)
		rc = err_set(err, why.code ? why.code : CL_FAILED, "%s", why.message);
	else if (strcmp(docker_str(json_object_get(j, "Labels"), PLACE_LABEL), b->place.instance) != 0)
		rc = err_set(err, CL_CONFLICT, "%s: there is another of that name", what);
	else
		rc = 1;
	json_decref(j);
	return rc;
}

/* Make it; when that fails, somebody else may have been faster. */
static int make(const struct broker *b, const char *get, const char *post, json_t *body,
    const char *what, struct cl_err *err)
{
	struct cl_err why = {0};
	int rc = look(b, get, what, err);

	if (rc != 0) {
		json_decref(body);
		return rc < 0 ? -1 : 0;
	}
	if (docker_call(&b->docker, "POST", post, body, NULL, &why) == 201)
		return 0;
	if (look(b, get, what, err) == 1)
		return 0;
	return err_set(err, CL_FAILED, "%s: %s", what, why.message);
}

/* netavark, podman's: its name server answers "unknown" for a moment whenever a container comes or
 * goes anywhere, and its bridges must be told to keep apart. */
static bool is_netavark(const struct broker *b)
{
	return strcmp(b->place.log_driver, "k8s-file") == 0;
}

static json_t *network_body(const struct broker *b, const char *name, json_t *ipam)
{
	json_t *options = json_object();

	if (is_netavark(b))
		json_object_set_new(options, "isolate", json_string("true"));
	return json_pack("{s:s, s:s, s:b, s:o, s:{s:s, s:s*}, s:o*}", "Name", name, "Driver", "bridge",
	    "CheckDuplicate", 1, "Options", options, "Labels", PLACE_LABEL, b->place.instance,
	    KEPT_BACK, ipam ? "upper half" : NULL, "IPAM", ipam);
}

/* "10.89.5.0/24" as base and mask, host order; false for what is no IPv4 network of 8 hosts or more. */
static bool subnet_read(const char *text, uint32_t *base, int *bits)
{
	char address[INET_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	struct in_addr in;

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return false;
	snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
	*bits = (int)strtol(slash + 1, NULL, 10);
	*base = inet_pton(AF_INET, address, &in) == 1 ? ntohl(in.s_addr) : 0;
	return *base != 0 && *bits >= 8 && *bits <= 28;
}

/* The network made again with the same addresses, of which only the lower half is given out: the
 * upper one is for those that keep theirs.  Where that fails it stays as it was. */
static int reserve(const struct broker *b, const char *get, const char *post, const char *name,
    const char *what, struct cl_err *err)
{
	json_t *j = NULL, *ipam;
	char subnet[64], range[64];
	const char *slash;
	uint32_t base;
	int bits;

	(void)docker_call(&b->docker, "GET", get, NULL, &j, NULL);
	snprintf(subnet, sizeof(subnet), "%s", docker_str(json_array_get(json_object_get(
	    json_object_get(j, "IPAM"), "Config"), 0), "Subnet"));
	json_decref(j);
	if (!subnet_read(subnet, &base, &bits))
		return 0;
	slash = strchr(subnet, '/');
	snprintf(range, sizeof(range), "%.*s/%d", (int)(slash - subnet), subnet, bits + 1);
	ipam = json_pack("{s:s, s:[{s:s, s:s}]}", "Driver", "default", "Config", "Subnet", subnet,
	    "IPRange", range);
	(void)docker_call(&b->docker, "DELETE", get, NULL, NULL, NULL);
	if (docker_call(&b->docker, "POST", post, network_body(b, name, ipam), NULL, NULL) == 201)
		return 0;
	return make(b, get, post, network_body(b, name, NULL), what, err);
}

/* Two containers of a new network may want it at once. */
static int lock_networks(const struct broker *b)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/networks.lock", b->place.state);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0)
		(void)flock(fd, LOCK_EX);
	return fd;
}

int container_net_ensure(const struct broker *b, const struct spec *s, struct cl_err *err)
{
	char get[DOCKER_URL], post[DOCKER_URL], name[PLACE_NAME];
	cl_autoclose int lock = -1;
	int rc;

	if (!s->network[0])
		return 0;
	place_network(&b->place, s->network, name);
	docker_url(get, "/networks/%s", name);
	docker_url(post, "/networks/create");
	lock = lock_networks(b);
	rc = look(b, get, s->network, err);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (make(b, get, post, network_body(b, name, NULL), s->network, err) < 0)
		return -1;
	return is_netavark(b) ? reserve(b, get, post, name, s->network, err) : 0;
}

void container_net_fixed(const struct broker *b, const struct spec *s, char *out, size_t size)
{
	char url[DOCKER_URL], name[PLACE_NAME];
	json_t *j = NULL, *config;
	struct in_addr in;
	uint32_t base;
	int bits;

	out[0] = '\0';
	if (!s->network[0] || !is_netavark(b))
		return;
	place_network(&b->place, s->network, name);
	docker_url(url, "/networks/%s", name);
	(void)docker_call(&b->docker, "GET", url, NULL, &j, NULL);
	config = json_array_get(json_object_get(json_object_get(j, "IPAM"), "Config"), 0);
	if (docker_str(json_object_get(j, "Labels"), KEPT_BACK)[0] && subnet_read(docker_str(config, "Subnet"), &base, &bits)) {
		in.s_addr = htonl((base | (UINT32_MAX >> bits)) - 5);
		if (!inet_ntop(AF_INET, &in, out, (socklen_t)size))
			out[0] = '\0';
	}
	json_decref(j);
}

int container_net_ensure_volumes(const struct broker *b, const struct spec *s, struct cl_err *err)
{
	char get[DOCKER_URL], post[DOCKER_URL], name[PLACE_NAME];

	for (size_t i = 0; i < s->nmounts; i++) {
		if (s->mounts[i].kind != BROKER_MOUNT_VOLUME)
			continue;
		place_volume(&b->place, s->mounts[i].source, name);
		docker_url(get, "/volumes/%s", name);
		docker_url(post, "/volumes/create");
		if (make(b, get, post, json_pack("{s:s, s:{s:s}}", "Name", name, "Labels", PLACE_LABEL,
		    b->place.instance), s->mounts[i].source, err) < 0)
			return -1;
	}
	return 0;
}

static int drop(const struct broker *b, const char *url, const char *what, struct cl_err *err)
{
	int rc = look(b, url, what, err), status;

	if (rc <= 0)
		return rc;
	status = docker_call(&b->docker, "DELETE", url, NULL, NULL, err);
	if (status == 200 || status == 204)
		return 0;
	if (status == 404) {
		err_clear(err);
		return 0;
	}
	return err_set(err, CL_FAILED, "%s: could not be removed", what);
}

int container_net_remove(const struct broker *b, const char *name, struct cl_err *err)
{
	char url[DOCKER_URL], full[PLACE_NAME];

	place_network(&b->place, name, full);
	docker_url(url, "/networks/%s", full);
	return drop(b, url, name, err);
}

int container_net_remove_volume(const struct broker *b, const char *name, struct cl_err *err)
{
	char url[DOCKER_URL], full[PLACE_NAME];

	place_volume(&b->place, name, full);
	docker_url(url, "/volumes/%s", full);
	return drop(b, url, name, err);
}
