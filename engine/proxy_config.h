/* The package proxy's configuration file for squid (docs/STACKS.md, Packages). */
#ifndef ENGINE_PROXY_CONFIG_H
#define ENGINE_PROXY_CONFIG_H

#include <stdio.h>

#include "base/err.h"

/*
 * Write the configuration to f.  It names ${proxy.dir}/{ca,certs,cache} and log.dir's files, and the
 * helper that answers from ${proxy.dir}/registries.  HTTPS_PROXY (or HTTP_PROXY) and NO_PROXY of the
 * environment, upper case first, become squid's way out.  -1 for a proxy or host that is none.
 */
int proxy_config_write(FILE *f, struct cl_err *err);

#endif
