/* The backend `local`: containers of one machine through the runtime broker, traffic by the edge. */
#ifndef ENGINE_BACKEND_LOCAL_H
#define ENGINE_BACKEND_LOCAL_H

#include "engine/backend.h"

extern const struct backend_ops backend_local_ops;

#endif
