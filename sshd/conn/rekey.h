/*
 * Key exchanges after the first.  libssh has no limit for them, and each costs processor time: a
 * client may have one a second and one for each half MiB that went through, and a few at once.  Past
 * that it is not heard for a while.  While one is under way nothing is written, since libssh keeps
 * all of it until the end of the exchange, and one that never ends takes the connection with it.
 */
#ifndef SSHD_CONN_REKEY_H
#define SSHD_CONN_REKEY_H

#include <stdbool.h>
#include <stdint.h>

#define REKEY_BURST 4
#define REKEY_EVERY_MS 1000
#define REKEY_BYTES (512 * 1024)
#define REKEY_MOST_MS 30000 /* for one exchange */

struct rekey {
	bool under_way;
	int64_t began;    /* monotonic ms */
	int64_t hold_until;
	int left;         /* that may come now */
	int64_t earned_at; /* up to this time `left` was counted; ahead of now after a hold */
	uint64_t earned_bytes;
};

void rekey_init(struct rekey *r, int64_t now, uint64_t bytes);
/* An exchange begins; bytes: that went through the connection so far, both ways. */
void rekey_begin(struct rekey *r, int64_t now, uint64_t bytes);
void rekey_end(struct rekey *r);
/* Milliseconds that the client is not to be heard, 0 = hear it. */
int rekey_hold(const struct rekey *r, int64_t now);
/* Has the exchange under way lasted too long? */
bool rekey_stuck(const struct rekey *r, int64_t now);

#endif
