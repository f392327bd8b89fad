/* One connection to exec.sock (engine/api/exec_proto.h), from OPEN to EXITED or hang-up. */
#ifndef ENGINE_BROKER_EXEC_H
#define ENGINE_BROKER_EXEC_H

#include <sys/types.h>

#include "engine/broker/broker.h"

/* Serve sock for the peer of that uid; returns when it is over. */
void exec_serve(const struct broker *b, int sock, uid_t peer);

#endif
