/*
 * Bytes between a client and the lab, on exec.sock with a ticket (engine/api/exec_proto.h): an
 * archive coming in is kept until an import takes it, an export is packed while it goes out.
 *
 *   ${state}/uploads/UID-TICKET   whole uploads; .part while they come; root's alone
 */
#ifndef ENGINE_BROKER_TRANSFER_H
#define ENGINE_BROKER_TRANSFER_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "engine/broker/broker.h"
#include "engine/broker/ticket.h"

/* Serve sock, whose peer presented this ticket (id) of a kind other than TICKET_EXEC. */
void transfer_serve(const struct broker *b, int sock, const struct ticket *t, const char *id);
/* A whole upload, for reading. */
int transfer_open(const struct broker *b, uint32_t uid, const char *id, struct cl_err *err);
void transfer_forget(const struct broker *b, uint32_t uid, const char *id);
/* Remove uploads that nobody imported within half an hour. */
void transfer_sweep(const struct broker *b);

#endif
