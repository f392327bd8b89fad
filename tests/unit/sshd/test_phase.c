/* What a connection may ask when: each message in each phase, against a table written here anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "sshd/phase.h"

static struct monitor_msg msg;

static int take(struct phase *p, uint32_t type, uint32_t channel, bool is_signed)
{
	memset(&msg, 0, sizeof(msg));
	msg.type = type;
	msg.channel = channel;
	msg.is_signed = is_signed;
	return phase_take(p, &msg);
}

static void log_in(struct phase *p)
{
	phase_init(p, 6);
	assert_int_equal(take(p, MONITOR_PASSWORD, 0, false), 0);
	assert_int_equal(phase_verdict(p, true), 0);
	assert_int_equal(p->at, PHASE_AUTHED);
}

/* A phase with channel 0 in the given state. */
static void arrange(struct phase *p, enum phase_at at, enum phase_slot slot)
{
	memset(p, 0, sizeof(*p));
	p->most_tries = 6;
	p->at = at;
	p->verified = at >= PHASE_AUTHED;
	p->slots[0] = slot;
}

/* Letters: P preauth, K asking, A authed, O open; then slot states by number. */
static void test_the_whole_table(void **state)
{
	static const struct {
		uint32_t type;
		const char *phases;
		const char *slots; /* NULL: the channel does not matter */
	} expect[] = {
	    {MONITOR_KEY, "P", NULL},       {MONITOR_PASSWORD, "P", NULL}, {MONITOR_OPEN, "AO", "02"},
	    {MONITOR_SWITCH, "O", "2"},     {MONITOR_SIGNAL, "O", "34"},   {MONITOR_FORGET, "AO", "2345"},
	    {MONITOR_PONG, "PKAO", NULL},   {MONITOR_NOTE, "PKAO", NULL},  {MONITOR_SETUP, "", NULL},
	    {MONITOR_VERDICT, "", NULL},    {MONITOR_DOOR, "", NULL},      {MONITOR_PIPES, "", NULL},
	    {MONITOR_PTY, "", NULL},        {MONITOR_REFUSED, "", NULL},   {MONITOR_EXIT, "", NULL},
	    {MONITOR_PING, "", NULL},       {MONITOR_CLOSE, "", NULL},     {0, "", NULL},
	    {UINT32_MAX, "", NULL},
	};
	struct phase p;

	for (size_t i = 0; i < CL_COUNT(expect); i++) {
		for (int at = PHASE_PREAUTH; at <= PHASE_ENDING; at++) {
			for (int slot = SLOT_FREE; slot <= SLOT_REFUSED; slot++) {
				bool want = at != PHASE_ENDING &&
				    strchr(expect[i].phases, "PKAO"[at]) &&
				    (!expect[i].slots || strchr(expect[i].slots, '0' + slot));

				arrange(&p, (enum phase_at)at, (enum phase_slot)slot);
				if ((take(&p, expect[i].type, 0, false) == 0) != want)
					fail_msg("message %#x in phase %s, slot %d", expect[i].type,
					    phase_name((enum phase_at)at), slot);
				if (!want)
					assert_int_equal(p.at, PHASE_ENDING);
			}
		}
	}
}

static void test_an_offer_is_no_proof(void **state)
{
	struct phase p;

	phase_init(&p, 6);
	assert_int_equal(take(&p, MONITOR_KEY, 0, false), 0);
	assert_int_equal(phase_verdict(&p, true), 0);
	assert_int_equal(p.at, PHASE_PREAUTH);
	assert_false(p.verified);
	assert_int_equal(take(&p, MONITOR_KEY, 0, true), 0);
	assert_int_equal(phase_verdict(&p, true), 0);
	assert_true(p.verified);
}

static void test_one_question_at_a_time(void **state)
{
	struct phase p;

	phase_init(&p, 6);
	assert_int_equal(phase_verdict(&p, true), -1); /* nobody asked */
	assert_false(p.verified);
	assert_int_equal(take(&p, MONITOR_KEY, 0, true), 0);
	assert_int_equal(take(&p, MONITOR_PASSWORD, 0, false), -1);
	assert_int_equal(phase_verdict(&p, true), -1);
	assert_false(p.verified);
}

static void test_tries_run_out(void **state)
{
	struct phase p;

	phase_init(&p, 3);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(take(&p, MONITOR_PASSWORD, 0, false), 0);
		assert_int_equal(phase_verdict(&p, false), 0);
	}
	assert_int_equal(take(&p, MONITOR_KEY, 0, true), 0);
	assert_int_equal(phase_verdict(&p, false), -1);
	assert_int_equal(p.at, PHASE_ENDING);
	phase_init(&p, 3);
	for (int i = 1; i < PHASE_OFFERS; i++) {
		assert_int_equal(take(&p, MONITOR_KEY, 0, false), 0);
		assert_int_equal(phase_verdict(&p, false), 0);
	}
	assert_int_equal(p.tries, 0);
	assert_int_equal(take(&p, MONITOR_KEY, 0, false), 0);
	assert_int_equal(phase_verdict(&p, false), -1);
}

static void test_life_of_a_channel(void **state)
{
	struct phase p;

	log_in(&p);
	assert_int_equal(take(&p, MONITOR_OPEN, 4, false), 0);
	phase_answer(&p, 4, SLOT_CHILD);
	assert_int_equal(p.at, PHASE_OPEN);
	assert_int_equal(take(&p, MONITOR_SIGNAL, 4, false), 0);
	phase_child_ended(&p, 4);
	assert_int_equal(take(&p, MONITOR_SIGNAL, 4, false), 0); /* crossed with its end */
	assert_int_equal(take(&p, MONITOR_FORGET, 4, false), 0);
	assert_int_equal(p.slots[4], SLOT_FREE);
	assert_int_equal(take(&p, MONITOR_OPEN, 4, false), 0);
	phase_answer(&p, 4, SLOT_DOOR);
	assert_int_equal(take(&p, MONITOR_SWITCH, 4, false), 0);
	phase_answer(&p, 4, SLOT_DOOR);
	assert_int_equal(take(&p, MONITOR_OPEN, 4, false), 0); /* its session died */
	phase_answer(&p, 4, SLOT_REFUSED);
	assert_int_equal(take(&p, MONITOR_FORGET, 4, false), 0);
	assert_int_equal(take(&p, MONITOR_FORGET, 4, false), -1);
}

static void test_answers_out_of_place(void **state)
{
	struct phase p;

	log_in(&p);
	phase_answer(&p, 1, SLOT_DOOR); /* not asked */
	phase_answer(&p, MONITOR_CHANNELS, SLOT_DOOR);
	assert_int_equal(p.at, PHASE_AUTHED);
	assert_int_equal(p.slots[1], SLOT_FREE);
	assert_int_equal(take(&p, MONITOR_OPEN, 1, false), 0);
	phase_end(&p);
	phase_answer(&p, 1, SLOT_CHILD);
	assert_int_equal(p.at, PHASE_ENDING);
	assert_int_equal(p.slots[1], SLOT_ASKED);
	assert_int_equal(take(&p, MONITOR_OPEN, MONITOR_CHANNELS, false), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_whole_table),
	    cmocka_unit_test(test_an_offer_is_no_proof),
	    cmocka_unit_test(test_one_question_at_a_time),
	    cmocka_unit_test(test_tries_run_out),
	    cmocka_unit_test(test_life_of_a_channel),
	    cmocka_unit_test(test_answers_out_of_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
