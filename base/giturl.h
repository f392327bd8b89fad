/*
 * Where a project is imported from, as people type it: a git URL, a URL of an archive, or a path.
 *
 *   https://host/team/shop.git   http://...   ssh://git@host:2222/shop.git   git@host:team/shop.git
 *   https://host/shop.zip (.tar .tar.gz .tgz .tar.bz2 .tar.xz .tar.zst)      file:///srv/shop.git
 *
 * A user name and a password or token may stand in http and https ones.  They are taken apart here
 * and never printed again; no error quotes the text that was typed.
 */
#ifndef BASE_GITURL_H
#define BASE_GITURL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum giturl_kind { GITURL_HTTP, GITURL_HTTPS, GITURL_SSH, GITURL_FILE };

struct giturl {
	enum giturl_kind kind;
	bool archive;        /* an archive to fetch, no repository */
	char host[254];      /* lower case; an IPv6 address without its brackets; "" for a file */
	int port;            /* never 0 but for a file */
	bool port_said;
	char path[1024];     /* begins with '/'; query included */
	char user[256];      /* decoded; "" = none */
	char password[1024]; /* decoded; "" = none */
};

/* CL_USAGE with what is allowed.  giturl_wipe() in any case. */
int giturl_parse(const char *text, struct giturl *u, struct cl_err *err);
/* Without any password or query, and without the user but for ssh: what may be stored and shown. */
void giturl_print(const struct giturl *u, char *out, size_t size);
bool giturl_secret(const struct giturl *u); /* the printed form leaves something out */
void giturl_wipe(struct giturl *u);
/* Does this look like a URL (so that a word of a command line is no file name)? */
bool giturl_like(const char *text);

#endif
