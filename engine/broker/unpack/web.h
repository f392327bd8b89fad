/*
 * http and https of an import: following redirects within one host, and fetching an archive.
 * Credentials go to the host that they were typed for, and to no other.
 */
#ifndef ENGINE_BROKER_UNPACK_WEB_H
#define ENGINE_BROKER_UNPACK_WEB_H

#include <stdint.h>

#include "base/err.h"
#include "base/giturl.h"
#include "engine/broker/unpack/reach.h"

struct web {
	struct giturl url;
	const char *networks;   /* allowed besides public ones */
	const char *bundle;     /* certificates */
	struct reach reach;
	char pin[1024];
	int64_t seconds;
};

/* Resolve and check the host of w->url. */
int web_reach(struct web *w, struct cl_err *err);
/* Ask for w->url with this after its path until no redirect comes; w->url is then what answers.
 * Says why when the server refuses. */
int web_probe(struct web *w, const char *suffix, struct cl_err *err);
/* The body of w->url into fd, at most max bytes. */
int web_download(struct web *w, int fd, int64_t max, struct cl_err *err);

#endif
