/* Shared by backend_sim*.c: the cluster in memory. */
#ifndef ENGINE_BACKEND_SIM_INTERNAL_H
#define ENGINE_BACKEND_SIM_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include "base/buf.h"
#include "base/hash.h"
#include "engine/backend.h"

#define SIM_RULES 32
#define SIM_CHANGES 256
#define SIM_SLOTS 4096

enum sim_what { SIM_FAIL, SIM_CRASH, SIM_UNREADY };

struct sim_rule {
	enum sim_what what;
	char call[16];
	char word[80];
	int count;          /* left; -1 = always */
};

struct sim_instance {
	struct hash_node by_name, by_project;
	size_t at;          /* its place in sim.items */
	struct backend_instance seen;
	int looks;          /* observations until it runs */
};

struct sim_route {
	struct hash_node by_slot;
	int slot;
	char tier[8];
	char name[80];
	bool served;
};

struct sim_file {
	int64_t project;
	char *name, *text;
};

struct sim {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool kept;          /* made by backend_sim_new() */
	bool down;
	int slow;
	int job_status;
	struct sim_rule rules[SIM_RULES];
	size_t nrules;
	struct sim_instance **items;
	size_t n;
	struct hash by_name, by_project; /* of items */
	struct hash routes;     /* by slot */
	bool served[SIM_SLOTS][3];   /* by slot and tier: has had a running instance */
	bool out[SIM_SLOTS][3];
	struct backend_image *images;
	size_t nimages;
	struct backend_stored_list stored;
	struct sim_file *files;
	size_t nfiles;
	struct backend_change changes[SIM_CHANGES];
	uint64_t nchanges;
	int builds, addresses, outages;
	struct buf trace;
};

/* Takes the lock, notes the call, applies the scripted failures; backend_sim_end() in any case. */
int backend_sim_begin(struct sim *s, const char *call, const char *name, struct cl_err *err);
int backend_sim_end(struct sim *s, int rc);
bool backend_sim_rule_hits(struct sim *s, enum sim_what what, const char *call, const char *name);
struct sim_instance *backend_sim_find(struct sim *s, const char *name);
/* A new one, found by its name and its project from now on. */
struct sim_instance *backend_sim_put(struct sim *s, const char *name, int64_t project);
void backend_sim_drop(struct sim *s, struct sim_instance *i);
void backend_sim_change(struct sim *s, const char *name, const char *what, int exit_code);
void backend_sim_look(struct sim *s, struct sim_instance *i);
/* Of a slot, the oldest first; NULL after the last. */
struct sim_route *backend_sim_route_first(const struct sim *s, int slot);
struct sim_route *backend_sim_route_next(const struct sim_route *r);
void backend_sim_route_put(struct sim *s, int slot, const char *tier, const char *name);
void backend_sim_route_drop(struct sim *s, struct sim_route *r);
void backend_sim_route_clear(struct sim *s, int slot);
int backend_sim_tier(const char *tier);
void backend_sim_image_add(struct sim *s, const char *id, const char *tag, const char *digest,
    const char *parent);

#endif
