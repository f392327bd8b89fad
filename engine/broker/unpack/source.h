/* Where a clone comes from and what it may use. */
#ifndef ENGINE_BROKER_UNPACK_SOURCE_H
#define ENGINE_BROKER_UNPACK_SOURCE_H

#include "engine/broker/unpack/unpack.h"
#include "engine/broker/unpack/web.h"

struct clone {
	struct web web;          /* web.url is where it comes from */
	char branch[UNPACK_WORD];
	int depth;               /* 0 = all of the history */
	char networks[1024], bundle[256];
	char home[512];          /* folder of the user's: id_ed25519, known_hosts */
	char self[512];          /* this program: git asks it for the password */
	struct unpack_limits max;
};

#endif
