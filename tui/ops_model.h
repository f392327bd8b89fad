/* What the operations screen knows: the tiers of one environment with their history.  Pure. */
#ifndef TUI_OPS_MODEL_H
#define TUI_OPS_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tui/spark.h"

#define OPS_TIERS_MAX 8
#define OPS_INSTANCES_MAX 24

struct ops_model_instance {
	char name[24], state[16];
	int release, restarts;
	double cpu;      /* percent of one core, < 0 unknown */
	int64_t memory;  /* bytes, < 0 unknown */
};

struct ops_model_tier {
	char name[12];
	char image[80];  /* as shown: "shop@9c41…" */
	int want, ready;
	int asked;       /* what the user asked for and the engine has not said yet; -1 none */
	int min, max;    /* load decides how many, within these; max 0: it does not */
	int load;        /* and so much cpu each may take, percent of a core */
	double cpu, rps; /* < 0 unknown */
	int64_t memory;
	struct spark cpu_history, memory_history;
	struct ops_model_instance instances[OPS_INSTANCES_MAX];
	int ninstances;
};

struct ops_model {
	char env[8], url[256], state[16], release[160], step[160], project[32];
	struct ops_model_tier tiers[OPS_TIERS_MAX];
	int ntiers, chosen;
	bool known;     /* a status was read */
};

/* A Status (engine/api/schemas.def).  Histories grow by one value. */
void ops_model_status(struct ops_model *m, json_t *status);
/* The data of a `stats` event: only its tiers; those of another environment are ignored. */
void ops_model_stats(struct ops_model *m, json_t *data, const char *env);
struct ops_model_tier *ops_model_chosen(struct ops_model *m); /* or NULL */
void ops_model_choose(struct ops_model *m, int index);        /* clamped */
/* One instance more or less in the chosen tier: the new number, or -1 where that cannot be. */
int ops_model_ask(struct ops_model *m, int by);
/* Does load decide how many of this tier there are? */
bool ops_model_by_load(const struct ops_model_tier *t);
/* "303 MB", "1.2 GB", "—" for unknown. */
void ops_model_size(int64_t bytes, char *out, size_t size);

#endif
