/* What a container uses, read from the kernel's control groups (v1 or v2) of its first process. */
#ifndef ENGINE_BROKER_STATS_H
#define ENGINE_BROKER_STATS_H

#include <stdint.h>

struct stats {
	int64_t cpu_ns; /* used since its start; < 0 unknown */
	int64_t memory; /* bytes without reclaimable page cache; < 0 unknown */
};

void stats_read(int pid, struct stats *out);
/* For tests: another /proc and /sys/fs/cgroup. */
void stats_read_at(const char *proc, const char *cgroup, int pid, struct stats *out);

#endif
