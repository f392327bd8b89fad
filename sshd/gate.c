/* Start-up limits with random early drop: see gate.h. */
#include "sshd/gate.h"

#define GATE_RATE 30 /* per cent dropped at the start of early drop */

bool gate_drop(int most, int open, uint32_t random)
{
	int start = (most + 9) / 10, chance;

	if (open < start)
		return false;
	if (open >= most)
		return true;
	chance = GATE_RATE + (100 - GATE_RATE) * (open - start) / (most - start);
	return (int)(random % 100) < chance;
}
