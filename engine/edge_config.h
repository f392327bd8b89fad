/* The edge's configuration file for HAProxy, with the folders and the map that it names. */
#ifndef ENGINE_EDGE_CONFIG_H
#define ENGINE_EDGE_CONFIG_H

#include <stdio.h>

#include "base/err.h"

/* Write the configuration to f; makes ${edge.dir}/SLOT and an empty hosts.map (as root). */
int edge_config_write(FILE *f, struct cl_err *err);

#endif
