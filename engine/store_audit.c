/*
 * The audit trail; see store_audit.h.  chain(n) = SHA-256(chain(n-1) \n field \n field ...), fields
 * with their length in front, so that no row can be changed, taken out or moved unseen.
 */
#include "engine/store_audit.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"

#define CHAIN_SIZE 65

static void
feed(crypto_hash_sha256_state *st, const char *text)
{
	char head[32];
	int n = snprintf(head, sizeof head, "%zu:", strlen(text));

	crypto_hash_sha256_update(st, (const unsigned char *)head, (unsigned long long)n);
	crypto_hash_sha256_update(st, (const unsigned char *)text, strlen(text));
}

static void
seal(const struct store_audit *a, const char *before, char out[CHAIN_SIZE])
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state st;
	char numbers[64];

	snprintf(numbers, sizeof numbers, "%" PRId64 " %" PRId64, a->at, a->user);
	crypto_hash_sha256_init(&st);
	feed(&st, before);
	feed(&st, numbers);
	feed(&st, a->name);
	feed(&st, a->verb);
	feed(&st, a->object);
	feed(&st, a->result);
	feed(&st, a->detail);
	crypto_hash_sha256_final(&st, hash);
	sodium_bin2hex(out, CHAIN_SIZE, hash, sizeof hash);
}

/* A copy of at most max bytes of valid UTF-8, whole code points. */
static char *
cut(const char *text, size_t max)
{
	size_t n = strnlen(text, max);

	return mem_strndup(text, n == max ? utf8_whole(text, n) : n);
}

int
store_audit_add(struct store *s, const struct store_audit *a, struct cl_err *err)
{
	cl_autofree char *name = cut(a->name, 31), *verb = cut(a->verb, 64);
	cl_autofree char *object = cut(a->object, 256), *detail = cut(a->detail, 1024);
	struct store_audit row = {0, a->at != 0 ? a->at : clock_unix_ms(), a->user, name, verb, object,
	    a->result, detail};
	char before[CHAIN_SIZE] = "", chain[CHAIN_SIZE];
	struct store_row *r = store_query(s, "SELECT chain FROM audit ORDER BY id DESC LIMIT 1", "");

	if (store_next(r))
		store_copy(r, 0, before, sizeof before);
	if (store_end(r, err) < 0)
		return -1;
	seal(&row, before, chain);
	if (store_run(s, err,
	        "INSERT INTO audit (at, user, name, verb, object, result, detail, chain)"
	        " VALUES (?, nullif(?, 0), ?, ?, ?, ?, ?, ?)",
	        "iissssss", row.at, row.user, name, verb, object, row.result, detail, chain) < 0)
		return -1;
	store_mark(s, store_last_id(s));
	return 0;
}

static void
read_audit(struct store_row *r, struct store_audit *a)
{
	a->id = store_int(r, 0);
	a->at = store_int(r, 1);
	a->user = store_int(r, 2);
	a->name = store_str(r, 3);
	a->verb = store_str(r, 4);
	a->object = store_str(r, 5);
	a->result = store_str(r, 6);
	a->detail = store_str(r, 7);
}

int
store_audit_each(struct store *s, const char *name, const char *verb, int limit,
    int (*cb)(void *arg, const struct store_audit *a), void *arg, struct cl_err *err)
{
	struct store_row *r = store_query(s,
	    "SELECT id, at, user, name, verb, object, result, detail FROM audit"
	    " WHERE (? IS NULL OR name = ?) AND (? IS NULL OR verb = ?) ORDER BY id DESC LIMIT ?",
	    "ssssi", name, name, verb, verb, (int64_t)limit);
	struct store_audit a;

	while (store_next(r)) {
		read_audit(r, &a);
		if (cb(arg, &a) != 0)
			break;
	}
	return store_end(r, err);
}

int
store_audit_verify(struct store *s, struct cl_err *err)
{
	struct store_row *r = store_query(s,
	    "SELECT id, at, user, name, verb, object, result, detail, chain FROM audit ORDER BY id", "");
	char before[CHAIN_SIZE] = "", chain[CHAIN_SIZE];
	struct store_audit a;
	int64_t bad = 0;

	while (bad == 0 && store_next(r)) {
		read_audit(r, &a);
		seal(&a, before, chain);
		if (strcmp(chain, store_str(r, 8)) != 0)
			bad = a.id;
		mem_copy_str(before, sizeof before, chain);
	}
	if (store_end(r, err) < 0)
		return -1;
	if (bad != 0)
		return err_set(err, CL_FAILED, "audit: row %" PRId64 " was changed, or one before it is gone",
		    bad);
	return 0;
}
