/*
 * Long sequences on the pure models: panes hidden, zoomed, grown and resized in any order, statuses
 * and statistics of any shape, folders with any names.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/path.h"
#include "tui/layout.h"
#include "tui/ops_model.h"
#include "tui/tree_internal.h"

/* ---- layout ---- */

enum { TREE, MAIN, TERM, CHAT, PLACES };

static unsigned seed;

static int dice(int sides)
{
	seed = seed * 1103515245u + 12345u;
	return (int)((seed >> 16) % (unsigned)sides);
}

static struct layout *ide(void)
{
	struct layout *l = layout_new(MAIN);

	assert_int_equal(layout_split(l, MAIN, LAYOUT_LEFT, TREE, 20), 0);
	assert_int_equal(layout_split(l, MAIN, LAYOUT_RIGHT, CHAT, 30), 0);
	assert_int_equal(layout_split(l, MAIN, LAYOUT_DOWN, TERM, 9), 0);
	return l;
}

/* Shown panes tile the area: each cell is in one, or on a line that neighbours share. */
static void check_tiling(struct layout *l, const struct rect *area, const bool *shown)
{
	bool any = false;

	for (int p = 0; p < PLACES; p++) {
		struct rect r = layout_rect(l, p);

		any = any || shown[p];
		if (!shown[p]) {
			assert_int_equal(r.h | r.w | r.y | r.x, 0);
			continue;
		}
		assert_true(r.h >= LAYOUT_MIN_ROWS && r.w >= LAYOUT_MIN_COLS);
		assert_true(r.y >= area->y && r.x >= area->x && r.y + r.h <= area->y + area->h &&
			    r.x + r.w <= area->x + area->w);
	}
	if (!any)
		return;
	for (int y = area->y; y < area->y + area->h; y++)
		for (int x = area->x; x < area->x + area->w; x++) {
			int in = 0, inner = 0;

			for (int p = 0; p < PLACES; p++) {
				struct rect r = layout_rect(l, p);
				struct rect core = { r.y + 1, r.x + 1, r.h - 2, r.w - 2 };

				in += r.h > 0 && rect_has(&r, y, x);
				inner += r.h > 0 && rect_has(&core, y, x);
			}
			assert_true(in >= 1 && in <= 4);
			assert_true(inner <= 1 && (inner == 0 || in == 1));
			assert_in_range(layout_at(l, y, x), 0, PLACES - 1);
			assert_true(shown[layout_at(l, y, x)]);
		}
}

/* Going somewhere and back leads home where both are one another's only neighbour that way. */
static void check_neighbours(struct layout *l, const bool *shown)
{
	for (int p = 0; p < PLACES; p++)
		for (int d = LAYOUT_LEFT; d <= LAYOUT_DOWN; d++) {
			int to = layout_next(l, p, (enum layout_dir)d);

			assert_in_range(to + 1, 0, PLACES);
			assert_int_not_equal(to, p);
			if (to >= 0)
				assert_true(shown[p] && shown[to]);
		}
}

static void any_order_of_moves_leaves_whole_panes(void **state)
{
	struct layout *l = ide();
	bool shown[PLACES] = { true, true, true, true };
	struct rect area = { 1, 0, 22, 80 };

	seed = 42;
	for (int step = 0; step < 1500; step++) {
		int place = dice(PLACES), what = dice(6);

		if (what == 0)
			shown[place] = !shown[place];
		else if (what == 1) /* zoom: this one alone */
			for (int p = 0; p < PLACES; p++)
				shown[p] = p == place;
		else if (what == 2) /* and all again */
			for (int p = 0; p < PLACES; p++)
				shown[p] = true;
		else if (what == 3)
			area = (struct rect){ 1, 0, 8 + dice(60), 40 + dice(200) };
		else if (what == 4)
			layout_set_size(l, place, dice(300) - 50);
		else
			layout_grow(l, place, (enum layout_dir)dice(4), dice(40) - 20);
		layout_arrange(l, &area, shown);
		if (step % 10 == 0)
			check_tiling(l, &area, shown);
		check_neighbours(l, shown);
	}
	layout_free(l);
}

static void a_pane_comes_back_where_it_was(void **state)
{
	static const int sizes[][2] = { { 22, 80 }, { 22, 110 }, { 38, 120 }, { 58, 200 } };

	for (size_t i = 0; i < CL_COUNT(sizes); i++)
		for (int hidden = 0; hidden < PLACES; hidden++) {
			struct layout *l = ide();
			struct rect area = { 1, 0, sizes[i][0], sizes[i][1] }, before[PLACES];
			bool shown[PLACES] = { true, true, true, true };

			layout_arrange(l, &area, shown);
			for (int p = 0; p < PLACES; p++)
				before[p] = layout_rect(l, p);
			shown[hidden] = false;
			layout_arrange(l, &area, shown);
			check_tiling(l, &area, shown);
			shown[hidden] = true;
			layout_arrange(l, &area, shown);
			for (int p = 0; p < PLACES; p++) {
				struct rect now = layout_rect(l, p);

				assert_memory_equal(&now, &before[p], sizeof(now));
			}
			layout_free(l);
		}
}

static void shrinking_and_widening_again_keeps_the_sizes(void **state)
{
	struct layout *l = ide();
	struct rect area = { 1, 0, 38, 120 };
	bool shown[PLACES] = { true, true, true, true };

	layout_arrange(l, &area, shown);
	for (int w = 120; w >= 40; w -= 5) {
		area.w = w;
		area.h = w / 4 + 8;
		layout_arrange(l, &area, shown);
		check_tiling(l, &area, shown);
	}
	area = (struct rect){ 1, 0, 38, 120 };
	layout_arrange(l, &area, shown);
	assert_int_equal(layout_rect(l, TREE).w, 20);
	assert_int_equal(layout_rect(l, CHAT).w, 30);
	assert_int_equal(layout_rect(l, TERM).h, 9);
	layout_free(l);
}

/* ---- operations ---- */

static json_t *parse(const char *text)
{
	json_t *o = json_loads(text, JSON_DECODE_ANY, NULL);

	if (!o)
		fail_msg("not JSON: %s", text);
	return o;
}

static void check_model(const struct ops_model *m)
{
	assert_in_range(m->ntiers, 0, OPS_TIERS_MAX);
	assert_true(m->ntiers == 0 || m->chosen < m->ntiers);
	for (int i = 0; i < m->ntiers; i++) {
		const struct ops_model_tier *t = &m->tiers[i];

		assert_in_range(t->ninstances, 0, OPS_INSTANCES_MAX);
		assert_in_range(t->want, 0, 99);
		assert_in_range(t->ready, 0, 99);
		assert_in_range(t->cpu_history.n, 0, SPARK_MAX);
		assert_true(strlen(t->name) > 0 && strlen(t->name) < sizeof(t->name));
	}
}

static void replies_of_any_shape_leave_a_sound_model(void **state)
{
	static const char *const odd[] = { "null", "1", "\"x\"", "[]", "{}", "{\"tiers\":1}",
		"{\"tiers\":[1,null,\"x\",[],{}]}", "{\"tiers\":[{\"tier\":\"\"}]}",
		"{\"tiers\":[{\"tier\":\"web\",\"want\":1e300,\"ready\":-7,\"cpu\":\"hot\"}]}",
		"{\"tiers\":[{\"tier\":\"web\",\"want\":\"2\",\"instances\":{}}]}",
		"{\"tiers\":[{\"tier\":\"web\",\"instances\":[1,{\"name\":7},{\"restarts\":1e99}]}]}",
		"{\"tiers\":[{\"tier\":\"a-tier-with-a-name-much-too-long-for-it\",\"want\":3}]}",
		"{\"env\":\"a-name-that-is-too-long\",\"url\":7,\"release\":[],\"op\":1}",
		"{\"release\":{\"version\":-1,\"digest\":7,\"at\":\"x\",\"by\":null}}",
		"{\"release\":{\"version\":1e18,\"digest\":\"sha256:\",\"at\":\"\"}}",
		"{\"tiers\":[{\"tier\":\"web\",\"memory\":-5,\"cpu\":-1,\"rps\":1e308}]}" };
	struct ops_model m = { .known = false };

	for (size_t i = 0; i < CL_COUNT(odd); i++)
		for (size_t k = 0; k < CL_COUNT(odd); k++) {
			json_t *a = parse(odd[i]), *b = parse(odd[k]);

			ops_model_status(&m, a);
			check_model(&m);
			ops_model_stats(&m, b, "");
			ops_model_choose(&m, (int)k - 3);
			check_model(&m);
			(void)ops_model_ask(&m, (int)i - 4);
			json_decref(a);
			json_decref(b);
		}
}

static void more_than_there_is_room_for_is_left_out(void **state)
{
	struct ops_model m = { .known = false };
	json_t *status = parse("{\"env\":\"prod\",\"tiers\":[]}"), *tiers = json_object_get(status, "tiers");

	for (int i = 0; i < 40; i++) {
		json_t *instances = json_array(), *tier;
		char name[16];

		for (int k = 0; k < 60; k++)
			json_array_append_new(instances, json_pack("{s:s, s:s}", "name", "i", "state", "ready"));
		(void)snprintf(name, sizeof(name), "t%d", i);
		tier = json_pack("{s:s, s:i, s:o}", "tier", name, "want", i, "instances", instances);
		json_array_append_new(tiers, tier);
	}
	ops_model_status(&m, status);
	check_model(&m);
	assert_int_equal(m.ntiers, OPS_TIERS_MAX);
	assert_int_equal(m.tiers[0].ninstances, OPS_INSTANCES_MAX);
	ops_model_choose(&m, 1000);
	assert_int_equal(m.chosen, OPS_TIERS_MAX - 1);
	ops_model_choose(&m, -1000);
	assert_int_equal(m.chosen, 0);
	json_decref(status);
}

static void histories_grow_by_one_and_stop(void **state)
{
	struct ops_model m = { .known = false };
	json_t *first = parse("{\"env\":\"prod\",\"tiers\":[{\"tier\":\"was\",\"want\":1,\"cpu\":1,"
	    "\"memory\":5}]}"), *none = parse("{\"tiers\":[{\"tier\":\"was\",\"want\":1,\"cpu\":null,"
	    "\"memory\":null}]}"), *other = parse("{\"env\":\"dev\",\"tiers\":[{\"tier\":\"was\",\"cpu\":9}]}");

	ops_model_stats(&m, first, "prod"); /* nothing is known yet: whose would they be? */
	assert_int_equal(m.ntiers, 0);
	for (int i = 1; i <= SPARK_MAX + 5; i++) {
		ops_model_status(&m, first);
		assert_int_equal(m.tiers[0].cpu_history.n, i > SPARK_MAX ? SPARK_MAX : i);
	}
	ops_model_stats(&m, none, "prod");
	assert_true(m.tiers[0].cpu < 0 && m.tiers[0].memory < 0); /* unknown is no zero */
	ops_model_stats(&m, other, "dev");
	assert_true(m.tiers[0].cpu < 0); /* another environment's */
	ops_model_status(&m, other);
	assert_int_equal(m.tiers[0].cpu_history.n, 1); /* its own history begins */
	json_decref(first);
	json_decref(none);
	json_decref(other);
}

static void what_was_asked_stands_until_the_engine_says_so(void **state)
{
	struct ops_model m = { .known = false };
	json_t *two = parse("{\"env\":\"prod\",\"tiers\":[{\"tier\":\"was\",\"want\":2}]}");
	json_t *three = parse("{\"tiers\":[{\"tier\":\"was\",\"want\":3}]}");

	assert_int_equal(ops_model_ask(&m, 1), -1); /* no tier at all */
	assert_null(ops_model_chosen(&m));
	ops_model_status(&m, two);
	assert_int_equal(ops_model_ask(&m, 1), 3);
	ops_model_status(&m, two); /* an answer from before */
	assert_int_equal(m.tiers[0].asked, 3);
	ops_model_stats(&m, three, "prod");
	assert_int_equal(m.tiers[0].asked, -1);
	assert_int_equal(ops_model_ask(&m, 17), 20);
	assert_int_equal(ops_model_ask(&m, 1), -1);
	assert_int_equal(ops_model_ask(&m, -20), 0);
	assert_int_equal(ops_model_ask(&m, -1), -1);
	json_decref(two);
	json_decref(three);
}

/* ---- the tree ---- */

static char dir[64];
static int root;

static int make_dir(void **state)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/cl-moves-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? -1 : 0;
}

static int drop_dir(void **state)
{
	close(root);
	return rmdir(dir);
}

static void names_of_any_bytes_are_read_and_found(void **state)
{
	static const char *const names[] = { " ", "-rf", "...", "a\nb", "a\033[2Jb", "\xff\xfe", "\\",
		"\xed\x95\x9c\xea\xb8\x80", "\"quoted\"", "it's", "$(id)", "*", "a\tb", "%s%n", "~",
		".hidden", "\xe2\x80\xae" "evil", "a:b", "con.txt", ".codinglab-save" };
	struct tree_node *top = tree_node_new(NULL, "", TREE_DIR);
	struct cl_err err = { 0 };
	struct tree_list l;

	for (size_t i = 0; i < CL_COUNT(names); i++) {
		int fd = openat(root, names[i], O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

		assert_true(fd >= 0);
		close(fd);
	}
	assert_int_equal(mkdirat(root, "zz", 0700), 0);
	assert_int_equal(symlinkat("/etc", root, "link"), 0);
	assert_int_equal(mkfifoat(root, "pipe", 0600), 0);
	assert_int_equal(openat(root, ".codinglab-save-1", O_RDONLY), -1);
	assert_int_equal(tree_list_read(&l, root, "", &err), 0);
	assert_int_equal(l.n, CL_COUNT(names) + 3);
	assert_string_equal(l.entries[0].name, "zz"); /* folders first */
	for (size_t i = 1; i < l.n; i++)
		assert_true(tree_list_compare(&l.entries[i - 1], &l.entries[i]) < 0);
	tree_node_merge(top, &l, NULL, NULL);
	for (size_t i = 0; i < CL_COUNT(names); i++) {
		struct tree_node *n = tree_node_kid(top, names[i]);
		char path[64];

		assert_non_null(n);
		assert_int_equal(n->kind, TREE_FILE);
		assert_true(tree_node_path(n, path, sizeof(path)));
		assert_string_equal(path, names[i]);
		assert_int_equal(unlinkat(root, names[i], 0), 0);
	}
	assert_int_equal(tree_node_kid(top, "link")->kind, TREE_LINK); /* a leaf, not a way out */
	assert_int_equal(tree_node_kid(top, "pipe")->kind, TREE_OTHER);
	assert_int_equal(unlinkat(root, "link", 0) | unlinkat(root, "pipe", 0), 0);
	assert_int_equal(unlinkat(root, "zz", AT_REMOVEDIR), 0);
	tree_list_clear(&l);
	tree_node_free(top);
}

static void a_save_under_way_is_not_shown(void **state)
{
	struct tree_list l;
	int fd = openat(root, ".codinglab-save-abc", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	close(fd);
	assert_int_equal(tree_list_read(&l, root, "", NULL), 0);
	assert_int_equal(l.n, 0);
	tree_list_clear(&l);
	assert_int_equal(unlinkat(root, ".codinglab-save-abc", 0), 0);
}

static void folders_that_cannot_be_read_say_why(void **state)
{
	static const char *const bad[] = { "gone", "link", "link/x", "..", "a/../..", "file" };
	struct tree_list l;
	int fd = openat(root, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	close(fd);
	assert_int_equal(symlinkat("/etc", root, "link"), 0);
	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		struct cl_err err = { 0 };

		if (tree_list_read(&l, root, bad[i], &err) == 0)
			fail_msg("%s was read: %zu entries", bad[i], l.n);
		assert_int_not_equal(err.code, CL_OK);
		assert_int_equal(l.n, 0);
		tree_list_clear(&l);
	}
	assert_int_equal(unlinkat(root, "file", 0) | unlinkat(root, "link", 0), 0);
}

static void merging_in_any_order_gives_what_is_on_disk(void **state)
{
	struct tree_node *top = tree_node_new(NULL, "", TREE_DIR);

	seed = 7;
	for (int round = 0; round < 300; round++) {
		struct tree_list l;
		size_t wanted;
		int name = dice(12);
		char text[16];

		(void)snprintf(text, sizeof(text), "n%d", name);
		if (unlinkat(root, text, 0) != 0 && unlinkat(root, text, AT_REMOVEDIR) != 0) {
			if (dice(2))
				assert_int_equal(mkdirat(root, text, 0700), 0);
			else
				close(openat(root, text, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
		}
		assert_int_equal(tree_list_read(&l, root, "", NULL), 0);
		wanted = l.n;
		tree_node_merge(top, &l, NULL, NULL);
		tree_list_clear(&l);
		assert_int_equal(top->nkids, wanted);
		for (size_t i = 0; i < top->nkids; i++) {
			struct stat st;

			assert_int_equal(fstatat(root, top->kids[i]->name, &st, AT_SYMLINK_NOFOLLOW), 0);
			assert_int_equal(top->kids[i]->kind == TREE_DIR, S_ISDIR(st.st_mode) != 0);
			assert_ptr_equal(top->kids[i]->parent, top);
			assert_int_equal(top->kids[i]->depth, 0);
		}
	}
	for (size_t i = 0; i < top->nkids; i++)
		assert_int_equal(unlinkat(root, top->kids[i]->name,
		    top->kids[i]->kind == TREE_DIR ? AT_REMOVEDIR : 0), 0);
	tree_node_free(top);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_dir, drop_dir)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order_of_moves_leaves_whole_panes),
		cmocka_unit_test(a_pane_comes_back_where_it_was),
		cmocka_unit_test(shrinking_and_widening_again_keeps_the_sizes),
		cmocka_unit_test(replies_of_any_shape_leave_a_sound_model),
		cmocka_unit_test(more_than_there_is_room_for_is_left_out),
		cmocka_unit_test(histories_grow_by_one_and_stop),
		cmocka_unit_test(what_was_asked_stands_until_the_engine_says_so),
		T(names_of_any_bytes_are_read_and_found),
		T(a_save_under_way_is_not_shown),
		T(folders_that_cannot_be_read_say_why),
		T(merging_in_any_order_gives_what_is_on_disk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
