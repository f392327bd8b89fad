/* What a verb runs with: where the engine is, what was asked for, where its output goes. */
#ifndef ENGINE_CLIENT_VERB_CTX_H
#define ENGINE_CLIENT_VERB_CTX_H

#include <stdbool.h>
#include <stddef.h>

struct cl_err;
struct json_t;

struct verb_ctx {
	const char *socket;         /* engine */
	const char *project;        /* default of -p: "shop", "owner.shop" or "" */
	const char *tier;           /* from user+project.tier-n, or "" */
	int n;
	bool json, quiet, dry_run, yes, wait; /* wait defaults to true in the program, false in the IDE */
	int timeout_s;              /* 0 = the verb's own */
	const char *env;            /* "dev", "prod" or "" */
	int in;                     /* stdin descriptor, -1 = none */
	bool in_tty, out_tty;
	bool direct;                /* in and the outputs are pipes 0, 1, 2 that a program may have whole */
	const char *socket_out;     /* stdout is a socket, which takes the one that the program connects or
	                               listens with; what that is for, as errors name it.  Or NULL */
	bool remote;                /* somebody's ssh: files that they name are not here */
	int rows, cols;
	/* Outputs; text is already safe to show on a terminal except where raw is true (a program's
	 * own bytes). */
	void (*out)(void *arg, const char *text, size_t len, bool raw);
	void (*err)(void *arg, const char *text, size_t len);
	void *arg;
	/* Reads a tar of files (folder_tar_read()), or NULL where none is taken. */
	struct json_t *(*untar)(const char *data, size_t n, struct cl_err *err);
	volatile int *cancelled;    /* set from outside to stop; may be NULL */
	int signal;                 /* set by the verb: the program that it ran died of this signal */
};

#endif
