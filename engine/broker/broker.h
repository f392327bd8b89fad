/* What every request handler of the broker has: where things are and how to reach the engine. */
#ifndef ENGINE_BROKER_BROKER_H
#define ENGINE_BROKER_BROKER_H

#include <sys/types.h>

#include "engine/broker/docker.h"
#include "engine/broker/place.h"

struct broker {
	struct place place;
	struct docker docker;
	struct docker builder; /* the one that builds images: mounts what no other container gets */
	uid_t engine_uid; /* besides root, the only one who may send requests */
};

#endif
