/*
 * A project's own Containerfile or Dockerfile: read into instructions, and applied one after another to the
 * configuration of an image (docs/STACKS.md, "A Containerfile of the project's own").  Pure and bounded: the
 * text is a stranger's.  What an instruction has to do in a container is handed out as a struct
 * dockerfile_act; nothing here does it.
 *
 *   text ──dockerfile_parse──► instructions ──dockerfile_apply──► act: run, copy, folder, nothing
 *                                                  ▲   │
 *                              configuration ──────┘   └──► configuration
 *
 * Left out with a note: HEALTHCHECK, VOLUME, STOPSIGNAL, MAINTAINER, cache and tmpfs mounts.  Refused: other
 * mounts, --network=host, --security=insecure, ADD of URLs and archives, ONBUILD, here-documents.
 */
#ifndef IMAGES_DOCKERFILE_H
#define IMAGES_DOCKERFILE_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"
#include "images/dockerfile_vars.h"
#include "images/dockerfile_words.h"

#define DOCKERFILE_MAX 65536  /* bytes */
#define DOCKERFILE_STEPS 500
#define DOCKERFILE_STAGES 16

struct dockerfile_step {
	int line;          /* from 1 */
	char keyword[16];  /* upper case */
	char **flags;      /* "--from=x" ..., NULL-terminated */
	char *text;        /* the rest, lines joined */
};

struct dockerfile {
	struct dockerfile_step *steps;
	size_t n;
};

struct dockerfile_image { /* what an image says of itself */
	struct dockerfile_vars env, labels;
	char workdir[256];
	char user[128];
	char **entrypoint, **cmd; /* NULL = none */
	int port;                 /* the first that it exposes, 0 = none */
};

struct dockerfile_stage {
	struct dockerfile_image image;
	struct dockerfile_vars args;    /* ARG of this stage */
	char **shell;
	char name[64];                  /* AS, lower case, or "" */
};

enum dockerfile_kind { DOCKERFILE_NOTHING, DOCKERFILE_RUN, DOCKERFILE_COPY, DOCKERFILE_FOLDER };

struct dockerfile_act {
	enum dockerfile_kind kind;
	char **argv;       /* RUN: the command; COPY: sources and, last, the absolute destination */
	char from[256];    /* COPY: stage or image, "" = the project's files */
	char chown[128], chmod[8];
	char note[160];    /* for the log: something is left out */
};

/* CL_USAGE names the line. */
int dockerfile_parse(struct dockerfile *d, const char *text, size_t len, struct cl_err *err);
void dockerfile_clear(struct dockerfile *d);

/* ARG before the first FROM, which FROM lines and later ARGs of that name see. */
int dockerfile_global(struct dockerfile_vars *globals, const struct dockerfile_step *s,
    struct cl_err *err);
/* FROM: the image (or stage) as written, and the stage's name. */
int dockerfile_from(const struct dockerfile_step *s, const struct dockerfile_vars *globals,
    char *image, size_t size, char *name, size_t name_size, struct cl_err *err);

/* A stage on an image of which nothing is known yet; its `image` is the caller's to fill. */
void dockerfile_begin(struct dockerfile_stage *st);
void dockerfile_end(struct dockerfile_stage *st);
/* Any instruction but FROM.  dockerfile_act_clear() in any case. */
int dockerfile_apply(struct dockerfile_stage *st, const struct dockerfile_vars *globals,
    const struct dockerfile_step *s, struct dockerfile_act *act, struct cl_err *err);
void dockerfile_act_clear(struct dockerfile_act *act);

void dockerfile_image_copy(struct dockerfile_image *to, const struct dockerfile_image *from);
void dockerfile_image_clear(struct dockerfile_image *i);

#endif
