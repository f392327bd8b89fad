/*
 * Between the files of codinglab-copy (main.c): copying a tree, and what .dockerignore leaves out.
 * A program of its own that runs in the container of a build, so failures end it with a message.
 */
#ifndef ENGINE_BROKER_COPY_COPY_H
#define ENGINE_BROKER_COPY_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define COPY_PATH 4096

/* Ends the program with exit status 1. */
void tree_die(const char *what, const char *path) __attribute__((noreturn));

struct tree_how {
	uid_t uid;
	gid_t gid;
	bool own;          /* give everything to uid:gid; else it keeps its owner */
	mode_t mode;       /* of everything, where has_mode */
	bool has_mode;
	bool ignore;       /* leave out what ignore_skips() says */
};

/* The folder dir, made with its parents where missing. */
void tree_folder(const char *dir, const struct tree_how *how);
/* rel beneath the descriptor root (links are followed, never out of root) to the path dest: a folder's
 * contents into dest, a file or link as dest. */
void tree_copy(int root, const char *rel, const char *dest, const struct tree_how *how);

/* Patterns of a .dockerignore: at most 1000, longer lines than COPY_PATH are cut. */
void ignore_load(int root, const char *name);
/* Is this path (relative to the context, no leading slash) left out? */
bool ignore_skips(const char *rel);
/* May something beneath a folder that is left out be wanted after all? */
bool ignore_has_exceptions(void);

#endif
