/*
 * The backend `sim`: a cluster in memory, for tests of everything above it.  Instances start after a
 * number of looks, builds give digests, the edge is a list of names; faults are scripted.  It
 * cannot execute programs (CL_NOT_IMPLEMENTED).
 *
 * A script is rules divided by ';', each "RULE [WORD [COUNT]] [TEXT]"; WORD is part of a name, COUNT
 * how often (0 or absent = always):
 *
 *   slow N              instances run after N observations (default 1)
 *   fail apply WORD N   apply fails (also: remove, drain, add, build, run, observe, image)
 *   fail outdated WORD  the list of images says that this one is not what its recipe says now
 *   crash WORD N        exits with status 3 as soon as it would run
 *   unready WORD N      the probe says no
 *   job STATUS          one-off runs end with this status, after printing "job output"
 *   down                ping fails, and everything else
 */
#ifndef ENGINE_BACKEND_SIM_H
#define ENGINE_BACKEND_SIM_H

#include <stddef.h>
#include <stdint.h>
#include "engine/backend.h"

extern const struct backend_ops backend_sim_ops;

struct sim; /* a cluster: outlives the engines that open it when made by backend_sim_new() */

/* b is set up for ops->open(); the cluster stays until backend_sim_free(). */
struct sim *backend_sim_new(struct backend *b, const char *script);
void backend_sim_free(struct sim *s);
/* Replaces the script.  -1: CL_USAGE names the rule. */
int backend_sim_script(struct sim *s, const char *script, struct cl_err *err);
/* It ends with this status; "" = the first whose name holds `part`. */
int backend_sim_kill(struct sim *s, const char *part, int exit_code);
/* It disappears without a trace. */
int backend_sim_vanish(struct sim *s, const char *part);
/* A file of a workspace. */
void backend_sim_put_file(struct sim *s, int64_t project, const char *name, const char *text);
/* Running instances whose name holds part. */
int backend_sim_count(struct sim *s, const char *part);
/* Running instances in the route. */
int backend_sim_routed(struct sim *s, int slot, const char *tier);
/* How often a route that had served was left without a running instance. */
int backend_sim_outages(struct sim *s);
/* "apply p1-dev-was-1-r1" ... one call a line; the caller frees. */
char *backend_sim_trace(struct sim *s);
void backend_sim_forget(struct sim *s); /* empties the trace and the outages */

#endif
