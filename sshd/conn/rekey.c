/* Key exchanges counted: see rekey.h.  Pure state, so that the unit test holds time itself. */
#include "sshd/conn/rekey.h"

#include <string.h>

void rekey_init(struct rekey *r, int64_t now, uint64_t bytes)
{
	memset(r, 0, sizeof(*r));
	r->left = REKEY_BURST;
	r->earned_at = now;
	r->earned_bytes = bytes;
}

/* Whole seconds and whole half MiBs only: what is left of both counts the next time. */
static void earn(struct rekey *r, int64_t now, uint64_t bytes)
{
	int64_t seconds = now > r->earned_at ? (now - r->earned_at) / REKEY_EVERY_MS : 0;
	uint64_t parts = (bytes - r->earned_bytes) / REKEY_BYTES;

	r->earned_at += seconds * REKEY_EVERY_MS;
	r->earned_bytes += parts * REKEY_BYTES;
	if (seconds >= REKEY_BURST || parts >= REKEY_BURST ||
	    r->left + (int)seconds + (int)parts > REKEY_BURST)
		r->left = REKEY_BURST;
	else
		r->left += (int)seconds + (int)parts;
}

void rekey_begin(struct rekey *r, int64_t now, uint64_t bytes)
{
	earn(r, now, bytes);
	r->under_way = true;
	r->began = now;
	if (r->left > 0)
		r->left--;
	else /* until the next is earned, which this one has used up */
		r->hold_until = r->earned_at += REKEY_EVERY_MS;
}

void rekey_end(struct rekey *r)
{
	r->under_way = false;
}

int rekey_hold(const struct rekey *r, int64_t now)
{
	return r->hold_until > now ? (int)(r->hold_until - now) : 0;
}

bool rekey_stuck(const struct rekey *r, int64_t now)
{
	return r->under_way && now - r->began >= REKEY_MOST_MS;
}
