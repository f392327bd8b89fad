/* Machines that instances run on. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_rest.h"
#include "engine/client/verbs.h"

/* "1.2 GB of 8.0 GB", "8.0 GB" where the use is not known, or "". */
static void of_total(const json_t *h, const char *used, const char *total, char *out, size_t size)
{
	char a[16], b[16];

	out[0] = '\0';
	if (!json_is_integer(json_object_get(h, total)))
		return;
	verb_out_size(a, sizeof(a), verb_out_int(h, used));
	verb_out_size(b, sizeof(b), verb_out_int(h, total));
	if (json_is_integer(json_object_get(h, used)))
		(void)snprintf(out, size, "%s of %s", a, b);
	else
		(void)snprintf(out, size, "%s", b);
}

static void cpu_of(const json_t *h, char *out, size_t size)
{
	const json_t *cpu = json_object_get(h, "cpu");
	double cores = json_number_value(json_object_get(h, "cpus"));

	if (json_is_number(cpu) && cores > 0)
		(void)snprintf(out, size, "%.0f %% of %g", json_number_value(cpu) / cores, cores);
	else
		(void)snprintf(out, size, "%g", cores);
}

static void state_of(const json_t *h, char *out, size_t size)
{
	(void)snprintf(out, size, "%s%s", verb_out_str(h, "state"), json_is_true(json_object_get(h,
	    "draining")) ? ", draining" : "");
}

/* What is wrong with it, by name. */
static void trouble_of(const json_t *h, char *out, size_t size)
{
	size_t n = 0, i;
	json_t *c;

	out[0] = '\0';
	json_array_foreach(json_object_get(h, "conditions"), i, c)
		if (json_is_true(json_object_get(c, "bad")) && n < size)
			n += (size_t)snprintf(out + n, size - n, "%s%s", n ? " " : "", verb_out_str(c, "type"));
}

int verb_host_ls(struct verb_ctx *ctx, const struct verb_args *args)
{
	struct verb_out_table t;
	json_t *reply, *h;
	size_t i;
	int rc = verb_rest_get(ctx, "/v1/hosts", &reply);

	if (rc || !reply)
		return rc;
	verb_out_heads(&t, "NAME", "STATE", "INSTANCES", "CPU", "MEMORY", "DISK", "TROUBLE", NULL);
	json_array_foreach(json_object_get(reply, "hosts"), i, h) {
		char state[40], n[24], cpu[40], memory[40], disk[40], trouble[200];

		state_of(h, state, sizeof(state));
		cpu_of(h, cpu, sizeof(cpu));
		of_total(h, "memory", "memory_total", memory, sizeof(memory));
		of_total(h, "disk", "disk_total", disk, sizeof(disk));
		trouble_of(h, trouble, sizeof(trouble));
		(void)snprintf(n, sizeof(n), "%lld", (long long)verb_out_int(h, "instances"));
		verb_out_row(&t, verb_out_str(h, "name"), state, n, cpu, memory, disk, trouble, NULL);
	}
	verb_out_table(ctx, &t, "no nodes");
	json_decref(reply);
	return 0;
}

static void show(struct verb_ctx *ctx, const json_t *h)
{
	char state[40], cpu[40], memory[40], disk[40];
	const char *address = verb_out_str(h, "address");
	json_t *c;
	size_t i;

	state_of(h, state, sizeof(state));
	cpu_of(h, cpu, sizeof(cpu));
	of_total(h, "memory", "memory_total", memory, sizeof(memory));
	of_total(h, "disk", "disk_total", disk, sizeof(disk));
	verb_out_line(ctx, "%s%s%s: %s", verb_out_str(h, "name"), address[0] ? " " : "", address, state);
	verb_out_line(ctx, "system      %s", verb_out_str(h, "system"));
	if (verb_out_str(h, "version")[0])
		verb_out_line(ctx, "runs        %s", verb_out_str(h, "version"));
	if (json_is_integer(json_object_get(h, "instances_max")))
		verb_out_line(ctx, "instances   %lld of this lab; room for %lld in all",
		    (long long)verb_out_int(h, "instances"), (long long)verb_out_int(h, "instances_max"));
	else
		verb_out_line(ctx, "instances   %lld", (long long)verb_out_int(h, "instances"));
	verb_out_line(ctx, "cpu         %s cores", cpu);
	verb_out_line(ctx, "memory      %s", memory);
	if (disk[0])
		verb_out_line(ctx, "disk        %s", disk);
	json_array_foreach(json_object_get(h, "conditions"), i, c) {
		const char *since = verb_out_str(c, "since"), *message = verb_out_str(c, "message");
		bool bad = json_is_true(json_object_get(c, "bad"));

		verb_out_line(ctx, "%s %s: %s%s%s%s%s", bad ? "!" : " ", verb_out_str(c, "type"),
		    verb_out_str(c, "status"), since[0] ? " since " : "", since, bad && message[0] ? ": " :
		    "", bad ? message : "");
	}
}

int verb_host_show(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *name = verb_args_get(args, "NAME");
	struct cl_err err = {0};
	json_t *reply, *h, *found = NULL;
	size_t i;
	int rc = verb_rest_call(ctx, "GET", "/v1/hosts", NULL, &reply);

	if (rc)
		return rc;
	json_array_foreach(json_object_get(reply, "hosts"), i, h)
		if (strcmp(verb_out_str(h, "name"), name) == 0)
			found = h;
	if (!found) {
		json_decref(reply);
		err_set(&err, CL_NOT_FOUND, "host: there is no \"%s\"", name);
		err_hint(&err, "host ls lists them");
		return verb_out_error(ctx, &err);
	}
	if (ctx->json)
		verb_out_json(ctx, found, false);
	else
		show(ctx, found);
	json_decref(reply);
	return 0;
}
