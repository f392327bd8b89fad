/*
 * SSH public keys as people paste them: one authorized_keys line, "TYPE BASE64 [COMMENT]".  Options
 * before the type are refused, and so is a blob that says another type inside, is cut, or has
 * leftovers.  Accepted: ssh-ed25519, ecdsa-sha2-nistp256/384/521, ssh-rsa of 2048 to 16384 bits.
 */
#ifndef ENGINE_SSHKEY_H
#define ENGINE_SSHKEY_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define SSHKEY_BLOB_MAX 4096

struct sshkey {
	char type[64];
	uint8_t blob[SSHKEY_BLOB_MAX];
	size_t len;
	char fingerprint[64]; /* "SHA256:..." */
	char comment[257];
	int bits;
};

int sshkey_parse(struct sshkey *k, const char *line, struct cl_err *err); /* CL_USAGE */

#endif
