/* A project's own Containerfile: see deploy_file.h. */
#include "engine/deploy_file.h"

#include <string.h>

#include "base/config.h"
#include "base/mem.h"
#include "images/dockerfile.h"

/* 1 there is one, 0 there is none. */
static int deploy_file_read(struct deploy_file *f, struct backend *be, int64_t project, uint32_t uid,
    const char *name, struct cl_err *err)
{
	struct cl_err why = { 0 };

	buf_init(&f->text, DOCKERFILE_MAX);
	if (be->ops->workspace_read(be, project, uid, name, DOCKERFILE_MAX, &f->text, &why) == 0) {
		(void)mem_copy_str(f->name, sizeof(f->name), name);
		return 1;
	}
	buf_clear(&f->text);
	if (why.code == CL_NOT_FOUND)
		return 0;
	*err = why;
	return -1;
}

int deploy_file_find(struct deploy_file *f, struct backend *be, int64_t project, uint32_t uid,
    const struct appfile *app, struct cl_err *err)
{
	int rc;

	memset(f, 0, sizeof(*f));
	if (strcmp(app->containerfile, "-") == 0)
		return 0;
	if (app->containerfile[0] != '\0') {
		rc = deploy_file_read(f, be, project, uid, app->containerfile, err);
		return rc == 0 ? err_set(err, CL_NOT_FOUND, ".codinglab.json: containerfile: there is no %s",
		    app->containerfile) : rc < 0 ? -1 : 0;
	}
	rc = deploy_file_read(f, be, project, uid, "Containerfile", err);
	if (rc == 0)
		rc = deploy_file_read(f, be, project, uid, "Dockerfile", err);
	return rc < 0 ? -1 : 0;
}

void deploy_file_clear(struct deploy_file *f)
{
	buf_clear(&f->text);
	memset(f, 0, sizeof(*f));
}

int deploy_file_build(struct deploy_file *f, struct backend *be, const struct stack_set *stacks,
    const struct backend_build *spec, const struct backend_job *job, char *digest, size_t size,
    struct cl_err *err)
{
	struct backend_file file = { .project = spec->project, .op = spec->op, .memory = spec->memory,
		.text = f->text.data != NULL ? f->text.data : "", .len = f->text.len,
		.any = strcmp(config_str("build.from"), "any") == 0 };
	struct backend_file_made made = { 0 };
	const char **images = mem_array(2 * stacks->n + 1, sizeof(*images));
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < stacks->n; i++) {
		if (stacks->items[i].dev.id[0] != '\0')
			images[n++] = stacks->items[i].dev.id;
		if (stacks->items[i].run.id[0] != '\0')
			images[n++] = stacks->items[i].run.id;
	}
	file.images = images;
	(void)mem_copy_str(file.id, sizeof(file.id), spec->id);
	rc = be->ops->build_file(be, &file, job, &made, err);
	mem_free(images);
	f->port = made.port;
	(void)mem_copy_str(digest, size, made.digest);
	return rc;
}
