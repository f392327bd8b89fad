/* Imports, uploads and exports: see local_import.h. */
#include "engine/local_import.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/broker/broker_proto.h"

struct local_import {
	const struct backend_job *job;
	struct backend_imported *out;
	char *ticket;
	size_t size;
};

static void imported_cb(void *arg, struct ipc_in *m)
{
	struct backend_imported *out = ((struct local_import *)arg)->out;

	out->bytes = ipc_get_i64(m);
	out->files = ipc_get_i32(m);
	ipc_get_str(m, out->stack, sizeof(out->stack));
	ipc_get_str(m, out->top, sizeof(out->top));
	ipc_get_str(m, out->note, sizeof(out->note));
}

int local_import_run(struct local_link *link, const struct backend_import *s,
    const struct backend_job *job, struct backend_imported *out, struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(BROKER_IMPORT);
	struct local_import i = {.job = job, .out = out};
	struct local_link_call call = {.ok = imported_cb, .arg = &i, .job = job};

	ipc_put_i64(m, s->project);
	ipc_put_u32(m, s->uid);
	ipc_put_u32(m, s->gid);
	ipc_put_u32(m, s->uploader);
	ipc_put_str(m, s->upload);
	ipc_put_str(m, s->url);
	ipc_put_str(m, s->branch);
	ipc_put_i32(m, s->depth);
	ipc_put_u32(m, s->replace);
	return local_link_ask(link, m, &call, err);
}

static void ticket_cb(void *arg, struct ipc_in *m)
{
	struct local_import *i = arg;

	ipc_get_str(m, i->ticket, i->size);
}

int local_import_ticket(struct local_link *link, const struct backend_transfer *t, char *ticket,
    size_t size, struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(BROKER_TRANSFER);
	const char *extra = t->extra != NULL ? t->extra : "{}";
	struct local_import i = {.ticket = ticket, .size = size};
	struct local_link_call call = {.ok = ticket_cb, .arg = &i};
	cl_autoclose int fd = -1;
	size_t n = strlen(extra);

	ipc_put_u32(m, t->is_backup ? 2 : t->is_export);
	ipc_put_u32(m, t->peer_uid);
	if (t->is_export) {
		/* larger than a message */
		fd = memfd_create("extra", MFD_CLOEXEC);
		if (fd < 0 || write(fd, extra, n) != (ssize_t)n) {
			mem_free(m);
			return err_errno(err, CL_FAILED, "export");
		}
		ipc_put_i64(m, t->project);
		ipc_put_u32(m, t->uid);
		ipc_put_u32(m, t->gid);
		ipc_put_str(m, t->format);
		ipc_put_str(m, t->prefix);
		ipc_put_fd(m, fd);
	}
	return local_link_ask(link, m, &call, err);
}
