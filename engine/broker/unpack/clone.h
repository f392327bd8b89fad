/* A project from a URL: git clones it, or an archive is fetched and unpacked. */
#ifndef ENGINE_BROKER_UNPACK_CLONE_H
#define ENGINE_BROKER_UNPACK_CLONE_H

#include "base/err.h"
#include "engine/broker/unpack/unpack.h"
#include "engine/broker/unpack/source.h"

/* The working directory is the staging folder; the project comes into "new" in it. */
int clone_run(struct clone *c, struct unpack_result *r, struct cl_err *err);
/* This program as git's askpass: answers the prompt from the environment. */
int clone_askpass(const char *prompt);

#endif
