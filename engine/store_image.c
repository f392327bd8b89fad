/* Images that the store needs: see store_image.h. */
#include "engine/store_image.h"

#include <string.h>
#include "base/clock.h"
#include "base/mem.h"

#define KEPT \
	"WITH ranked AS (SELECT r.project, r.env, r.version, r.digest, r.result," \
	" e.serving AS serving, e.desired AS desired, p.name AS name, u.name AS owner," \
	" row_number() OVER (PARTITION BY r.project, r.env," \
	"  r.result IN ('serving', 'superseded') ORDER BY r.version DESC) AS place" \
	" FROM release r JOIN project p ON p.id = r.project JOIN user u ON u.id = p.owner" \
	" LEFT JOIN env e ON e.project = r.project AND e.name = r.env" \
	" WHERE coalesce(r.digest, '') <> '')" \
	" SELECT digest, project, owner, name, env, version, version = coalesce(serving, 0)" \
	" FROM ranked WHERE result IN ('building', 'rolling') OR version = serving" \
	" OR version = desired OR (result IN ('serving', 'superseded') AND place <= ?)" \
	" ORDER BY project, env, version DESC"

int store_image_each_kept(struct store *s, int keep,
    int (*cb)(void *arg, const struct store_image *i), void *arg, struct cl_err *err)
{
	struct store_row *r = store_query(s, KEPT, "i", (int64_t)keep);
	struct store_image i;
	int rc = 0;

	while (rc == 0 && store_next(r)) {
		memset(&i, 0, sizeof(i));
		(void)mem_copy_str(i.digest, sizeof(i.digest), store_str(r, 0));
		i.project = store_int(r, 1);
		(void)mem_copy_str(i.owner, sizeof(i.owner), store_str(r, 2));
		(void)mem_copy_str(i.name, sizeof(i.name), store_str(r, 3));
		(void)mem_copy_str(i.env, sizeof(i.env), store_str(r, 4));
		i.version = (int)store_int(r, 5);
		i.serving = store_int(r, 6) != 0;
		rc = cb(arg, &i);
	}
	return store_end(r, err) != 0 ? -1 : rc;
}

int store_image_gone_add(struct store *s, const char *digest, struct cl_err *err)
{
	return store_run(s, err, "INSERT OR REPLACE INTO image_gone (digest, at) VALUES (?, ?)",
	    "si", digest, clock_unix_ms()) < 0 ? -1 : 0;
}

bool store_image_gone(struct store *s, const char *digest)
{
	return store_number(s, 0, "SELECT count(*) FROM image_gone WHERE digest = ?", "s", digest) > 0;
}

int store_image_gone_remove(struct store *s, const char *digest, struct cl_err *err)
{
	return store_run(s, err, "DELETE FROM image_gone WHERE digest = ?", "s", digest) < 0 ? -1 : 0;
}
