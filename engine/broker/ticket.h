/*
 * Tickets: an execution prepared for one uid, to be started once within 30 s.  One file per ticket
 * in a root-only folder, its name the secret; taking it is a rename, which one process wins.
 */
#ifndef ENGINE_BROKER_TICKET_H
#define ENGINE_BROKER_TICKET_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ipc.h"
#include "engine/broker/broker.h"
#include "engine/broker/spec.h"

#define TICKET_LIFE_MS 30000
#define TICKET_SIZE 65

enum ticket_kind { TICKET_EXEC, TICKET_UPLOAD, TICKET_EXPORT, TICKET_BACKUP };

struct ticket {
	enum ticket_kind kind;
	char name[80];
	struct spec_argv argv;
	struct spec_vars vars;
	char workdir[128];
	uint32_t uid, gid;
	bool tty;
	int rows, cols;
	uint32_t peer_uid;
	int64_t expires_ms; /* clock_ms() */
	/* of an export */
	int64_t project;
	char format[16], prefix[64];
	char *extra;        /* JSON object, name -> text; owned */
};

/* Fields of BROKER_EXEC. */
int ticket_read(struct ticket *t, struct ipc_in *m, struct cl_err *err);
void ticket_clear(struct ticket *t);
/* Fields of BROKER_TRANSFER. */
int ticket_read_transfer(struct ticket *t, struct ipc_in *m, struct cl_err *err);
/* Keep it; its secret (64 hex digits) into id. */
int ticket_put(const struct place *p, const struct ticket *t, char id[TICKET_SIZE],
    struct cl_err *err);
/* Take it for this peer.  Every failure says the same: CL_FORBIDDEN, "no such ticket".  A wrong
 * peer uses the ticket up. */
int ticket_take(const struct place *p, const char *id, uint32_t peer_uid, struct ticket *t,
    struct cl_err *err);
/* Remove those that nobody took. */
void ticket_sweep(const struct place *p);

#endif
