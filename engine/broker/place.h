/*
 * Where things are and what they are called: every host path and every name in the container
 * engine is computed here from checked parts.  Two labs on one machine differ in their instance
 * id (a hash of state.dir), which is part of each name and a label of each object.
 */
#ifndef ENGINE_BROKER_PLACE_H
#define ENGINE_BROKER_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLACE_NAME 128
#define PLACE_PATH 512
#define PLACE_LABEL "codinglab.instance" /* every object of ours carries it */

enum place_network { PLACE_REGISTRIES, PLACE_OPEN, PLACE_NONE }; /* build.network */

struct place {
	char state[256];       /* state.dir */
	char run[256];         /* run.dir */
	char edge[256];        /* edge.dir */
	char images[256];      /* images.dir: the stacks' folders */
	char helper[256];      /* codinglab-pty, mounted into dev containers; "" = none */
	char copy[256];        /* codinglab-copy, mounted into builds by a project's Containerfile; "" = none */
	char trust[256];       /* trust.dir: what dev containers and builds trust, mounted where it is */
	char proxy[256];       /* proxy.doors: folders with the proxy's sockets; "" = there is none */
	char net[256];         /* codinglab-net, mounted where there is a proxy */
	enum place_network network; /* of builds of user code */
	char rootfs[256];      /* the base's file system, a tar */
	char socket[108];      /* the container engine's */
	char instance[17];     /* 16 hex digits */
	char log_driver[16];   /* "k8s-file" (podman) or "json-file" (docker) */
	int slots;             /* edge.slots */
	char registry[192];    /* of image names: "HOST:PORT[/PREFIX]"; "" = no repository */
	bool registry_plain;   /* HTTP without TLS */
	bool registry_own;     /* ours, with its storage in registry_dir */
	char registry_dir[256];
	char registry_user[64];
	char registry_password[256]; /* a file */
};

/* Fill from the configuration (config_load() first). */
void place_load(struct place *p);
/* Say what is missed by one that serves. */
void place_warn(const struct place *p);
/* Set the instance id from p->state. */
void place_identify(struct place *p);

void place_container(const struct place *p, const char *name, char out[PLACE_NAME]);
void place_volume(const struct place *p, const char *name, char out[PLACE_NAME]);
void place_network(const struct place *p, const char *name, char out[PLACE_NAME]);
/* Image reference: "sha256:..." as it is; "python" -> "localhost/codinglab/python:latest";
 * "app/p12" -> the same with the instance in it, so that two labs do not share applications. */
void place_image(const struct place *p, const char *id, const char *tag, char *out, size_t size);
/* The same for "id:tag" too. */
void place_image_ref(const struct place *p, const char *image, char *out, size_t size);
/* Back from a reference to our id; 0, or -1 when it is no image of this lab's. */
int place_image_id(const struct place *p, const char *reference, char *out, size_t size);

/* The folder of a stack: the platform's of that id, else the one that was added at run time. */
void place_stack(const struct place *p, const char *id, char out[PLACE_PATH]);
void place_project(const struct place *p, int64_t project, char out[PLACE_PATH]);
void place_work(const struct place *p, int64_t project, char out[PLACE_PATH]);
void place_home(const struct place *p, int64_t project, char out[PLACE_PATH]);
void place_build(const struct place *p, int64_t op, char out[PLACE_PATH]);
void place_slot(const struct place *p, int slot, char out[PLACE_PATH]);
void place_tty(const struct place *p, const char *name, char out[PLACE_PATH]);
void place_tickets(const struct place *p, char out[PLACE_PATH]);

#endif
