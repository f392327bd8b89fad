/* Running git for a clone, by itself and with nothing of the machine's or the user's settings. */
#ifndef ENGINE_BROKER_UNPACK_GIT_H
#define ENGINE_BROKER_UNPACK_GIT_H

#include "engine/broker/unpack/source.h"

int git_clone(struct clone *c, struct cl_err *err);    /* without its files */
int git_measure(struct clone *c, struct cl_err *err);  /* would the files fit the limits? */
int git_checkout(struct clone *c, struct cl_err *err);
/* git's own settings for this clone, as the text of a configuration file. */
char *git_settings(const struct clone *c);

#endif
