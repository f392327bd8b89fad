/* What a container uses: see stats.h. */
#include "engine/broker/stats.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define FILE_PATH 1024

/* A decimal after `key` (or the first in the file when key is ""); -1 when there is none. */
static int64_t number(const char *path, const char *key)
{
	cl_autofclose FILE *f = fopen(path, "re");
	size_t n = strlen(key);
	char line[256], *end;
	int64_t v;

	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, n) != 0)
			continue;
		v = strtoll(line + n, &end, 10);
		return end == line + n || v < 0 ? -1 : v;
	}
	return -1;
}

/* Is `word` one of the comma-separated `list`? */
static bool has(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (; *list; list += strcspn(list, ",")) {
		list += *list == ',';
		if (strncmp(list, word, n) == 0 && (list[n] == ',' || list[n] == '\0'))
			return true;
	}
	return false;
}

static int64_t file(const char *root, const char *mount, const char *group, const char *leaf,
    const char *key)
{
	char path[FILE_PATH];

	if (snprintf(path, sizeof(path), "%s/%s%s/%s", root, mount, group, leaf) >= FILE_PATH)
		return -1;
	return number(path, key);
}

static void without_cache(int64_t *memory, int64_t cache)
{
	if (*memory >= 0 && cache > 0 && cache < *memory)
		*memory -= cache;
}

static void v2(const char *root, const char *group, struct stats *out)
{
	int64_t us = file(root, "", group, "cpu.stat", "usage_usec ");

	out->cpu_ns = us < 0 ? -1 : us * 1000;
	out->memory = file(root, "", group, "memory.current", "");
	without_cache(&out->memory, file(root, "", group, "memory.stat", "inactive_file "));
}

static void v1(const char *root, const char *list, const char *group, struct stats *out)
{
	if (has(list, "cpuacct")) {
		out->cpu_ns = file(root, list, group, "cpuacct.usage", "");
		if (out->cpu_ns < 0)
			out->cpu_ns = file(root, "cpuacct", group, "cpuacct.usage", "");
	}
	if (has(list, "memory")) {
		out->memory = file(root, "memory", group, "memory.usage_in_bytes", "");
		without_cache(&out->memory,
		    file(root, "memory", group, "memory.stat", "total_inactive_file "));
	}
}

void stats_read_at(const char *proc, const char *cgroup, int pid, struct stats *out)
{
	char path[FILE_PATH], line[FILE_PATH];
	FILE *f;

	out->cpu_ns = out->memory = -1;
	snprintf(path, sizeof(path), "%s/%d/cgroup", proc, pid);
	f = pid > 0 ? fopen(path, "re") : NULL;
	while (f && fgets(line, sizeof(line), f)) {
		/* "4:cpu,cpuacct:/libpod_parent/libpod-..." or "0::/..." */
		char *list = strchr(line, ':'), *group = list ? strchr(list + 1, ':') : NULL;

		if (!group)
			continue;
		*group++ = '\0';
		group[strcspn(group, "\n")] = '\0';
		if (list[1] == '\0' && out->cpu_ns < 0 && out->memory < 0)
			v2(cgroup, group, out);
		else if (list[1])
			v1(cgroup, list + 1, group, out);
	}
	if (f)
		fclose(f);
}

void stats_read(int pid, struct stats *out)
{
	stats_read_at("/proc", "/sys/fs/cgroup", pid, out);
}
