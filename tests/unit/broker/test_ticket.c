/* Tickets: for one peer, once, for a time; and the template that a workspace is filled from. */
#include "tests/unit/broker/head.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/clock.h"
#include "engine/broker/files_template.h"
#include "engine/broker/ticket.h"

static char dir[] = "/tmp/cl-ticket-XXXXXX";
static struct place place;

static int entries(void)
{
	cl_autofree char *command = mem_printf("ls -A %s/broker/tickets | wc -l", dir);
	FILE *f = popen(command, "r");
	int n = -1;

	assert_int_equal(fscanf(f, "%d", &n), 1);
	pclose(f);
	return n;
}

static void put_request(struct ipc_out *m, const char *name, uint32_t uid, const char *workdir)
{
	ipc_begin(m, BROKER_EXEC);
	ipc_put_str(m, name);
	ipc_put_u32(m, 2);
	ipc_put_str(m, "echo");
	ipc_put_str(m, "it's \"x\" \xea\xb0\x80\n");
	ipc_put_u32(m, 1);
	ipc_put_str(m, "TERM");
	ipc_put_str(m, "xterm");
	ipc_put_str(m, workdir);
	ipc_put_u32(m, uid);
	ipc_put_u32(m, 300001);
	ipc_put_u32(m, 1);
	ipc_put_i32(m, 24);
	ipc_put_i32(m, 80);
	ipc_put_u32(m, 200001);
}

static int read_request(struct ticket *t, const char *name, uint32_t uid, const char *workdir)
{
	struct ipc_out *out = mem_alloc(sizeof(*out));
	struct ipc_in *in = mem_alloc(sizeof(*in));
	struct cl_err err = {0};
	int rc;

	put_request(out, name, uid, workdir);
	head_turn(out, in);
	rc = ticket_read(t, in, &err);
	if (rc == 0)
		rc = ipc_end(in);
	else
		assert_int_equal(err.code, CL_USAGE);
	mem_free(out);
	mem_free(in);
	return rc;
}

static void make(char id[TICKET_SIZE])
{
	struct ticket t;

	assert_int_equal(read_request(&t, "p1-dev", 200001, "/workspace"), 0);
	assert_int_equal(ticket_put(&place, &t, id, NULL), 0);
	ticket_clear(&t);
}

static void test_it_carries_everything(void **state)
{
	char id[TICKET_SIZE];
	struct ticket t;

	make(id);
	assert_int_equal(strlen(id), 64);
	assert_int_equal(ticket_take(&place, id, 200001, &t, NULL), 0);
	assert_string_equal(t.name, "p1-dev");
	assert_int_equal(t.argv.n, 2);
	assert_string_equal(t.argv.words[1], "it's \"x\" \xea\xb0\x80\n");
	assert_null(t.argv.words[2]);
	assert_string_equal(t.vars.items[0].value, "xterm");
	assert_string_equal(t.workdir, "/workspace");
	assert_int_equal(t.uid, 200001);
	assert_int_equal(t.gid, 300001);
	assert_true(t.tty && t.rows == 24 && t.cols == 80);
	ticket_clear(&t);
	assert_int_equal(entries(), 0);
}

static void test_once_and_for_one(void **state)
{
	char id[TICKET_SIZE], other[TICKET_SIZE];
	struct cl_err err = {0};
	struct ticket t;

	make(id);
	make(other);
	assert_string_not_equal(id, other);
	assert_int_equal(ticket_take(&place, id, 200002, &t, &err), -1);
	assert_int_equal(err.code, CL_FORBIDDEN);
	/* The wrong peer has used it up. */
	assert_int_equal(ticket_take(&place, id, 200001, &t, NULL), -1);
	assert_int_equal(ticket_take(&place, other, 200001, &t, NULL), 0);
	ticket_clear(&t);
	assert_int_equal(ticket_take(&place, other, 200001, &t, NULL), -1);
	assert_int_equal(ticket_take(&place, "../tickets", 200001, &t, NULL), -1);
	assert_int_equal(ticket_take(&place, "", 200001, &t, NULL), -1);
	assert_int_equal(entries(), 0);
}

/* Many processes want the same one: one gets it. */
static void test_a_race_has_one_winner(void **state)
{
	char id[TICKET_SIZE];
	int winners = 0, status;

	make(id);
	for (int i = 0; i < 16; i++) {
		if (fork() == 0) {
			struct ticket t;
			int rc = ticket_take(&place, id, 200001, &t, NULL);

			ticket_clear(&t);
			_exit(rc == 0 ? 0 : 1);
		}
	}
	for (int i = 0; i < 16; i++) {
		assert_true(wait(&status) > 0);
		winners += WIFEXITED(status) && WEXITSTATUS(status) == 0;
	}
	assert_int_equal(winners, 1);
}

static void test_it_grows_old(void **state)
{
	char id[TICKET_SIZE], path[256];
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct ticket t;
	char text[4096], *at;
	FILE *f;
	size_t n;

	make(id);
	snprintf(path, sizeof(path), "%s/broker/tickets/%s", dir, id);
	f = fopen(path, "r+");
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	at = strstr(text, "\"expires\":");
	assert_non_null(at);
	fseek(f, at - text + 10, SEEK_SET);
	fputc('0', f); /* as if written long ago: the first digit of milliseconds since boot */
	for (at += 11; *at >= '0' && *at <= '9'; at++)
		fputc(' ', f);
	fclose(f);
	assert_int_equal(ticket_take(&place, id, 200001, &t, NULL), -1);
	make(id);
	snprintf(path, sizeof(path), "%s/broker/tickets/%s", dir, id);
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	ticket_sweep(&place);
	assert_int_equal(entries(), 0);
	make(id);
	ticket_sweep(&place);
	assert_int_equal(entries(), 1);
	assert_int_equal(ticket_take(&place, id, 200001, &t, NULL), 0);
	ticket_clear(&t);
}

static void test_what_may_not_be_executed(void **state)
{
	struct ticket t;

	assert_int_equal(read_request(&t, "../x", 200001, ""), -1);
	ticket_clear(&t);
	assert_int_equal(read_request(&t, "p1-dev", 0, ""), -1);
	ticket_clear(&t);
	assert_int_equal(read_request(&t, "p1-dev", 200001, "../etc"), -1);
	ticket_clear(&t);
	assert_int_equal(read_request(&t, "p1-dev", 200001, ""), 0);
	ticket_clear(&t);
}

static void expands(const char *text, const char *want)
{
	struct spec_vars v = {.n = 2};
	struct buf out;

	v.items[0] = (struct spec_var){(char *)"project", (char *)"shop"};
	v.items[1] = (struct spec_var){(char *)"owner", (char *)"{{project}}"};
	buf_init(&out, 1 << 16);
	assert_int_equal(files_template_expand(&out, text, strlen(text), &v), 0);
	assert_string_equal(out.data ? out.data : "", want);
	buf_clear(&out);
}

static void test_substitution(void **state)
{
	expands("", "");
	expands("plain", "plain");
	expands("{{project}}", "shop");
	expands("a {{project}}/{{project}} b", "a shop/shop b");
	expands("{{owner}}", "{{project}}"); /* what is put in is not looked at again */
	expands("{% if x %}{{ item }} {{unknown}} {{project", "{% if x %}{{ item }} {{unknown}} {{project");
	expands("{{{project}}}", "{shop}");
	expands("{{}} {{{{project}}", "{{}} {{shop");
}

static int remove_dir(void **state)
{
	cl_autofree char *command = mem_printf("rm -rf %s", dir);
	FILE *f = popen(command, "r");

	return f ? pclose(f) : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_it_carries_everything),
	    cmocka_unit_test(test_once_and_for_one),
	    cmocka_unit_test(test_a_race_has_one_winner),
	    cmocka_unit_test(test_it_grows_old),
	    cmocka_unit_test(test_what_may_not_be_executed),
	    cmocka_unit_test(test_substitution),
	};
	char path[128];

	if (!mkdtemp(dir))
		return 1;
	head_place(&place);
	mem_copy_str(place.run, sizeof(place.run), dir);
	snprintf(path, sizeof(path), "%s/broker", dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/broker/tickets", dir);
	mkdir(path, 0700);
	return cmocka_run_group_tests(tests, NULL, remove_dir);
}
