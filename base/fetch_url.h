/* The parts of a URL, by libcurl's own parser. */
#ifndef BASE_FETCH_URL_H
#define BASE_FETCH_URL_H

#include "base/err.h"

struct fetch_url {
	char scheme[16];
	char host[256];
	int port; /* the scheme's own where none is given; 0 = unknown */
	char user[128], password[128]; /* decoded; "" when absent */
};

/* 0; -1 (CL_USAGE) when text is no URL with scheme and host. */
int fetch_url_read(const char *text, struct fetch_url *out, struct cl_err *err);

#endif
