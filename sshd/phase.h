/*
 * What a connection may ask, and when: permission is data (the table in phase.c).  This is pure
 * state, no descriptors and no time, so that the unit test and the fuzzer can hold it whole.
 *
 *   PREAUTH --key, password--> ASKING --yes to a password or signed key--> AUTHED
 *      ^                          |                                          | first OPEN granted
 *      +-------- no --------------+                                          v
 *                                                                          OPEN
 *   any --illegal message, a client's end--> ENDING
 *
 * Each channel: FREE --OPEN--> ASKED --> DOOR or CHILD or REFUSED --FORGET--> FREE; a door may
 * ask again (SWITCH, or OPEN when its session died), a child whose end was told is ENDED.
 */
#ifndef SSHD_PHASE_H
#define SSHD_PHASE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/monitor.h"

#define PHASE_OFFERS 20

enum phase_at { PHASE_PREAUTH, PHASE_ASKING, PHASE_AUTHED, PHASE_OPEN, PHASE_ENDING };
enum phase_slot {
	SLOT_FREE, SLOT_ASKED, SLOT_DOOR, SLOT_CHILD, SLOT_ENDED, SLOT_REFUSED
};

struct phase {
	enum phase_at at;
	bool proof;             /* the open question would prove who it is (not "may this key") */
	bool verified;          /* the engine said yes to a proof; never unset */
	int tries, most_tries;  /* proofs that were refused */
	int offers;             /* keys that were refused before any signature: agents hold several */
	enum phase_slot slots[MONITOR_CHANNELS];
};

void phase_init(struct phase *p, int most_tries);
/* Take a message.  0: legal, do it.  -1: illegal, the phase is ENDING. */
int phase_take(struct phase *p, const struct monitor_msg *m);
/* The engine's answer to the open question.  Returns -1 when the tries are used up. */
int phase_verdict(struct phase *p, bool ok);
/* The answer to OPEN or SWITCH: SLOT_DOOR, SLOT_CHILD or SLOT_REFUSED. */
void phase_answer(struct phase *p, uint32_t channel, enum phase_slot slot);
void phase_child_ended(struct phase *p, uint32_t channel);
void phase_end(struct phase *p);

const char *phase_name(enum phase_at at);

#endif
