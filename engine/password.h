/*
 * Passwords: argon2id strings.  Both calls cost tens of milliseconds and 64 MiB: worker threads only.
 * At most two run at a time; others wait.
 */
#ifndef ENGINE_PASSWORD_H
#define ENGINE_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

#define PASSWORD_HASH_SIZE 128

int password_hash(const char *password, size_t n, char out[PASSWORD_HASH_SIZE], struct cl_err *err);
/* hash "" (nobody, or no password) takes as long as a wrong password. */
bool password_matches(const char *hash, const char *password, size_t n);

/* Loop's thread: may another password be hashed for a request?  CL_UNAVAILABLE when enough wait; each
 * success is given back by password_release(). */
int password_reserve(struct cl_err *err);
void password_release(void);

#endif
