/* link: cl_sshd cl_base */
/*
 * Z4: the fuzzer holds a connection's end of the monitor and the engine's verdicts.  A record of
 * the input is one byte of what happens, then its bytes:
 *
 *   'M' u16 length, a whole packet       'm' u8 type, a well-made message of that type
 *   'Y' the engine says yes   'N' no     'A' u8 channel, u8 slot: the listener's answer
 *   'E' u8 channel: its child ended
 *
 * A model beside it knows only this: nobody is verified without a yes to a password or a signed
 * key that was asked before, nothing is open before that, and what has ended stays ended.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "sshd/phase.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ipc_in in;
static struct monitor_msg msg;
static int pair[2] = {-1, -1};

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* What a message of this type looks like when it is whole; u8 a and b fill its fields. */
static size_t make(uint8_t *packet, uint8_t which, uint8_t a, uint8_t b)
{
	static struct ipc_out out;

	ipc_begin(&out, MONITOR_KEY + which % 8u);
	switch (MONITOR_KEY + which % 8u) {
	case MONITOR_KEY:
		ipc_put_str(&out, "alice");
		ipc_put_str(&out, "ssh-ed25519 AAAA");
		ipc_put_u32(&out, a & 1);
		break;
	case MONITOR_PASSWORD:
		ipc_put_str(&out, "alice");
		ipc_put_bytes(&out, &a, 1);
		break;
	case MONITOR_OPEN:
		ipc_put_u32(&out, a % 12u);
		ipc_put_u32(&out, b & 1);
		ipc_put_str(&out, "ls");
		ipc_put_u32(&out, b >> 1 & 1);
		ipc_put_u32(&out, 24);
		ipc_put_u32(&out, 80);
		ipc_put_str(&out, "xterm");
		ipc_put_u32(&out, 0);
		break;
	case MONITOR_SWITCH:
		ipc_put_u32(&out, a % 12u);
		ipc_put_str(&out, "shop");
		break;
	case MONITOR_SIGNAL:
		ipc_put_u32(&out, a % 12u);
		ipc_put_u32(&out, b % 20u);
		break;
	case MONITOR_NOTE:
		ipc_put_str(&out, "x");
		break;
	default:
		ipc_put_u32(&out, a % 12u);
	}
	memcpy(packet, out.data, out.len);
	return out.len;
}

static void check_message(const struct monitor_msg *m)
{
	check(m->type >= MONITOR_KEY && m->type <= MONITOR_NOTE);
	check(m->channel < MONITOR_CHANNELS && m->nenv >= 0 && m->nenv <= MONITOR_ENV_MAX);
	for (int i = 0; i < m->nenv; i++)
		check(monitor_env_allowed(m->env[i]));
	if (m->type == MONITOR_OPEN)
		check(m->rows >= 2 && m->rows <= 500 && m->cols >= 4 && m->cols <= 1000);
	check(m->password_len <= MONITOR_PASSWORD_MAX);
}

/* One packet from the connection; the model's open question is returned in *asked. */
static void packet(struct phase *p, const uint8_t *bytes, size_t n, bool *asked, bool *proof)
{
	struct phase before = *p;

	if (n == 0 || send(pair[0], bytes, n, 0) != (ssize_t)n)
		return;
	if (ipc_recv(pair[1], &in) != 1)
		return;
	if (monitor_decode(&msg, &in) < 0) {
		phase_end(p);
		return;
	}
	check_message(&msg);
	if (phase_take(p, &msg) < 0) {
		check(p->at == PHASE_ENDING && memcmp(before.slots, p->slots, sizeof(p->slots)) == 0);
		return;
	}
	check(before.at != PHASE_ENDING);
	if (msg.type == MONITOR_KEY || msg.type == MONITOR_PASSWORD) {
		check(!*asked && !before.verified);
		*asked = true;
		*proof = msg.type == MONITOR_PASSWORD || msg.is_signed;
	} else if (msg.type != MONITOR_PONG && msg.type != MONITOR_NOTE) {
		check(before.verified);
	}
}

static void verdict(struct phase *p, bool yes, bool *asked, bool *proof, bool *may, int *noes)
{
	bool counted = *asked && p->at == PHASE_ASKING;

	phase_verdict(p, yes);
	if (counted) {
		*may = *may || (yes && *proof);
		*noes += !yes;
		*asked = false;
	}
	check(*noes <= p->most_tries + PHASE_OFFERS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t made[4096];
	bool asked = false, proof = false, may = false, ended = false;
	const uint8_t *end = data + size;
	struct phase p;
	int noes = 0;

	if (pair[0] < 0 && ipc_pair(pair, NULL) < 0)
		abort();
	phase_init(&p, 6);
	while (data < end) {
		uint8_t what = *data++;

		if (what == 'M' && end - data >= 2) {
			size_t n = (size_t)(data[0] | data[1] << 8);

			data += 2;
			if (n > (size_t)(end - data))
				n = (size_t)(end - data);
			packet(&p, data, n, &asked, &proof);
			data += n;
		} else if (what == 'm' && end - data >= 3) {
			packet(&p, made, make(made, data[0], data[1], data[2]), &asked, &proof);
			data += 3;
		} else if (what == 'Y' || what == 'N') {
			verdict(&p, what == 'Y', &asked, &proof, &may, &noes);
		} else if (what == 'A' && end - data >= 2) {
			phase_answer(&p, data[0], SLOT_DOOR + data[1] % 2);
			data += 2;
		} else if (what == 'E' && end - data >= 1) {
			phase_child_ended(&p, *data++);
		}
		check(!p.verified || may);
		check((p.at != PHASE_AUTHED && p.at != PHASE_OPEN) || p.verified);
		for (int i = 0; i < MONITOR_CHANNELS; i++)
			check(p.verified || p.slots[i] == SLOT_FREE);
		check(!ended || p.at == PHASE_ENDING);
		ended = p.at == PHASE_ENDING;
	}
	return 0;
}
