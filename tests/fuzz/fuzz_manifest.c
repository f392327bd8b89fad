/* link: cl_engine cl_images cl_base */
/*
 * JSON -> release -> manifests: whatever is accepted prints back to itself and gives only containers
 * that pass the checker; also the project's own files (.codinglab.json, Procfile).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "engine/manifest.h"
#include "images/appfile.h"

static struct stack app = { .id = "django", .dev = { .id = "django" }, .run = { .id = "django-run" },
	.port = 8000 };
static struct stack web = { .id = "web", .run = { .id = "web" }, .port = 8080, .uid = 10101,
	.tmp = { "/tmp" }, .ntmp = 1 };
static struct stack db = { .id = "postgresql", .run = { .id = "postgresql" }, .port = 5432,
	.database = { "postgres", 5432 },
	.uid = 10103, .volume = "/var/lib/postgresql/data" };

static void check(struct backend_spec *s, int rc)
{
	if (rc != 0)
		return;
	if (manifest_check(s, NULL) != 0 || s->uid < 1000)
		abort();
	for (size_t i = 0; i < s->nenv; i++)
		if (strcmp(s->env_vars[i].name, "CODINGLAB_PROJECT") == 0 &&
		    strcmp(s->env_vars[i].value, "shop") != 0)
			abort();
	manifest_clear(s);
}

static void manifests(const struct release *r)
{
	struct manifest m = { .project = 12, .name = "shop", .owner = "alice", .env = "prod",
		.stack = &app, .web = &web, .db = &db, .release = r, .db_password = "x", .slot = 1,
		.uid = 200001, .gid = 300012 };
	struct backend_spec s;

	check(&s, manifest_was(&m, 1, &s, NULL));
	check(&s, manifest_web(&m, 2, &s, NULL));
	check(&s, manifest_db(&m, &s, NULL));
	check(&s, manifest_dev(&m, r->port, &s, NULL));
	check(&s, manifest_migrate(&m, 5, &s, NULL));
}

static void release(const char *text, size_t size)
{
	struct release r, again;
	char *printed, *twice;

	release_init(&r);
	release_init(&again);
	if (release_parse(&r, text, size, NULL) == 0) {
		r.version = 1;
		(void)mem_copy_str(r.digest, sizeof(r.digest), "sha256:0");
		manifests(&r);
		printed = release_print(&r);
		if (release_parse(&again, printed, strlen(printed), NULL) != 0)
			abort();
		twice = release_print(&again);
		if (strcmp(printed, twice) != 0)
			abort();
		mem_free(printed);
		mem_free(twice);
	}
	release_clear(&r);
	release_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cl_autofree char *text = mem_alloc(size + 1);
	struct appfile a;

	if (size > 0)
		memcpy(text, data, size);
	release(text, size);
	appfile_init(&a);
	(void)appfile_add_json(&a, text, size, NULL);
	(void)appfile_add_procfile(&a, text, size, NULL);
	for (int i = 0; i < STACK_COMMANDS; i++)
		if (a.command[i] != NULL && a.command[i][0][0] == '\0')
			abort();
	if (a.port < 0 || a.port > 65535)
		abort();
	appfile_clear(&a);
	return 0;
}
