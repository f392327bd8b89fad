/* Other clusters; see store_target.h. */
#include "engine/store_target.h"

#include "base/mem.h"

int store_target_add(struct store *s, const struct store_target *t, struct cl_err *err)
{
	if (store_target_have(s, t->name))
		return err_set(err, CL_CONFLICT, "target %s: there is one already", t->name);
	return store_run(s, err, "INSERT INTO target (name, kubeconfig, server, by, at) VALUES (?,?,?,?,?)",
	    "ssssi", t->name, t->kubeconfig, t->server, t->by, t->at) < 0 ? -1 : 0;
}

int store_target_remove(struct store *s, const char *name, struct cl_err *err)
{
	int64_t used = store_number(s, 0, "SELECT count(*) FROM env WHERE target = ?", "s", name);

	if (!store_target_have(s, name)) {
		err_set(err, CL_NOT_FOUND, "target %s: there is none", name);
		return err_hint(err, "target ls lists them");
	}
	if (used > 0) {
		err_set(err, CL_CONFLICT, "target %s: %lld environments run there", name, (long long)used);
		return err_hint(err, "They go with their projects");
	}
	return store_run(s, err, "DELETE FROM target WHERE name = ?", "s", name) < 0 ? -1 : 0;
}

bool store_target_have(struct store *s, const char *name)
{
	return store_number(s, 0, "SELECT count(*) FROM target WHERE name = ?", "s", name) > 0;
}

int store_target_each(struct store *s, void (*cb)(void *arg, const struct store_target *t), void *arg,
    struct cl_err *err)
{
	struct store_row *r = store_query(s, "SELECT name, kubeconfig, server, by, at,"
	    " (SELECT count(*) FROM env e WHERE e.target = target.name) FROM target ORDER BY name", "");
	struct store_target t;

	while (store_next(r)) {
		cl_autofree char *name = mem_strdup(store_str(r, 0)), *config = mem_strdup(store_str(r, 1));
		cl_autofree char *server = mem_strdup(store_str(r, 2)), *by = mem_strdup(store_str(r, 3));

		t = (struct store_target){ name, config, server, by, store_int(r, 4), (int)store_int(r, 5) };
		cb(arg, &t);
	}
	return store_end(r, err);
}
