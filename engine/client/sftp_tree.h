/*
 * A person's projects as folders (sftp without a project): what the client asks is answered here as far as it is
 * about the folders themselves, and made a request to one project's sftp-server where it is about
 * what is in them.
 *
 *   /              the projects, by name; others' as "owner.name"
 *   /shop          /workspace in the dev container of shop
 *   /shop/a/b      /workspace/a/b there
 *
 * Paths are brought into their plainest form first ("." and ".." taken out of the text), so a request
 * names one project and nothing else.  Handles of a server get its number in front.  Answers of
 * servers pass as they are: they hold no paths, since REALPATH is answered here.
 * No I/O, no process: the caller has those (verb_sftp.c).
 */
#ifndef ENGINE_CLIENT_SFTP_TREE_H
#define ENGINE_CLIENT_SFTP_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"

#define SFTP_TREE_NAME 80
#define SFTP_TREE_PATH 4096
#define SFTP_TREE_LISTS 16 /* of "/", open at once */
#define SFTP_TREE_HANDLE 256

struct sftp_folder {
	char name[SFTP_TREE_NAME]; /* "shop", "bob.site" */
	char ref[SFTP_TREE_NAME];  /* "alice.shop", as REST paths take it */
	char owner[SFTP_TREE_NAME];
	int64_t made;              /* seconds since 1970 */
};

struct sftp_tree {
	struct sftp_folder *folders; /* owned by whoever filled it */
	int n;
	struct {
		bool open;
		int at;
	} lists[SFTP_TREE_LISTS];
};

struct sftp_step {
	enum { SFTP_ANSWERED, SFTP_TO_FOLDER, SFTP_TO_SERVER, SFTP_NONSENSE } kind;
	int folder;        /* TO_FOLDER: in the tree */
	uint32_t server;   /* TO_SERVER: the number in front of the handle */
	uint32_t id;
	bool closes;       /* a handle */
	char why[200];     /* ANSWERED with a refusal: in words, or "" */
};

/* One packet of the client's, without its length.  out gets the answer, or the packet for the server. */
void sftp_tree_ask(struct sftp_tree *t, const uint8_t *packet, size_t n, struct buf *out,
    struct sftp_step *step);
/* One packet of that server's, without its length, as the client is to have it, added to out.  True: it
 * gave a handle.  *id is the request's. */
bool sftp_tree_answer(uint32_t server, const uint8_t *packet, size_t n, struct buf *out, uint32_t *id);

#endif
