/* Handing over: what one listener writes, the next one has; what is cut or damaged is not taken. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "sshd/auth.h"
#include "sshd/child.h"
#include "sshd/handover.h"
#include "sshd/peer.h"
#include "sshd/penalty.h"

#define MON 200 /* the monitor of the connection in these tests; 201 and 202 are listening sockets */

static struct gateway g;
static struct listen l;
static struct cl_err err;
static uint8_t *state_bytes;
static size_t state_len;

static void open_places(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = MON; fd < MON + 3; fd++)
		assert_int_equal(dup2(null, fd), fd);
	close(null);
}

static struct peer *make_peer(void)
{
	struct peer *p = mem_alloc(sizeof(*p));

	p->gateway = &g;
	p->pid = 4711;
	p->mon = MON;
	memset(p->addr.ip, 9, sizeof(p->addr.ip));
	memset(p->addr.key, 8, sizeof(p->addr.key));
	snprintf(p->addr.text, sizeof(p->addr.text), "192.0.2.7");
	p->started = 1000;
	phase_init(&p->phase, 6);
	p->phase.at = PHASE_OPEN;
	p->phase.verified = true;
	p->phase.tries = 2;
	p->phase.slots[3] = SLOT_DOOR;
	snprintf(p->asked_name, sizeof(p->asked_name), "alice+shop");
	p->user.id = 7;
	p->user.uid = p->user.gid = 200007;
	snprintf(p->user.name, sizeof(p->user.name), "alice");
	snprintf(p->user.role, sizeof(p->user.role), "teacher");
	snprintf(p->user.fingerprint, sizeof(p->user.fingerprint), "SHA256:abc");
	name_parse_target(&p->target, "alice+shop");
	name_parse_target(&p->current[3], "alice+bob:blog");
	p->ping = 12;
	p->pinged = 2000;
	p->ponged = 2001;
	p->cpu_at_ping = 33;
	p->tell_at = 5000;
	err_set(&p->refusal, CL_FORBIDDEN, "wrong key");
	p->surplus_until = 6000;
	return p;
}

static void write_state(void)
{
	char path[] = "/var/tmp/cl-handover-XXXXXX", line[128];
	const char *const argv[] = {"sh", "-c", line, NULL};
	int fd = mkstemp(path), status;
	pid_t pid;

	assert_true(fd >= 0);
	snprintf(line, sizeof(line), "cat <&$CODINGLAB_HANDOVER_FD >%s; : <&%d || exit 1; : <&%d || exit 1", path, MON, MON + 1);
	pid = fork();
	if (pid == 0) {
		handover_exec(&g, &l, "/bin/bash", (char *const *)(uintptr_t)argv, &err);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	state_len = (size_t)lseek(fd, 0, SEEK_END);
	assert_in_range(state_len, 100, 100000);
	state_bytes = mem_alloc(state_len);
	assert_int_equal(pread(fd, state_bytes, state_len, 0), state_len);
	close(fd);
	unlink(path);
}

static void clear(void)
{
	struct peer *next;

	for (struct peer *p = g.peers; p; p = next) {
		next = p->next;
		mem_free(p);
	}
	g.peers = NULL;
	child_forget();
	l.n = 0;
	penalty_free(g.penalties);
	g.penalties = penalty_new(100);
}

static int setup(void **state)
{
	const char *const given[] = {"test", NULL};
	char *argv[2];
	struct addr bad = {.key = {1, 2, 3}};
	struct child *c;
	int argc = 1;

	memcpy(argv, given, sizeof(argv));
	setenv("CODINGLAB_CONF", "/dev/null", 1);
	setenv("CODINGLAB_STATE", "/var/tmp/none", 1);
	assert_int_equal(config_load(NULL, &argc, argv, &err), 0);
	g.exempt = "";
	g.penalties = penalty_new(100);
	g.auth = auth_new("/nowhere", 0, NULL, NULL);
	open_places();
	g.peers = make_peer();
	l.n = 2;
	l.fds[0] = MON + 1;
	l.fds[1] = MON + 2;
	child_add(CHILD_CONN, 4711, 99)->owner = g.peers;
	c = child_add(CHILD_EXEC, 4712, 200007);
	c->owner = g.peers;
	c->channel = 5;
	c->kill_at = 777;
	child_add(CHILD_TUI, 4713, 200007)->path = mem_strdup("/run/x.sock");
	penalty_add(g.penalties, &bad, PENALTY_CRASH, 100);
	write_state();
	clear();
	return 0;
}

static int teardown(void **state)
{
	clear();
	penalty_free(g.penalties);
	auth_free(g.auth);
	mem_free(state_bytes);
	for (int fd = MON; fd < MON + 3; fd++)
		close(fd);
	return 0;
}

static int take(const void *bytes, size_t len)
{
	int fd = memfd_create("state", MFD_CLOEXEC);

	open_places();
	memset(&err, 0, sizeof(err));
	assert_int_equal(write(fd, bytes, len), len);
	lseek(fd, 0, SEEK_SET);
	return handover_take(&g, &l, fd, &err);
}

static void test_all_of_it_comes_over(void **state)
{
	struct addr bad = {.key = {1, 2, 3}}, other = {.key = {1, 2, 4}};
	struct peer *p;
	struct child *c;

	assert_int_equal(take(state_bytes, state_len), 0);
	p = g.peers;
	assert_non_null(p);
	assert_null(p->next);
	assert_ptr_equal(p->gateway, &g);
	assert_int_equal(p->pid, 4711);
	assert_int_equal(p->mon, MON);
	assert_int_equal(fcntl(MON, F_GETFD), FD_CLOEXEC);
	assert_string_equal(p->addr.text, "192.0.2.7");
	assert_int_equal(p->addr.key[15], 8);
	assert_int_equal(p->phase.at, PHASE_OPEN);
	assert_true(p->phase.verified);
	assert_int_equal(p->phase.tries, 2);
	assert_int_equal(p->phase.slots[3], SLOT_DOOR);
	assert_int_equal(p->user.uid, 200007);
	assert_string_equal(p->user.fingerprint, "SHA256:abc");
	assert_string_equal(p->target.project, "shop");
	assert_string_equal(p->current[3].owner, "bob");
	assert_int_equal(p->cpu_at_ping, 33);
	assert_int_equal(p->tell_at, 5000);
	assert_int_equal(p->refusal.code, CL_FORBIDDEN);
	assert_string_equal(p->refusal.message, "wrong key");
	assert_int_equal(p->surplus_until, 6000);
	assert_int_equal(p->tcp, -1);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.fds[1], MON + 2);
	assert_ptr_equal(child_find(CHILD_CONN, 4711, NULL)->owner, p);
	c = child_find(CHILD_EXEC, 4712, p);
	assert_int_equal(c->channel, 5);
	assert_int_equal(c->kill_at, 777);
	assert_string_equal(child_find(CHILD_TUI, 4713, NULL)->path, "/run/x.sock");
	assert_int_equal(penalty_left(g.penalties, &bad, 100), penalty_cost(PENALTY_CRASH));
	assert_int_equal(penalty_left(g.penalties, &other, 100), 0);
	clear();
}

static void nothing_taken(void)
{
	assert_null(g.peers);
	assert_null(child_first());
	assert_int_equal(l.n, 0);
	assert_int_not_equal(err.code, CL_OK);
}

static void test_cut_anywhere(void **state)
{
	for (size_t len = 0; len < state_len; len++) {
		assert_int_equal(take(state_bytes, len), -1);
		nothing_taken();
	}
}

/* Each byte turned over: taken as another state or refused whole, never half. */
static void test_damaged_anywhere(void **state)
{
	uint8_t *copy = mem_dup(state_bytes, state_len);

	for (size_t i = 0; i < state_len; i++) {
		copy[i] ^= 0xff;
		if (take(copy, state_len) < 0)
			nothing_taken();
		clear();
		copy[i] ^= 0xff;
	}
	mem_free(copy);
}

static void test_another_version(void **state)
{
	uint8_t *copy = mem_dup(state_bytes, state_len);

	copy[8]++; /* behind the length and the type */
	assert_int_equal(take(copy, state_len), -1);
	nothing_taken();
	mem_free(copy);
}

static void test_what_is_given(void **state)
{
	unsetenv("CODINGLAB_HANDOVER_FD");
	assert_int_equal(handover_given(), -1);
	open_places();
	setenv("CODINGLAB_HANDOVER_FD", "200", 1);
	assert_int_equal(handover_given(), 200);
	assert_null(getenv("CODINGLAB_HANDOVER_FD")); /* children shall not see it */
	for (const char *const *bad = (const char *const[]){"", "x", "0", "2", "-5", "999999999", "9999", NULL}; *bad; bad++) {
		setenv("CODINGLAB_HANDOVER_FD", *bad, 1);
		assert_int_equal(handover_given(), -1);
	}
}

static void test_only_at_rest(void **state)
{
	assert_true(handover_possible(&g));
	auth_note(g.auth, 1, "alice", "192.0.2.7", "login", "a row that waits for the engine");
	assert_false(handover_possible(&g));
	auth_free(g.auth);
	g.auth = auth_new("/nowhere", 0, NULL, NULL);
	g.ending = true;
	assert_false(handover_possible(&g));
	g.ending = false;
}

static void test_a_failed_exec_changes_nothing(void **state)
{
	const char *const argv[] = {"nothing", NULL};

	assert_int_equal(take(state_bytes, state_len), 0);
	assert_int_equal(handover_exec(&g, &l, "/nowhere/at-all", (char *const *)(uintptr_t)argv, &err), -1);
	assert_non_null(strstr(err.message, "/nowhere/at-all"));
	assert_int_equal(fcntl(MON, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(MON + 1, F_GETFD), FD_CLOEXEC);
	assert_null(getenv("CODINGLAB_HANDOVER_FD"));
	clear();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_of_it_comes_over), cmocka_unit_test(test_cut_anywhere),
	    cmocka_unit_test(test_damaged_anywhere), cmocka_unit_test(test_another_version),
	    cmocka_unit_test(test_what_is_given), cmocka_unit_test(test_only_at_rest),
	    cmocka_unit_test(test_a_failed_exec_changes_nothing),
	};

	log_open("test", LOG_ERROR_L + 1);
	return cmocka_run_group_tests(tests, setup, teardown);
}
