/* Chat messages; see store_chat.h. */
#include "engine/store_chat.h"

int
store_chat_add(struct store *s, int64_t project, int64_t user, const char *name,
    const char *text, int64_t at, int64_t *id, struct cl_err *err)
{
	/* The built-in operator has no account: its messages carry the name only. */
	int n = user != 0 ?
	    store_run(s, err, "INSERT INTO message (project, user, name, text, at) VALUES (?,?,?,?,?)",
	        "iissi", project, user, name, text, at) :
	    store_run(s, err, "INSERT INTO message (project, name, text, at) VALUES (?,?,?,?)", "issi",
	        project, name, text, at);

	if (n < 0)
		return -1;
	*id = store_last_id(s);
	return 0;
}

int
store_chat_each(struct store *s, int64_t project, int64_t before, int limit,
    int (*cb)(void *arg, const struct store_message *m), void *arg, struct cl_err *err)
{
	struct store_row *r = store_query(s,
	    "SELECT id, at, name, text FROM (SELECT id, at, name, text FROM message"
	    " WHERE project = ? AND id < ? ORDER BY id DESC LIMIT ?) ORDER BY id",
	    "iii", project, before > 0 ? before : INT64_MAX, (int64_t)limit);
	struct store_message m;

	while (store_next(r)) {
		m.id = store_int(r, 0);
		m.at = store_int(r, 1);
		m.user = store_str(r, 2);
		m.text = store_str(r, 3);
		if (cb(arg, &m) != 0)
			break;
	}
	return store_end(r, err);
}
