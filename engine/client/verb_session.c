/* Live sessions: who is where, and kicking. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_rest.h"
#include "engine/client/verbs.h"

/* "14s", "3m", "2h", "5d" */
static void span(char *out, size_t size, int64_t s)
{
	if (s < 120)
		snprintf(out, size, "%ds", (int)s);
	else if (s < 7200)
		snprintf(out, size, "%dm", (int)(s / 60));
	else if (s < 172800)
		snprintf(out, size, "%dh", (int)(s / 3600));
	else
		snprintf(out, size, "%lldd", (long long)(s / 86400));
}

static void add_door(struct verb_out_table *t, const char *session, const json_t *d)
{
	cl_autofree char *id = mem_printf("%s/%d", session, (int)verb_out_int(d, "door"));
	const char *mode = verb_out_str(d, "mode");
	char size[32], idle[32];

	snprintf(size, sizeof(size), "%dx%d%s%s", (int)verb_out_int(d, "cols"),
	    (int)verb_out_int(d, "rows"), strcmp(mode, "owner") ? " " : "",
	    strcmp(mode, "owner") ? mode : "");
	span(idle, sizeof(idle), verb_out_int(d, "idle"));
	verb_out_row(t, id, verb_out_str(d, "from"), size, verb_out_str(d, "since"), idle, NULL);
}

int verb_session_ls(struct verb_ctx *ctx, const struct verb_args *args)
{
	struct verb_out_table t = {0};
	json_t *reply, *s, *d;
	char doors[32], idle[32];
	size_t i, j;
	int rc = verb_rest_get(ctx, "/v1/sessions", &reply);

	if (rc || !reply)
		return rc;
	verb_out_heads(&t, "ID", "FROM", "SIZE", "SINCE", "IDLE", NULL);
	json_array_foreach(json_object_get(reply, "sessions"), i, s) {
		const json_t *list = json_object_get(s, "doors");

		if (!json_is_true(json_object_get(s, "answers"))) {
			verb_out_row(&t, verb_out_str(s, "id"), "does not answer", "", "", "", NULL);
			continue;
		}
		snprintf(doors, sizeof(doors), "%d window%s", (int)json_array_size(list),
		    json_array_size(list) == 1 ? "" : "s");
		span(idle, sizeof(idle), verb_out_int(s, "idle"));
		verb_out_row(&t, verb_out_str(s, "id"), doors, "", verb_out_str(s, "since"), idle, NULL);
		json_array_foreach(list, j, d)
			add_door(&t, verb_out_str(s, "id"), d);
	}
	verb_out_table(ctx, &t, "no live sessions");
	json_decref(reply);
	return 0;
}

/* "alice+shop/2" is door 2 of alice+shop.  The number, 0 for none; -1 when it is malformed. */
static long door_of(const char *id)
{
	const char *slash = strchr(id, '/');
	char *end;
	long n;

	if (!slash)
		return *id ? 0 : -1;
	n = strtol(slash + 1, &end, 10);
	return slash > id && slash[1] >= '1' && slash[1] <= '9' && !*end && n <= 1000 ? n : -1;
}

int verb_session_kick(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *id = verb_args_get(args, "ID");
	cl_autofree char *session = mem_strndup(id, strcspn(id, "/")), *path = NULL, *query = NULL;
	bool doors = verb_args_has(args, "--doors");
	long door = door_of(id);
	struct cl_err err = {0};
	json_t *reply;
	int rc;

	if (door < 0 || (door && doors)) {
		err_set(&err, CL_USAGE, "session kick: %s is no session, nor one of its windows", id);
		err_hint(&err, "`session ls` shows them");
		return verb_out_error(ctx, &err);
	}
	if (door)
		query = mem_printf("?door=%ld", door);
	path = verb_rest_path("/v1/sessions", session, door ? query : doors ? "?doors=1" : "");
	rc = verb_rest_call(ctx, "DELETE", path, NULL, &reply);
	if (rc)
		return rc;
	return verb_rest_said(ctx, reply, door ? "%s: window closed" : doors ?
	    "%s: all windows closed, the session lives on" : "%s: session ended", id);
}
