/* Which images the store needs: those of releases, and those that cleaning up took away. */
#ifndef ENGINE_STORE_IMAGE_H
#define ENGINE_STORE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "engine/store.h"

struct store_image {      /* a release whose image is kept */
	char digest[128];
	int64_t project;
	char owner[32], name[32], env[8];
	int version;
	bool serving;
};

/* Of every environment: what serves, is wanted or under way, and the newest `keep` that served. */
int store_image_each_kept(struct store *s, int keep,
    int (*cb)(void *arg, const struct store_image *i), void *arg, struct cl_err *err);
/* Cleaning up takes it away: no release may be made of it any more. */
int store_image_gone_add(struct store *s, const char *digest, struct cl_err *err);
bool store_image_gone(struct store *s, const char *digest);
int store_image_gone_remove(struct store *s, const char *digest, struct cl_err *err);

#endif
