/*
 * The gate: how many connections may be before authentication at once.  From a tenth of
 * the limit on, 30 % of new ones are dropped at random, rising straight to all of them at the
 * limit (OpenSSH's "MaxStartups 10:30:100"), so that a flood leaves a chance to everyone else.
 */
#ifndef SSHD_GATE_H
#define SSHD_GATE_H

#include <stdbool.h>
#include <stdint.h>

/* Drop the next one, with `open` unauthenticated now and a limit of `most` (>= 1)?
 * random: any 32 random bits. */
bool gate_drop(int most, int open, uint32_t random);

#endif
