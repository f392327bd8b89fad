/* Projects in and out: project create --from, import, export, stack. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/giturl.h"
#include "base/mem.h"
#include "base/proc.h"
#include "engine/client/client.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_rest.h"
#include "engine/client/verbs.h"

#define CHUNK 65536

/* A ticket's streams; the ticket itself (the upload's name from now on) in id, if wanted. */
static int open_ticket(struct verb_ctx *ctx, const char *path, json_t *body, struct client_exec *x,
    char *id, size_t size)
{
	struct cl_err err = {0};
	json_t *t;
	int rc = verb_rest_call(ctx, "POST", path, body, &t);

	if (rc)
		return rc;
	if (id)
		mem_copy_str(id, size, verb_out_str(t, "ticket"));
	if (client_exec_open(x, verb_out_str(t, "socket"), verb_out_str(t, "ticket"), &err) < 0)
		rc = verb_out_error(ctx, &err);
	json_decref(t);
	return rc;
}

/* All of from into to.  0, -1 with errno; EPIPE means that the other end has something to say. */
static int copy(struct verb_ctx *ctx, int from, int to)
{
	cl_autofree char *data = mem_alloc(CHUNK);

	for (;;) {
		ssize_t n = read(from, data, CHUNK);

		if (ctx->cancelled && *ctx->cancelled)
			return -1;
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return (int)n;
		for (ssize_t at = 0; at < n;) {
			ssize_t w = write(to, data + at, (size_t)(n - at));

			if (w < 0 && errno != EINTR)
				return -1;
			at += w > 0 ? w : 0;
		}
	}
}

/* Send all that comes from fd; its name into id. */
static int upload(struct verb_ctx *ctx, int fd, char *id, size_t size)
{
	struct cl_err err = {0};
	struct client_exec x;
	int rc = open_ticket(ctx, "/v1/uploads", NULL, &x, id, size);

	if (rc)
		return rc;
	if (copy(ctx, fd, x.fds[0]) < 0 && errno != EPIPE) {
		client_exec_close(&x);
		err_errno(&err, CL_FAILED, "import: reading the archive");
		return verb_out_error(ctx, &err);
	}
	close(x.fds[0]);
	x.fds[0] = -1;
	if (client_exec_wait(&x, &err) < 0)
		rc = verb_out_error(ctx, &err);
	client_exec_close(&x);
	return rc;
}

/* A folder of this machine, packed by tar while it goes. */
static int upload_folder(struct verb_ctx *ctx, const char *dir, char *id, size_t size)
{
	const char *const argv[] = {"tar", "-C", dir, "-cf", "-", ".", NULL};
	struct cl_err err = {0};
	int fds[2], rc, status = 0;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		err_errno(&err, CL_FAILED, "pipe");
		return verb_out_error(ctx, &err);
	}
	struct proc_spec spec = {.path = "/bin/tar", .argv = (char *const *)(uintptr_t)argv,
	    .fds = {-1, fds[1], STDERR_FILENO}, .nfds = 3, .cwd = "."};

	pid = proc_start(&spec, &err);
	close(fds[1]);
	rc = pid < 0 ? verb_out_error(ctx, &err) : upload(ctx, fds[0], id, size);
	close(fds[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (rc == 0 && status) {
		err_set(&err, CL_FAILED, "import: tar could not read all of %s", dir);
		rc = verb_out_error(ctx, &err);
	}
	return rc;
}

static int upload_file(struct verb_ctx *ctx, const char *name, char *id, size_t size)
{
	cl_autoclose int fd = -1;
	struct cl_err err = {0};
	struct stat st;

	if (ctx->remote) {
		err_set(&err, CL_USAGE, "import: %s: no URL, and files stay on your machine", name);
		err_hint(&err, "Send it: --from - < %s", name);
		return verb_out_error(ctx, &err);
	}
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		err_errno(&err, CL_NOT_FOUND, "import: %s", name);
		return verb_out_error(ctx, &err);
	}
	return S_ISDIR(st.st_mode) ? upload_folder(ctx, name, id, size) : upload(ctx, fd, id, size);
}

/* Where from, into body: a URL as it is, else an upload that is made now. */
static int add_source(struct verb_ctx *ctx, const struct verb_args *args, const char *from,
    json_t *body)
{
	char id[160] = "";
	struct cl_err err = {0};
	int rc;

	if (verb_args_get(args, "--branch"))
		json_object_set_new(body, "branch", json_string(verb_args_get(args, "--branch")));
	if (verb_args_has(args, "--depth"))
		json_object_set_new(body, "depth", json_integer(verb_args_int(args, "--depth", 0)));
	if (verb_args_get(args, "--stack"))
		json_object_set_new(body, "stack", json_string(verb_args_get(args, "--stack")));
	if (giturl_like(from)) {
		json_object_set_new(body, "url", json_string(from));
		return 0;
	}
	if (strcmp(from, "-") == 0 && (ctx->in < 0 || ctx->in_tty)) {
		err_set(&err, CL_USAGE, "import: nothing comes from stdin");
		err_hint(&err, "tar c . | ssh lab project create NAME --from -");
		return verb_out_error(ctx, &err);
	}
	rc = strcmp(from, "-") == 0 ? upload(ctx, ctx->in, id, sizeof(id))
	    : upload_file(ctx, from, id, sizeof(id));
	json_object_set_new(body, "upload", json_string(id));
	return rc;
}

int verb_import_create(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *text = verb_args_get(args, "--description");
	json_t *body = json_pack("{s:s}", "name", verb_args_get(args, "NAME"));
	int rc;

	if (text)
		json_object_set_new(body, "description", json_string(text));
	if (verb_args_get(args, "--db"))
		json_object_set_new(body, "db", json_string(verb_args_get(args, "--db")));
	rc = add_source(ctx, args, verb_args_get(args, "--from"), body);
	if (rc) {
		json_decref(body);
		return rc;
	}
	return verb_rest_op(ctx, "POST", "/v1/imports", body);
}

int verb_import_import(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *from = verb_args_get(args, "SOURCE");
	cl_autofree char *path = verb_rest_project(ctx, "/import", false);
	json_t *body = json_object();
	int rc;

	if (verb_args_has(args, "--force"))
		json_object_set_new(body, "force", json_true());
	rc = add_source(ctx, args, from ? from : "-", body);
	if (rc) {
		json_decref(body);
		return rc;
	}
	return verb_rest_op(ctx, "POST", path, body);
}

/* -- export -- */

static const char *format_of(const char *file)
{
	static const char *const ends[][2] = {{".tar.gz", "tar.gz"}, {".tgz", "tar.gz"},
	    {".tar.xz", "tar.xz"}, {".tar.bz2", "tar.bz2"}, {".tar.zst", "tar.zst"}, {".tar", "tar"},
	    {".zip", "zip"}};
	size_t n = strlen(file);

	for (size_t i = 0; i < CL_COUNT(ends); i++) {
		size_t len = strlen(ends[i][0]);

		if (n > len && strcmp(file + n - len, ends[i][0]) == 0)
			return ends[i][1];
	}
	return "tar.gz";
}

/* The archive to stdout, as it comes. */
static int copy_out(struct verb_ctx *ctx, int from)
{
	cl_autofree char *data = mem_alloc(CHUNK);
	ssize_t n;

	while ((n = read(from, data, CHUNK)) != 0) {
		if (ctx->cancelled && *ctx->cancelled)
			return -1;
		if (n > 0)
			ctx->out(ctx->arg, data, (size_t)n, true);
		else if (errno != EINTR && errno != EAGAIN)
			return -1;
	}
	return 0;
}

static void tell(struct verb_ctx *ctx, int from)
{
	char text[1024];
	ssize_t n = read(from, text, sizeof(text) - 1);

	while (n > 0 && text[n - 1] == '\n')
		n--;
	if (n > 0)
		verb_out_note(ctx, "%.*s", (int)n, text);
}

static int receive(struct verb_ctx *ctx, struct client_exec *x, int file, struct cl_err *err)
{
	int rc = file < 0 ? copy_out(ctx, x->fds[1]) : copy(ctx, x->fds[1], file);

	if (rc < 0) {
		err_errno(err, CL_FAILED, "export");
		return verb_out_error(ctx, err);
	}
	if (client_exec_wait(x, err) < 0)
		return verb_out_error(ctx, err);
	tell(ctx, x->fds[2]);
	return 0;
}

/* A file appears whole or not at all. */
static int export_to(struct verb_ctx *ctx, const char *name, struct client_exec *x)
{
	cl_autofree char *part = mem_printf("%s.part", name);
	cl_autoclose int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct cl_err err = {0};
	int rc;

	if (fd < 0) {
		err_errno(&err, CL_FAILED, "export: %s", part);
		return verb_out_error(ctx, &err);
	}
	rc = receive(ctx, x, fd, &err);
	if (rc == 0 && (fsync(fd) < 0 || rename(part, name) < 0)) {
		err_errno(&err, CL_FAILED, "export: %s", name);
		rc = verb_out_error(ctx, &err);
	}
	if (rc)
		unlink(part);
	return rc;
}

int verb_import_export(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *file = verb_args_get(args, "FILE"), *format = verb_args_get(args, "--format");
	bool out = strcmp(file, "-") == 0;
	cl_autofree char *path = verb_rest_project(ctx, "/export", false);
	struct cl_err err = {0};
	struct client_exec x;
	int rc;

	if (out && ctx->out_tty)
		err_set(&err, CL_USAGE, "export: an archive is nothing for a terminal");
	if (!out && ctx->remote)
		err_set(&err, CL_USAGE, "export: files are written on your machine, by your shell");
	if (err.code) {
		err_hint(&err, "ssh lab -- project export -p %s - > %s.tar.gz", ctx->project, ctx->project);
		return verb_out_error(ctx, &err);
	}
	rc = open_ticket(ctx, path, json_pack("{s:s, s:b}", "format", format ? format
	    : format_of(file), "plain", (int)verb_args_has(args, "--plain")), &x, NULL, 0);
	if (rc)
		return rc;
	rc = out ? receive(ctx, &x, -1, &err) : export_to(ctx, file, &x);
	client_exec_close(&x);
	return rc;
}

/* Saves and releases are backed up as what the repository holds: those on their way there are waited
 * for.  Only those that were under way when this began, or a busy lab would never be backed up. */
static int await_pushes(struct verb_ctx *ctx)
{
	bool json = ctx->json;
	json_t *reply, *ops;
	int rc = verb_rest_call(ctx, "GET", "/v1/ops?limit=1000", NULL, &reply);

	if (rc)
		return rc;
	ctx->json = false; /* stdout is for the archive */
	ops = json_object_get(reply, "ops");
	for (size_t i = json_array_size(ops); i-- > 0 && rc == 0;) {
		const json_t *op = json_array_get(ops, i);

		if (strcmp(verb_out_str(op, "kind"), "image push") != 0 || verb_out_str(op, "finished")[0])
			continue;
		verb_out_note(ctx, "backup: waiting for an image on its way into the repository");
		rc = verb_rest_follow(ctx, verb_out_int(op, "id"));
	}
	ctx->json = json;
	json_decref(reply);
	return rc;
}

int verb_import_backup(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *file = verb_args_get(args, "FILE");
	bool out = strcmp(file, "-") == 0;
	struct cl_err err = {0};
	struct client_exec x;
	int rc;

	if (out && ctx->out_tty)
		err_set(&err, CL_USAGE, "backup: an archive is nothing for a terminal");
	if (!out && ctx->remote)
		err_set(&err, CL_USAGE, "backup: files are written on your machine, by your shell");
	if (err.code) {
		err_hint(&err, "ssh lab backup - > lab.backup");
		return verb_out_error(ctx, &err);
	}
	rc = await_pushes(ctx);
	if (rc == 0)
		rc = open_ticket(ctx, "/v1/backup", NULL, &x, NULL, 0);
	if (rc)
		return rc;
	rc = out ? receive(ctx, &x, -1, &err) : export_to(ctx, file, &x);
	client_exec_close(&x);
	return rc;
}

/* A lab that serves cannot be replaced under itself. */
int verb_import_restore(struct verb_ctx *ctx, const struct verb_args *args)
{
	struct cl_err err = {0};

	err_set(&err, CL_PRECONDITION, "restore: it replaces the whole lab, which must not run meanwhile");
	err_hint(&err, "On its machine, as root, in the clone: ./lab down; ./lab restore %s",
	    verb_args_get(args, "FILE"));
	return verb_out_error(ctx, &err);
}

int verb_import_stack(struct verb_ctx *ctx, const struct verb_args *args)
{
	cl_autofree char *path = verb_rest_project(ctx, "/stack", false);
	json_t *p;
	int rc = verb_rest_call(ctx, "PUT", path, json_pack("{s:s}", "stack", verb_args_get(args, "ID")),
	    &p);

	if (rc)
		return rc;
	if (ctx->json)
		verb_out_json(ctx, p, false);
	else if (!ctx->quiet)
		verb_out_line(ctx, "project %s: stack %s", verb_out_str(p, "name"),
		    verb_out_str(p, "stack"));
	json_decref(p);
	return 0;
}
