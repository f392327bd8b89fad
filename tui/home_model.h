/* What the home screen knows: projects, stacks, images, read from replies of the engine.  Pure. */
#ifndef TUI_HOME_MODEL_H
#define TUI_HOME_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define HOME_PROJECTS_MAX 2000
#define HOME_STACKS_MAX 64
#define HOME_IMAGES_MAX 64
#define HOME_DBS_MAX 8

struct home_model_project {
	int64_t id;
	char name[32], owner[32], stack[32], dev[16], role[16];
	char *url, *about; /* owned, never NULL */
};

struct home_model_stack {
	char id[32], title[64], state[32];
	bool ready;
	uint32_t dbs; /* bit i: it leaves the choice of home_model.dbs[i] */
};

struct home_model_image {
	char id[64], state[32];
};

struct home_model {
	struct home_model_project *projects; /* own ones first, each part by name */
	int nprojects;
	int chosen;                          /* index; 0 when there are none */
	struct home_model_stack stacks[HOME_STACKS_MAX];
	int nstacks;
	char dbs[HOME_DBS_MAX][32]; /* of the stacks that leave a choice of database, each once */
	int ndbs;
	struct home_model_image images[HOME_IMAGES_MAX];
	int nimages;
};

/* The choice stays on the project that had it, wherever it is listed now. */
void home_model_projects(struct home_model *m, json_t *reply, const char *user);
void home_model_stacks(struct home_model *m, json_t *reply);
void home_model_images(struct home_model *m, json_t *reply);
void home_model_image_state(struct home_model *m, const char *image, const char *state);
void home_model_choose(struct home_model *m, int index); /* clamped */
void home_model_choose_name(struct home_model *m, const char *owner, const char *name);
const struct home_model_project *home_model_chosen(const struct home_model *m); /* or NULL */
void home_model_clear(struct home_model *m);

#endif
