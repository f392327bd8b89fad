/* A container's file system as a new image: see commit.h. */
#include "engine/broker/commit.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/broker/check.h"

#define COMMIT_MS 900000
#define CHANGES_MAX (1u << 18)

void commit_begin(struct commit *c)
{
	buf_init(&c->changes, CHANGES_MAX);
}

void commit_add(struct commit *c, const char *instruction)
{
	size_t size = 3 * strlen(instruction) + 8;
	cl_autofree char *escaped = mem_alloc(size);

	docker_escape(instruction, escaped, size);
	buf_add_str(&c->changes, "&changes=");
	buf_add_str(&c->changes, escaped);
}

void commit_label(struct commit *c, const char *name, const char *value)
{
	json_t *j = json_string(value);
	char *quoted = json_dumps(j, JSON_ENCODE_ANY);
	cl_autofree char *text = mem_printf("LABEL %s=%s", name, quoted ? quoted : "\"\"");

	commit_add(c, text);
	mem_free(quoted);
	json_decref(j);
}

int commit_run(const struct broker *b, struct commit *c, const char *container, const char *id,
    const char *tag, const char *parent, char *digest, size_t size, struct cl_err *err)
{
	char base[DOCKER_URL], full[PLACE_NAME], ref[256];
	struct buf url;
	json_t *j = NULL;
	int rc;

	commit_label(c, "codinglab.image", id);
	/* By its id: a digest says nothing to people. */
	commit_label(c, "codinglab.parent", check_digest(parent) ? "" : parent);
	place_container(&b->place, container, full);
	place_image(&b->place, id, NULL, ref, sizeof(ref));
	ref[strcspn(ref, ":")] = '\0';
	docker_url(base, "/commit?container=%s&repo=%s&tag=%s&pause=false", full, ref,
	    tag ? tag : "latest");
	buf_init(&url, CHANGES_MAX + DOCKER_URL);
	buf_add_str(&url, base);
	if (c->changes.data)
		buf_add_str(&url, c->changes.data);
	rc = c->changes.full ? err_set(err, CL_TOO_LARGE, "commit: too many labels")
	    : docker_call_timed(&b->docker, "POST", url.data, json_object(), COMMIT_MS, &j, err);
	buf_clear(&url);
	buf_clear(&c->changes);
	if (rc == 201 || rc == 200) {
		const char *made = docker_str(j, "Id");

		snprintf(digest, size, "%s%s", strncmp(made, "sha256:", 7) == 0 ? "" : "sha256:", made);
		rc = check_digest(digest) ? 0 : err_set(err, CL_FAILED, "commit: no image came of it");
	} else {
		rc = err_set(err, CL_FAILED, "commit: refused");
	}
	json_decref(j);
	return rc;
}
