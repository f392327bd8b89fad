/* Imports, uploads and exports of the backend `local`, as requests to the broker. */
#ifndef ENGINE_LOCAL_IMPORT_H
#define ENGINE_LOCAL_IMPORT_H

#include "engine/backend.h"
#include "engine/local_link.h"

int local_import_run(struct local_link *link, const struct backend_import *i,
    const struct backend_job *job, struct backend_imported *out, struct cl_err *err);
int local_import_ticket(struct local_link *link, const struct backend_transfer *t, char *ticket,
    size_t size, struct cl_err *err);

#endif
