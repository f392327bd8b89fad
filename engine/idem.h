/*
 * Idempotency-Key: the answer to a POST is kept for a day, by user and key, in the transaction of the
 * change itself.  Answers that hold a secret shown once are not kept; a repeat is then a conflict.
 */
#ifndef ENGINE_IDEM_H
#define ENGINE_IDEM_H

#include <jansson.h>
#include "base/err.h"

struct request;
struct store;

/* 1 and the answer (*text on the heap), 0 never seen, -1 err. */
int idem_find(struct store *s, const struct request *r, int *status, char **text,
    struct cl_err *err);
/* Does nothing for a request without key. */
int idem_save(struct store *s, const struct request *r, int status, const json_t *body,
    struct cl_err *err);
int idem_conflict(struct cl_err *err); /* CL_CONFLICT: the key was used for something else */
int idem_prune(struct store *s, struct cl_err *err);

#endif
