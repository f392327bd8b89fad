/*
 * The configuration that HAProxy starts with.  Every slot is there from the start, empty: what
 * changes (host names, servers) changes at run time and is put back by the engine after a restart.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config.h"
#include "base/mem.h"
#include "engine/edge_config.h"

#define THREADS_MAX 8

/* Half the cores: the applications have the others, and threads that wake each other for nothing cost a
 * fifth more for each request (docs/PERFORMANCE.md). */
static long threads(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores < 4 ? 1 : cores > 2 * THREADS_MAX ? THREADS_MAX : cores / 2;
}

static void write_head(FILE *f, const char *user)
{
	fprintf(f,
	    "# Written by the engine; do not edit.\n"
	    "global\n"
	    "\tlog stderr format raw daemon warning\n"
	    "\tnbthread %ld\n"
	    "\thard-stop-after 30s\n"
	    "\tstats socket %s mode 600 user %s level admin\n"
	    "\tstats timeout 10s\n"
	    "\ttune.bufsize 16384\n"
	    "defaults\n"
	    "\tmode http\n"
	    "\ttimeout connect 2s\n"
	    "\ttimeout client 75s\n"
	    "\ttimeout server 120s\n"
	    "\ttimeout queue 20s\n"
	    "\ttimeout http-request 10s\n"
	    "\ttimeout http-keep-alive 75s\n"
	    "\tbalance leastconn\n"
	    "\thttp-reuse always\n" /* a new visitor too: what a kept one lost is tried again */
	    "\tretries 4\n"
	    "\toption redispatch 1\n"
	    "\tretry-on conn-failure empty-response\n",
	    threads(), config_str("edge.socket"), user);
}

static void write_apps(FILE *f)
{
	fprintf(f,
	    "frontend apps\n"
	    "\tbind %s:%d\n"
	    "\thttp-request set-header X-Forwarded-Proto http\n"
	    "\thttp-request set-header X-Forwarded-For %%[src]\n"
	    "\tuse_backend %%[req.hdr(host),field(1,:),lower,map(%s/hosts.map)]\n"
	    "\tdefault_backend nowhere\n"
	    "backend nowhere\n"
	    "\thttp-request return status 404 content-type text/plain"
	    " string \"No application has this host name.\\n\"\n",
	    config_str("edge.listen"), (int)config_int("edge.port"), config_str("edge.dir"));
}

/* A request that may have had an effect is not sent twice. */
#define NO_RETRY "\thttp-request disable-l7-retry unless { method GET HEAD OPTIONS }\n"

static void write_slot(FILE *f, int slot)
{
	fprintf(f,
	    "backend web_%d\n" NO_RETRY
	    "backend was_%d\n" NO_RETRY
	    "frontend slot_%d\n"
	    "\tbind unix@%s/%d/was.sock mode 666\n"
	    "\tdefault_backend was_%d\n",
	    slot, slot, slot, config_str("edge.dir"), slot, slot);
}

static int make_folders(struct cl_err *err)
{
	int slots = (int)config_int("edge.slots");

	for (int slot = 0; slot < slots; slot++) {
		cl_autofree char *dir = mem_printf("%s/%d", config_str("edge.dir"), slot);

		/* whatever the umask: any uid of a web container passes through it */
		if ((mkdir(dir, 0755) < 0 && errno != EEXIST) || chmod(dir, 0755) < 0)
			return err_errno(err, CL_FAILED, "edge: making %s", dir);
	}
	return 0;
}

/* Pods share no folder with it: they come by network (kube.proxy). */
static int write_pods_door(FILE *f, struct cl_err *err)
{
	const char *given = config_str("kube.proxy"), *colon = strrchr(given, ':');
	long port = colon ? strtol(colon + 1, NULL, 10) : 0;

	if (!given[0])
		return 0;
	if (port < 1 || port > 65535 || colon == given) {
		err_set(err, CL_USAGE, "kube.proxy: %.100s: not HOST:PORT", given);
		return err_hint(err, "The name or address by which pods reach the edge");
	}
	fprintf(f, "listen proxy_pods\n\tbind %s:%ld\n\tserver squid 127.0.0.1:%d\n",
	    config_str("edge.listen"), port, (int)config_int("proxy.port"));
	return 0;
}

/* The package proxy's doors: squid has no unix sockets, and a container shares no network with it. */
static int write_doors(FILE *f, struct cl_err *err)
{
	static const char *const names[] = {"dev", "build"};
	const char *dir = config_str("proxy.doors");

	if (!config_bool("proxy.enabled"))
		return 0;
	fprintf(f,
	    "defaults\n"
	    "\tmode tcp\n"
	    "\ttimeout connect 5s\n"
	    "\ttimeout client 600s\n"
	    "\ttimeout server 600s\n");
	for (int i = 0; i < 2; i++) {
		cl_autofree char *door = mem_printf("%s/%s", dir, names[i]);

		if ((mkdir(dir, 0755) < 0 && errno != EEXIST) || chmod(dir, 0755) < 0 ||
		    (mkdir(door, 0755) < 0 && errno != EEXIST) || chmod(door, 0755) < 0)
			return err_errno(err, CL_FAILED, "edge: making %s", door);
		fprintf(f,
		    "listen proxy_%s\n"
		    "\tbind unix@%s/proxy.sock mode 666\n"
		    "\tserver squid 127.0.0.1:%d\n",
		    names[i], door, (int)config_int("proxy.port") + i);
	}
	return write_pods_door(f, err);
}

int edge_config_write(FILE *f, struct cl_err *err)
{
	cl_autofree char *map = mem_printf("%s/hosts.map", config_str("edge.dir"));
	cl_autofclose FILE *m = fopen(map, "we");
	int slots = (int)config_int("edge.slots");

	if (m == NULL)
		return err_errno(err, CL_FAILED, "edge: making %s", map);
	if (make_folders(err) < 0)
		return -1;
	write_head(f, config_str("engine.user"));
	write_apps(f);
	for (int slot = 0; slot < slots; slot++)
		write_slot(f, slot);
	if (write_doors(f, err) < 0)
		return -1;
	return ferror(f) ? err_set(err, CL_FAILED, "edge: writing the configuration") : 0;
}
