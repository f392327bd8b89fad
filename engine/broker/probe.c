/* Readiness by the image's own check: see probe.h. */
#include "engine/broker/probe.h"

#include <stdio.h>

#include "engine/broker/container.h"
#include "engine/broker/run.h"

int probe_run(const struct broker *b, const char *name, struct cl_err *err)
{
	json_t *j = container_inspect(b, name, err);
	const json_t *config = json_object_get(j, "Config");
	char command[256];
	int status = -1;

	if (!j)
		return -1;
	if (!json_is_true(json_object_get(json_object_get(j, "State"), "Running"))) {
		json_decref(j);
		return err_set(err, CL_PRECONDITION, "%s: not running", name);
	}
	snprintf(command, sizeof(command), "%s",
	    docker_str(json_object_get(config, "Labels"), "codinglab.ready"));
	json_decref(j);
	if (!command[0])
		return 0;
	if (run_check(b, name, command, &status, err) < 0)
		return -1;
	if (status != 0)
		return err_set(err, CL_PRECONDITION, "%s: its check (%s) says %d", name, command, status);
	return 0;
}
