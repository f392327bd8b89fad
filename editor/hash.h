/*
 * A fast keyed 64-bit checksum: tells whether bytes are still the ones that were seen.  It is no
 * signature; the key is random for each use so that nobody can prepare two texts that agree.
 */
#ifndef EDITOR_HASH_H
#define EDITOR_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_key(void);                                       /* random */
uint64_t hash_bytes(uint64_t key, const void *data, size_t n); /* chain: key = the last result */

#endif
