/*
 * Between the runtime broker and its helper codinglab-unpack: one request and its answer on
 * descriptor 3 (base/ipc).  The helper runs as the project's owner, is started for one job, and
 * holds one folder.  What it reads (archives, git servers, workspaces) is hostile.
 *
 *   broker --request + descriptors--> helper     one of enum unpack_verb
 *   broker <--DONE | FAILED---------- helper     its output (git's progress) comes by stdout
 */
#ifndef ENGINE_BROKER_UNPACK_UNPACK_H
#define ENGINE_BROKER_UNPACK_UNPACK_H

#include <stdbool.h>
#include <stdint.h>

#define UNPACK_URL 2048
#define UNPACK_WORD 256    /* branch */
#define UNPACK_TOP 32768   /* bytes of the list of top names */
#define UNPACK_PATH 4096   /* bytes of a name in an archive */
#define UNPACK_DEPTH 64    /* folders in one another */
#define UNPACK_MARKER "codinglab-export.json" /* an archive that `project export` made */
#define UNPACK_APP "app"   /* the workspace's folder in it */

enum unpack_verb {
	UNPACK_EXTRACT = 0x600, /* limits; fd folder, fd archive (can be sought) */
	UNPACK_FETCH,           /* limits; str url; str branch; i32 depth; str private (networks);
	                           str home (the user's own, for ssh); str bundle; fd folder */
	UNPACK_PACK,            /* limits; str format ("tar.gz", "zip", ...); str prefix; str skip;
	                           fd workspace, fd out, fd extra (JSON object: name -> text) */
	UNPACK_DONE = 0x680,    /* i64 bytes; i32 files; str root; str stack; str top; str note */
	UNPACK_FAILED,          /* an error */
};

/* folder is empty; what came is in "new" below it.  limits: i64 bytes; i32 files; i32 seconds */
struct unpack_limits {
	int64_t bytes;   /* of all files together */
	int files;       /* files, folders and links */
	int seconds;
};

struct unpack_result {
	int64_t bytes;
	int files;
	char root[256];  /* folder below "new" that is the project; "" = that itself */
	char stack[32];  /* what the marker of an export says, or "" */
	char top[UNPACK_TOP]; /* names in root, newline-separated, as many as fit */
	char note[512];  /* something to be told to people, or "" */
};

#endif
