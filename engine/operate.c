/*
 * Which of the parts tells which: reconcile.c knows none of the others, it calls hooks.
 *
 *   reconcile ──settled, failed, step, line──► op ──work──► deploy, image
 *       ▲                                      │
 *       └────────────── kick ──────────────────┘           status looks at all of them
 */
#include "engine/operate.h"

#include "base/clock.h"
#include "base/log.h"
#include "engine/disk.h"
#include "engine/image.h"
#include "engine/op.h"
#include "engine/reconcile.h"
#include "engine/status.h"
#include "engine/target.h"

#define OPERATE_CLOSE_MS 15000

static void operate_swept(struct engine *e);

static const struct reconcile_hooks operate_hooks = {
	.settled = op_settled,
	.waits = op_waits,
	.says = op_says,
	.failed = op_failed,
	.step = op_step,
	.line = op_line,
	.tick = op_tick,
	.up = image_refresh,
	.swept = operate_swept,
};

int operate_open(struct engine *e, struct cl_err *err)
{
	if (reconcile_open(e, &operate_hooks, err) != 0)
		return -1;
	image_open(e);
	op_open(e);
	status_open(e);
	disk_open(e);
	target_open(e);
	return reconcile_start(e, err);
}

void operate_close(struct engine *e)
{
	int64_t until = clock_ms() + OPERATE_CLOSE_MS;

	if (e->reconcile == NULL)
		return;
	e->stopping = true;
	op_stop(e);
	status_stop(e);
	disk_stop(e);
	reconcile_stop(e);
	while ((reconcile_working(e) || op_working(e) || status_working(e) || disk_working(e) ||
	    image_asking(e)) &&
	    clock_ms() < until)
		(void)uv_run(e->loop, UV_RUN_ONCE);
	op_close(e);
	image_close(e);
	status_close(e);
	disk_close(e);
	reconcile_close(e);
}

static void operate_swept(struct engine *e)
{
	struct cl_err err = { 0 };

	image_refresh(e);
	if (op_resume(e, &err) != 0)
		log_error("operations cannot go on: %s", err.message);
}
