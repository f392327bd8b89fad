/* This machine as a host of instances: see host.h. */
#include "engine/host.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

#define LOOK_MS 200
#define PROC_MAX 8192

int host_cpu_parse(const char *text, int64_t *busy, int64_t *all)
{
	const char *at = text + 4;

	if (strncmp(text, "cpu ", 4) != 0)
		return -1;
	*busy = *all = 0;
	for (int i = 0; i < 8; i++) { /* user nice system idle iowait irq softirq steal */
		char *end;
		long long n = strtoll(at, &end, 10);

		if (end == at || n < 0)
			return i < 4 ? -1 : 0;
		*all += n;
		*busy += i == 3 || i == 4 ? 0 : n;
		at = end;
	}
	return 0;
}

int64_t host_memory_parse(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		char *end;
		long long kib;

		if (strncmp(line, key, n) != 0 || line[n] != ':')
			continue;
		kib = strtoll(line + n + 1, &end, 10);
		return end == line + n + 1 || kib < 0 || kib > INT64_MAX / 1024 ? -1 : kib * 1024;
	}
	return -1;
}

json_t *host_condition(const char *type, const char *status, bool bad, const char *reason,
    const char *message, const char *since)
{
	return json_pack("{s:s, s:s, s:b, s:s, s:s, s:s?}", "type", type, "status", status, "bad", (int)bad,
	    "reason", reason, "message", message, "since", since);
}

static void read_proc(const char *path, char *text)
{
	cl_autofclose FILE *f = fopen(path, "re");
	size_t n = f ? fread(text, 1, PROC_MAX - 1, f) : 0;

	text[n] = '\0';
}

/* Percent of one core over a moment; < 0 unknown. */
static double cpu_used(long cores)
{
	char text[PROC_MAX];
	int64_t busy[2], all[2];

	for (int i = 0; i < 2; i++) {
		if (i == 1)
			(void)nanosleep(&(struct timespec){ .tv_nsec = LOOK_MS * 1000000L }, NULL);
		read_proc("/proc/stat", text);
		if (host_cpu_parse(text, &busy[i], &all[i]) != 0)
			return -1;
	}
	return all[1] <= all[0] ? -1 : (double)(busy[1] - busy[0]) / (double)(all[1] - all[0]) * 100 *
	    (double)cores;
}

static void add_disk(json_t *host, const char *folder, int64_t reserve)
{
	json_t *conditions = json_object_get(host, "conditions");
	struct statvfs s;
	int64_t total, left;
	bool full;

	if (statvfs(folder, &s) != 0)
		return;
	total = (int64_t)s.f_blocks * (int64_t)s.f_frsize;
	left = (int64_t)s.f_bavail * (int64_t)s.f_frsize;
	full = reserve > 0 && left < reserve;
	json_object_set_new(host, "disk_total", json_integer(total));
	json_object_set_new(host, "disk", json_integer(total - (int64_t)s.f_bfree * (int64_t)s.f_frsize));
	json_array_append_new(conditions, host_condition("DiskPressure", full ? "True" : "False", full, full ?
	    "Reserve" : "", full ? "less is left than disk.reserve_mb" : "", NULL));
}

json_t *host_here(const char *folder, int instances, int64_t reserve, const char *why)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	double cpu = cpu_used(cores);
	char text[PROC_MAX], system[200] = "", name[65] = "localhost";
	int64_t total, left;
	struct utsname u;
	json_t *host;

	if (uname(&u) == 0) {
		(void)mem_copy_str(name, sizeof(name), u.nodename);
		(void)snprintf(system, sizeof(system), "%.60s %.60s %.60s", u.sysname, u.release, u.machine);
	}
	read_proc("/proc/meminfo", text);
	total = host_memory_parse(text, "MemTotal");
	left = host_memory_parse(text, "MemAvailable");
	host = json_pack("{s:s, s:s, s:b, s:s, s:s, s:s, s:i, s:n, s:f, s:o, s:I, s:o, s:n, s:n, s:[o]}",
	    "name", name, "state", why[0] ? "not ready" : "ready", "draining", 0, "address", "", "system",
	    system, "version", "", "instances", instances, "instances_max", "cpus", (double)cores,
	    "cpu", cpu < 0 ? json_null() : json_real(cpu), "memory_total", (json_int_t)(total < 0 ? 0 : total),
	    "memory", total < 0 || left < 0 ? json_null() : json_integer(total - left), "disk_total", "disk",
	    "conditions", host_condition("Ready", why[0] ? "False" : "True", why[0] != '\0', why[0] ?
	    "ContainerEngine" : "", why, NULL));
	if (host)
		add_disk(host, folder, reserve);
	return host;
}
