/*
 * Machines that instances run on, as schema Host says it.  Of this one /proc and the file system tell; what a
 * cluster's nodes are is read from their objects in kube_host.c.
 */
#ifndef ENGINE_HOST_H
#define ENGINE_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "base/err.h"

/* Of /proc/stat's first line: time that processors worked, and all of it (in ticks, of all of them).  -1: it is
 * not of that form. */
int host_cpu_parse(const char *text, int64_t *busy, int64_t *all);
/* "MemTotal" of /proc/meminfo in bytes; -1: it is not there. */
int64_t host_memory_parse(const char *text, const char *key);
/* This machine; the caller's.  Takes a fifth of a second.  reserve: bytes below which a disk counts as full, 0 =
 * never; why: what is wrong with the container engine, or "". */
json_t *host_here(const char *folder, int instances, int64_t reserve, const char *why);
/* {"type": ..., ...}, schema Condition; since NULL = not known. */
json_t *host_condition(const char *type, const char *status, bool bad, const char *reason,
    const char *message, const char *since);

#endif
