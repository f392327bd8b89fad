/* The table of what is legal when: see phase.h. */
#include "sshd/phase.h"

#include <string.h>

#include "base/mem.h"

#define IN(x) (1u << (x))
#define IN_ANY (IN(PHASE_PREAUTH) | IN(PHASE_ASKING) | IN(PHASE_AUTHED) | IN(PHASE_OPEN))
#define IN_USE (IN(PHASE_AUTHED) | IN(PHASE_OPEN))
#define NO_SLOT 0

static const struct {
	uint32_t type;
	unsigned phases; /* legal in these */
	unsigned slots;  /* and with its channel in one of these states; 0: it names no channel */
} phase_table[] = {
    {MONITOR_KEY, IN(PHASE_PREAUTH), NO_SLOT},
    {MONITOR_PASSWORD, IN(PHASE_PREAUTH), NO_SLOT},
    {MONITOR_OPEN, IN_USE, IN(SLOT_FREE) | IN(SLOT_DOOR)},
    {MONITOR_SWITCH, IN(PHASE_OPEN), IN(SLOT_DOOR)},
    {MONITOR_SIGNAL, IN(PHASE_OPEN), IN(SLOT_CHILD) | IN(SLOT_ENDED)},
    {MONITOR_FORGET, IN_USE, IN(SLOT_DOOR) | IN(SLOT_CHILD) | IN(SLOT_ENDED) | IN(SLOT_REFUSED)},
    {MONITOR_PONG, IN_ANY, NO_SLOT},
    {MONITOR_NOTE, IN_ANY, NO_SLOT},
};

void phase_init(struct phase *p, int most_tries)
{
	memset(p, 0, sizeof(*p));
	p->most_tries = most_tries;
}

static bool legal(const struct phase *p, const struct monitor_msg *m)
{
	for (size_t i = 0; i < CL_COUNT(phase_table); i++) {
		if (phase_table[i].type != m->type)
			continue;
		if (!(phase_table[i].phases & IN(p->at)))
			return false;
		return !phase_table[i].slots || (m->channel < MONITOR_CHANNELS &&
		    phase_table[i].slots & IN(p->slots[m->channel]));
	}
	return false;
}

int phase_take(struct phase *p, const struct monitor_msg *m)
{
	if (!legal(p, m)) {
		p->at = PHASE_ENDING;
		return -1;
	}
	switch (m->type) {
	case MONITOR_KEY:
	case MONITOR_PASSWORD:
		p->at = PHASE_ASKING;
		p->proof = m->type == MONITOR_PASSWORD || m->is_signed;
		break;
	case MONITOR_OPEN:
	case MONITOR_SWITCH:
		p->slots[m->channel] = SLOT_ASKED;
		break;
	case MONITOR_FORGET:
		p->slots[m->channel] = SLOT_FREE;
		break;
	default:
		break;
	}
	return 0;
}

int phase_verdict(struct phase *p, bool ok)
{
	if (p->at != PHASE_ASKING)
		return -1;
	p->at = PHASE_PREAUTH;
	if (ok && p->proof) {
		p->verified = true;
		p->at = PHASE_AUTHED;
	} else if (!ok && (p->proof ? ++p->tries >= p->most_tries : ++p->offers >= PHASE_OFFERS)) {
		p->at = PHASE_ENDING;
		return -1;
	}
	return 0;
}

void phase_answer(struct phase *p, uint32_t channel, enum phase_slot slot)
{
	if (channel >= MONITOR_CHANNELS || p->slots[channel] != SLOT_ASKED || p->at == PHASE_ENDING)
		return;
	p->slots[channel] = slot;
	if (slot != SLOT_REFUSED)
		p->at = PHASE_OPEN;
}

void phase_child_ended(struct phase *p, uint32_t channel)
{
	if (channel < MONITOR_CHANNELS && p->slots[channel] == SLOT_CHILD)
		p->slots[channel] = SLOT_ENDED;
}

void phase_end(struct phase *p)
{
	p->at = PHASE_ENDING;
}

const char *phase_name(enum phase_at at)
{
	static const char *const names[] = {"preauth", "asking", "authed", "open", "ending"};

	return names[at];
}
