/* Limits on resting: see limits.h. */
#include "tui/limits.h"

#include <stdio.h>
#include "base/clock.h"
#include "base/config.h"
#include "tui/text.h"

#define LIMITS_LOOK_MS 1000

static int64_t warn_from(int64_t limit)
{
	return limit / 2 < LIMITS_WARN_MS ? limit / 2 : LIMITS_WARN_MS;
}

static void warn(struct limits *l, const struct door *d, bool idle, int64_t left)
{
	int number = doors_info_of(d)->number, seconds = (int)((left + 999) / 1000);
	char text[200];

	if (idle)
		snprintf(text, sizeof(text),
		    text_of("window %d closes in %d s unless a key is pressed in it"), number, seconds);
	else
		snprintf(text, sizeof(text),
		    text_of("window %d closes in %d s: it was open for long enough"), number, seconds);
	l->warn(l->arg, text);
}

/* One limit of one window; true when it was closed. */
static bool hold(struct limits *l, struct door *d, bool idle, int64_t limit, int64_t spent)
{
	if (limit == 0)
		return false;
	if (spent >= limit) {
		doors_end(d, 0, idle ?
		    "codinglab: no key for too long, so this window was closed. The session lives on" :
		    "codinglab: this window was open for as long as one may be. The session lives on");
		return true;
	}
	if (limit - spent <= warn_from(limit))
		warn(l, d, idle, limit - spent);
	return false;
}

static void look_cb(uv_timer_t *t)
{
	struct limits *l = t->data;
	int64_t now = clock_ms();

	for (struct door *d = doors_next(l->doors, NULL), *next; d; d = next) {
		const struct doors_info *info = doors_info_of(d);

		next = doors_next(l->doors, d);
		if (!hold(l, d, false, l->max_ms, now - info->since))
			hold(l, d, true, l->idle_ms, now - info->used);
	}
	if (doors_count(l->doors) > 0)
		l->empty_since = 0;
	else if (l->empty_since == 0)
		l->empty_since = now;
	if (l->session_ms && l->empty_since && now - l->empty_since >= l->session_ms) {
		uv_timer_stop(&l->timer);
		l->over(l->arg);
	}
}

void limits_start(struct limits *l, uv_loop_t *loop)
{
	l->idle_ms = config_int("tui.window_idle_s") * 1000;
	l->max_ms = config_int("tui.window_max_s") * 1000;
	l->session_ms = config_int("tui.session_idle_s") * 1000;
	uv_timer_init(loop, &l->timer);
	l->timer.data = l;
	if (l->idle_ms || l->max_ms || l->session_ms)
		uv_timer_start(&l->timer, look_cb, LIMITS_LOOK_MS, LIMITS_LOOK_MS);
}
