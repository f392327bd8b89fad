/* Answers kept for a repeated Idempotency-Key; see idem.h. */
#include "engine/idem.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/request.h"
#include "engine/store.h"

#define KEEP_MS (24ll * 3600 * 1000)

static bool
secret(const struct request *r)
{
	return r->route->id == ROUTE_INVITE || r->route->id == ROUTE_EXEC;
}

int
idem_conflict(struct cl_err *err)
{
	err_set(err, CL_CONFLICT, "Idempotency-Key: it was used for another request");
	return err_hint(err, "use a new key for each thing you want done");
}

int
idem_find(struct store *s, const struct request *r, int *status, char **text,
    struct cl_err *err)
{
	struct store_row *row = store_query(s,
	    "SELECT body, status, reply FROM idempotency WHERE user = ? AND key = ?", "is",
	    r->caller.id, r->idem);
	int found = 0;
	bool same = false;

	if (store_next(row)) {
		found = 1;
		same = strcmp(store_str(row, 0), r->hash) == 0;
		*status = (int)store_int(row, 1);
		*text = mem_strdup(store_str(row, 2));
	}
	if (store_end(row, err) < 0)
		return -1;
	if (found && !same)
		return idem_conflict(err);
	if (found && (*text)[0] == '\0')
		return err_set(err, CL_CONFLICT, "it was done already, and its answer is shown once only");
	return found;
}

int
idem_save(struct store *s, const struct request *r, int status, const json_t *body,
    struct cl_err *err)
{
	cl_autofree char *text = NULL;

	if (r->idem[0] == '\0')
		return 0;
	text = secret(r) ? mem_strdup("") : json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
	return store_run(s, err,
	           "INSERT INTO idempotency (user, key, route, body, status, reply, created)"
	           " VALUES (?,?,?,?,?,?,?)",
	           "isssisi", r->caller.id, r->idem, r->route->name, r->hash, (int64_t)status,
	           text == NULL ? "" : text, clock_unix_ms()) < 0 ? -1 : 0;
}

int
idem_prune(struct store *s, struct cl_err *err)
{
	return store_run(s, err, "DELETE FROM idempotency WHERE created < ?", "i",
	           clock_unix_ms() - KEEP_MS) < 0 ? -1 : 0;
}
