/*
 * What images may stand on: a row of images/bases.json for each distribution, of which the operator
 * picks one for the lab (images.base).  A row says how its file system is made (images/base-rootfs)
 * and which of the platform's stacks build on it.
 */
#ifndef IMAGES_BASES_H
#define IMAGES_BASES_H

#include <stdbool.h>
#include <stdio.h>
#include "base/err.h"
#include "images/stack.h"

#define BASES_MAX 32

struct base {
	char id[32];          /* "debian-12": ID and VERSION_ID of its os-release */
	char title[65];
	char family[16];      /* "debian": apt, or "rpm": dnf */
	char suite[32];       /* of the mirror: "bookworm"; rpm: the release, "9" */
	char components[65];
	char keyring[128];    /* file with the mirror's keys where the operator names none, or "" */
	bool own_apt;         /* the machine's own apt sources have it */
	char **stacks;        /* NULL-terminated ids; "*" = all */
	char why[128];        /* why not the others */
	char note[128];       /* what to know of it, or "" */
};

struct bases {
	struct base *items;
	size_t n;
};

/* dir/bases.json, checked; bases_clear() in any case. */
int bases_load(struct bases *b, const char *dir, struct cl_err *err);
void bases_clear(struct bases *b);
/* NULL with CL_USAGE, and the ids there are as the hint. */
const struct base *bases_find(const struct bases *b, const char *id, struct cl_err *err);
/* Mark the stacks of a set that do not build on this base (stack.refused).  One that was added at
 * run time builds where its parents do. */
void bases_apply(const struct base *base, struct stack_set *set);
/* Every stack that the row names must be there, with its parents. */
int bases_check(const struct base *base, const struct stack_set *set, struct cl_err *err);
/* An operator's mirror: "URL" or "URL,URL" (the second for security updates), http or https, without
 * a name or password in it, which would stand in every image.  "" is fine where the machine has one. */
int bases_check_mirror(const struct base *base, const char *mirror, struct cl_err *err);
/* Lines NAME=VALUE for images/base-rootfs and `lab`. */
int bases_print(const struct base *base, const char *mirror, const char *keyring, FILE *f,
    struct cl_err *err);

#endif
