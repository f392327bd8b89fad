/*
 * The steps of an image build as the kernel sees them.  Podman 4.3 goes on with the RUN step under way
 * when whoever asked for the build has gone: a step without an end would run for ever.  So each
 * build has a control group of its own, by which its processes are found and ended.
 */
#ifndef ENGINE_BROKER_BUILD_GROUP_H
#define ENGINE_BROKER_BUILD_GROUP_H

#include <stddef.h>

#define BUILD_GROUP_SIZE 64

/* A name that no other build on this machine has: "/codinglab-build-4711-18c2f0a". */
void build_group_name(char out[BUILD_GROUP_SIZE]);
/* SIGKILL to every process of it until none has come for a second (some seconds at most: the
 * container engine may be about to start the next step).  Returns how many there were. */
int build_group_end(const char *group);
/* The same for a file system like /proc, and once. */
int build_group_kill(const char *proc, const char *group);

#endif
