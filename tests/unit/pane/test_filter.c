/* The filter in front of libvterm: what comes out for any cut of the input (SECURITY D1 D3 D7 D8 D9). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "tui/pane/filter.h"

struct catch {
	struct buf out;    /* canonical bytes of all items */
	int kinds[FILTER_CLIPBOARD + 1];
	int last_num;
	bool last_on;
	size_t longest;
	char data[256];
};

static void catch_cb(void *arg, const struct filter_item *i)
{
	struct catch *c = arg;

	assert_true(utf8_valid(i->bytes, i->n));
	assert_int_equal(0, buf_add(&c->out, i->bytes, i->n));
	c->kinds[i->kind]++;
	c->last_num = i->num;
	c->last_on = i->on;
	if (i->kind == FILTER_TEXT && i->n > c->longest)
		c->longest = i->n;
	if (i->data)
		snprintf(c->data, sizeof(c->data), "%.*s", (int)i->data_n, i->data);
}

static void begin(struct filter *f, struct catch *c)
{
	memset(c, 0, sizeof(*c));
	buf_init(&c->out, 64 << 20);
	filter_init(f, 24, 80, catch_cb, c);
}

static void end(struct filter *f, struct catch *c)
{
	filter_clear(f);
	buf_clear(&c->out);
}

static void run(struct catch *c, const char *p, size_t n, size_t chunk)
{
	static struct filter f;

	begin(&f, c);
	for (size_t i = 0; i < n; i += chunk)
		filter_feed(&f, p + i, n - i < chunk ? n - i : chunk);
	filter_clear(&f);
}

static void gives_n(const char *in, size_t n, const char *want)
{
	struct catch c;

	run(&c, in, n, n);
	assert_string_equal(c.out.data ? c.out.data : "", want);
	buf_clear(&c.out);
}

static void gives(const char *in, const char *want)
{
	gives_n(in, strlen(in), want);
}

#define BAD "\xEF\xBF\xBD"

static void test_utf8_forms(void **state)
{
	gives("plain", "plain");
	gives("\xC3\xA9", "\xC3\xA9");
	gives("\xED\x95\x9C", "\xED\x95\x9C");
	gives("\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80");
	gives("\x80", BAD);
	gives("\xC0\xAF", BAD BAD);
	gives("\xE0\x80\xAF", BAD BAD BAD);
	gives("\xED\xA0\x80", BAD BAD BAD);           /* surrogate */
	gives("\xF4\x90\x80\x80", BAD BAD BAD BAD);   /* past U+10FFFF */
	gives("\xF8\x88\x80\x80\x80", BAD BAD BAD BAD BAD);
	gives("\xFC\x84\x80\x80\x80\x80", BAD BAD BAD BAD BAD BAD);
	gives("\xE2\x82" "A", BAD "A");               /* cut: one mark for the maximal part */
	gives("\xF0\x9F\x98" "A", BAD "A");
	gives("\xE2\x82\xE2\x82\xAC", BAD "\xE2\x82\xAC");
	gives("\xE2\x82", "");                        /* held back */
}

/* Every lead byte with 0 to 5 continuation bytes, then ASCII, cut at every place. */
static void test_every_split(void **state)
{
	for (int lead = 0x80; lead < 0x100; lead++) {
		for (int tail = 0; tail <= 5; tail++) {
			char in[16] = {'a', (char)lead};
			size_t n = 2;
			struct catch whole;

			for (int i = 0; i < tail; i++)
				in[n++] = (char)(0x80 + 13 * i);
			in[n++] = 'z';
			run(&whole, in, n, n);
			for (size_t cut = 1; cut < n; cut++) {
				static struct filter f;
				struct catch c;

				begin(&f, &c);
				filter_feed(&f, in, cut);
				filter_feed(&f, in + cut, n - cut);
				assert_string_equal(c.out.data, whole.out.data);
				end(&f, &c);
			}
			buf_clear(&whole.out);
		}
	}
}

static const char mixed[] =
    "a\xED\x95\x9C\033[31;1mred\033[0m e\xCC\x81\xCC\x82 \xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB\r\n"
    "\033]0;title \xED\x95\x9C\007\033[5;70Hx\033[3b\033[38:2::1:2:3m\033[?1;25;2004h\033P$qm\033\\"
    "\033[?1049h\033(0lqk\033(B\016\017\t\b\xC2\x9B" "7m\xE2\x82\033[999999;999999H\033[4:3m"
    "\033_apc\033\\\033[s\033[u\0337\0338\033[6n\033[c\033[>c\033[2;5r\033[?69h\033[3;9s\033[!p\033c"
    "\033[1;\r2mq\033[18;\0302J\xFF\xFE end\033[12;34;56;78;90;1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17m";

static void test_chunk_sizes(void **state)
{
	struct buf in;
	struct catch whole;

	buf_init(&in, 1 << 20);
	for (int i = 0; i < 8; i++) {
		buf_add(&in, mixed, sizeof(mixed) - 1);
		for (int k = 0; k < 40; k++)
			buf_printf(&in, "line %d of text %s ", k, k % 3 ? "\xED\x95\x9C\xEA\xB8\x80" : "plain");
	}
	run(&whole, in.data, in.len, in.len);
	assert_true(whole.longest <= FILTER_TEXT_MAX);
	for (size_t chunk = 1; chunk <= 1030; chunk++) {
		struct catch c;

		run(&c, in.data, in.len, chunk);
		assert_int_equal(c.out.len, whole.out.len);
		assert_memory_equal(c.out.data, whole.out.data, c.out.len);
		buf_clear(&c.out);
	}
	buf_clear(&whole.out);
	buf_clear(&in);
}

static void test_idempotent(void **state)
{
	struct catch once, twice;

	run(&once, mixed, sizeof(mixed) - 1, 7);
	run(&twice, once.out.data, once.out.len, 3);
	assert_string_equal(once.out.data, twice.out.data);
	once.kinds[FILTER_TEXT] = twice.kinds[FILTER_TEXT]; /* depends on the cuts */
	assert_memory_equal(once.kinds, twice.kinds, sizeof(once.kinds));
	buf_clear(&once.out);
	buf_clear(&twice.out);
}

/* What vanishes separates nothing: the glyphs before and after it are neighbours in the output. */
static void test_what_vanishes_separates_nothing(void **state)
{
	const char *in = "\xF0\x9F\x8F\xBD\033\033\xF0\x9F\x8F\xBD\033[9b";
	struct catch once, twice;

	run(&once, in, strlen(in), 7);
	run(&twice, once.out.data, once.out.len, 3);
	assert_string_equal(once.out.data, twice.out.data);
	assert_int_equal(once.kinds[FILTER_MARK], twice.kinds[FILTER_MARK]);
	buf_clear(&once.out);
	buf_clear(&twice.out);
	gives("e\033[?12345h\xCC\x81", "e\xCC\x81");
	gives("e\033[1m\xCC\x81", "e\033[1m");
}

static void test_repeat(void **state)
{
	gives("\033[2b", "");                       /* the four bytes that hang libvterm */
	gives("A\033[3b", "AAAA");
	gives("A\033[b", "AA");
	gives("e\xCC\x81\033[2b", "e\xCC\x81" "ee");
	gives("\xED\x95\x9C\033[2b", "\xED\x95\x9C\xED\x95\x9C\xED\x95\x9C");
	/* a glyph that joins one like it, and one that a joiner waits for */
	gives("\xF0\x9F\x8F\xBD\033[1b", "\xF0\x9F\x8F\xBD\xF0\x9F\x8F\xBD");
	gives("\xED\x95\x9C\xE2\x80\x8D\033[2b", "\xED\x95\x9C\xE2\x80\x8D");
	gives("A\r\033[2b", "A\r");
	gives("A\033[1m\033[2b", "A\033[1m");
	for (int cols = 4; cols <= 200; cols++) {
		static struct filter f;
		struct catch c;

		begin(&f, &c);
		filter_resize(&f, 24, cols);
		filter_feed(&f, "x\033[99999999999999999999b", 24);
		assert_int_equal(c.out.len, 1 + cols);
		end(&f, &c);
	}
}

static void test_numbers(void **state)
{
	gives("\033[99999999999999999999A", "\033[80A");
	gives("\033[12;34H", "\033[12;34H");
	gives("\033[;7H", "\033[;7H");
	gives("\033[999;999;999;999H", "\033[80;80H");
	gives("\033[3;90r", "\033[3;24r");
	gives("\033[9;3r", "");
	gives("\033[s", "\0337");
	gives("\033[?69h\033[3;900s", "\033[?69h\033[3;80s");
	gives("\033[?1;2;25h", "\033[?1h\033[?25h");
	gives("\033[?3h\033[?9999h\033[?-5h", "");
	gives("\033[4;20h", "\033[4h\033[20h");
	gives("\033[2J\033[3J\033[22J", "\033[2J\033[3J");
	gives("\033[6 q\033[9 q", "\033[6 q");
}

static void test_pen(void **state)
{
	gives("\033[m", "\033[0m");
	gives("\033[1;31;48;5;20m", "\033[1;31;48;5;20m");
	gives("\033[38;2;1;2;300m", "\033[38;2;1;2;255m");
	gives("\033[38:2:1:2:3m", "\033[38;2;1;2;3m");
	gives("\033[38:2::1:2:3m", "\033[38;2;1;2;3m");
	gives("\033[38:5:9;1m", "\033[38;5;9;1m");
	gives("\033[38;5m\033[38m\033[48;2;1m", "");
	gives("\033[58;5;1;4m", "\033[4m");
	gives("\033[4:3m\033[4:0m", "\033[4:3m\033[4:0m");
	gives("\033[>4;2m\033[?4m", "");          /* keyboard options are no colours */
	gives("\033[1;77;3m", "\033[1;3m");
}

static void test_dropped(void **state)
{
	gives("a\033[21tb\033[14tc", "abc");      /* title report */
	gives("a\005b", "ab");                    /* ENQ */
	gives("\033#3\033#6x", "x");              /* double height, double width */
	gives("\033N\033O\033n\033o\033~x", "x"); /* character sets that libvterm mishandles */
	gives("\033(U\033(B\033)0", "\033(B\033)0");
	gives("\033[5i\033[1;2x\033[1\"q", "");
	gives("\033]52;c;?\007", "");             /* reading the clipboard */
	gives("\033]52;c;aGk=\007", "");          /* writing it: not by default */
	gives("\033]4;1;?\007\033]104\007\033]8;;http://x\007link\033]8;;\007", "link");
	gives("\033P+q544e\033\\\033P$qz\033\\", "");
	gives("a\xE2\x80\xAE" "b\xE2\x81\xA6" "c", "abc"); /* bidi */
	gives_n("a\0b\x7F" "c", 5, "abc");
	gives("\033[12\x18x\033[1\x1Ay\033]0;t\x18z", "xyz");
	gives("\033[1\xED\x95\x9C", "\xED\x95\x9C");
}

static void test_c1(void **state)
{
	gives("\xC2\x9B" "31mx", "\033[31mx");
	gives("\xC2\x9D" "0;t\xC2\x9Cx", "\033]2;t\033\\x");
	gives("\xC2\x84\xC2\x85\xC2\x8D", "\033D\033E\033M");
	gives("\xC2\x80\xC2\x8E\xC2\x9Fgone\xC2\x9Cx", "x");
	gives("\x9B" "31m", BAD "31m");           /* a raw byte is bad UTF-8, not a control */
}

static void test_queries(void **state)
{
	struct catch c;

	static const char all[] = "\033[c\033[0c\033Z\033[>0c\033[5n\033[6n\033[?6n\033[18t"
	    "\033]10;?\007\033]11;?\033\\\033P$qm\033\\\033[?2004$p";

	run(&c, all, sizeof(all) - 1, 5);
	assert_int_equal(c.kinds[FILTER_QUERY], 12);
	assert_int_equal(c.last_num, FILTER_Q_MODE + 2004);
	buf_clear(&c.out);
	gives("\033[=c\033[1c\033[?15n\033[?12345$p", "");
}

static void test_title(void **state)
{
	struct catch c;
	char big[FILTER_STR_MAX + 64];

	static const char titles[] = "\033]0;one\007\033]1;icon\007\033]2;t\033[w\x01o\033\\";

	run(&c, titles, sizeof(titles) - 1, 1);
	assert_int_equal(c.kinds[FILTER_TITLE], 1); /* ESC [ ends the second one */
	assert_string_equal(c.data, "one");
	buf_clear(&c.out);
	memset(big, 'x', sizeof(big));
	memcpy(big, "\033]2;", 4);
	big[sizeof(big) - 1] = '\007';
	gives_n(big, sizeof(big), "");
}

static void test_clipboard_policy(void **state)
{
	static struct filter f;
	struct catch c;
	static char big[FILTER_CLIP_MAX + 100];
	const char *some = "\033]52;c;aGk=\007\033]52;c;?\007\033]52;c;!!\007";

	begin(&f, &c);
	f.clipboard = true;
	filter_feed(&f, some, strlen(some));
	assert_int_equal(c.kinds[FILTER_CLIPBOARD], 1);
	assert_string_equal(c.data, "aGk=");
	memset(big, 'A', sizeof(big));
	memcpy(big, "\033]52;c;", 7);
	big[7 + 8000] = '\007';
	filter_feed(&f, big, 7 + 8001);
	assert_int_equal(c.kinds[FILTER_CLIPBOARD], 2);
	big[7 + 8000] = 'A';
	filter_feed(&f, big, sizeof(big));
	assert_null(f.clip);                     /* over the limit: forgotten at once */
	filter_feed(&f, "\007ok", 3);
	assert_int_equal(c.kinds[FILTER_CLIPBOARD], 2);
	end(&f, &c);
}

/* D7: 200 MB that never end cost nothing, and what follows is shown. */
static void test_unterminated(void **state)
{
	static const char *const starts[] = {"\033]0;", "\033P", "\033_", "\033]52;c;"};
	static char block[1 << 16];
	static struct filter f;

	memset(block, 'Q', sizeof(block));
	for (size_t i = 0; i < CL_COUNT(starts); i++) {
		struct catch c;

		begin(&f, &c);
		f.clipboard = true;
		filter_feed(&f, starts[i], strlen(starts[i]));
		for (int k = 0; k < 800; k++)
			filter_feed(&f, block, sizeof(block));
		assert_null(f.clip);
		assert_int_equal(c.out.len, 0);
		filter_feed(&f, "\033\\shown", 7);
		assert_string_equal(c.out.data, "shown");
		end(&f, &c);
	}
}

static void test_marks(void **state)
{
	struct catch c;
	struct buf in;
	const char woman[] = "\xF0\x9F\x91\xA9\xE2\x80\x8D";

	gives("\xCC\x81x", "x");                  /* nothing to join */
	gives("x\r\xCC\x81", "x\r");
	gives("x\033[1m\xCC\x81", "x\033[1m");
	buf_init(&in, 1 << 20);
	buf_add(&in, "x", 1);
	for (int i = 0; i < 1000; i++)
		buf_add(&in, "\xCC\x81", 2);
	run(&c, in.data, in.len, 2);
	assert_int_equal(c.kinds[FILTER_MARK], FILTER_MARKS);
	buf_clear(&c.out);
	buf_drop(&in, in.len);
	for (int i = 0; i < 1000; i++)
		buf_add(&in, woman, sizeof(woman) - 1);
	run(&c, in.data, in.len, 2);
	/* bounded clusters, and filtering again finds the same */
	assert_true(c.kinds[FILTER_MARK] > 0);
	{
		struct catch again;

		run(&again, c.out.data, c.out.len, 5);
		assert_string_equal(again.out.data, c.out.data);
		buf_clear(&again.out);
	}
	buf_clear(&c.out);
	buf_clear(&in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8_forms), cmocka_unit_test(test_every_split),
		cmocka_unit_test(test_chunk_sizes), cmocka_unit_test(test_idempotent),
		cmocka_unit_test(test_what_vanishes_separates_nothing),
		cmocka_unit_test(test_repeat), cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_pen), cmocka_unit_test(test_dropped), cmocka_unit_test(test_c1),
		cmocka_unit_test(test_queries), cmocka_unit_test(test_title),
		cmocka_unit_test(test_clipboard_policy), cmocka_unit_test(test_unterminated),
		cmocka_unit_test(test_marks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
