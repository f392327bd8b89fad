/* The other halves of sftp, scp, rsync and git: see verb_copy.h. */
#include "engine/client/verb_copy.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/name.h"
#include "engine/client/verb_args.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_sftp.h"
#include "engine/client/verbs.h"

#define COPY_WORKSPACE "/workspace"
#define COPY_DEPLOY 200 /* of the script below: branch `deploy` moved */
#define COPY_FLUSH 4    /* bytes of git's flush packet, "0000" */

/* The project's folder under its own name, so that PROJECT/PATH needs no rewriting. */
#define COPY_HOME_SCRIPT \
	"d=$(mktemp -d) && ln -s " COPY_WORKSPACE " \"$d/$1\" && cd \"$d\" || exit 1\n" \
	"trap 'rm -rf \"$d\"' EXIT; trap 'exit 129' HUP TERM; sh -c \"$2\""
#define COPY_GIT_BEGIN \
	"cd \"$1\" || exit 128\n" \
	"export GIT_AUTHOR_NAME=\"$USER\" GIT_AUTHOR_EMAIL=\"$USER@localhost\"" \
	" GIT_COMMITTER_NAME=\"$USER\" GIT_COMMITTER_EMAIL=\"$USER@localhost\"\n" \
	"git rev-parse --git-dir >/dev/null 2>&1 </dev/null || { git init -q -b main . && git add -A &&" \
	" git commit -q --allow-empty -m 'Files of the project as they were'; } >&2 </dev/null ||" \
	" exit 128\n"
#define COPY_GIT_READ COPY_GIT_BEGIN "exec git \"$2\" ."
#define COPY_GIT_WRITE COPY_GIT_BEGIN \
	"b=$(git rev-parse -q --verify refs/heads/deploy)\n" \
	"git -c receive.denyCurrentBranch=updateInstead receive-pack .; rc=$?\n" \
	"a=$(git rev-parse -q --verify refs/heads/deploy)\n" \
	"[ $rc = 0 ] && [ -n \"$a\" ] && [ \"$a\" != \"$b\" ] || exit $rc\n" \
	"[ \"$(git symbolic-ref -q HEAD)\" = refs/heads/deploy ] ||" \
	" git checkout -q deploy >&2 </dev/null || exit 1\n" \
	"exit 200"

static int refuse(struct verb_ctx *ctx, const char *what)
{
	struct cl_err err = {0};

	err_set(&err, CL_USAGE, "%s: no project is named", what);
	err_hint(&err, "Connect as user+project@host, or name it first in the path: host:PROJECT/PATH");
	return verb_out_error(ctx, &err);
}

static int sftp(struct verb_ctx *ctx)
{
	static const char *const argv[] = {"/usr/lib/openssh/sftp-server", NULL};

	return ctx->project[0] ? verb_exec_program(ctx, argv) : verb_sftp_run(ctx);
}

/* What ssh-copy-id has the server's shell do: cat >> .ssh/authorized_keys.  Here an account's keys
 * are those of the platform. */
static bool is_copy_id(const char *line)
{
	return strncmp(line, "exec sh -c 'cd", 14) == 0 && strstr(line, "cat >> \".ssh/authorized_keys\"");
}

/* --- scp and rsync without +project: the first folder of their paths is the project --- */

/* The path's first folder into name; false when it is none that a project could have. */
static bool first_folder(const char *path, char *name, size_t size)
{
	size_t n = strcspn(path, "/");

	if (strncmp(path, "./", 2) == 0)
		return first_folder(path + 2, name, size);
	if (n == 0 || n >= size)
		return false;
	memcpy(name, path, n);
	name[n] = '\0';
	return name_valid(name);
}

/* Where the paths begin among the words of the server's half, or -1 if it is none. */
static int paths_at(char *const *words, int n)
{
	bool server = false;

	if (n < 3 || (strcmp(words[0], "scp") != 0 && strcmp(words[0], "rsync") != 0))
		return -1;
	if (words[0][0] == 's') {
		for (int i = 1; i < n - 1; i++)
			server = server || strcmp(words[i], "-t") == 0 || strcmp(words[i], "-f") == 0;
		return server ? n - 1 : -1;
	}
	for (int i = 1; i < n - 1; i++)
		if (strcmp(words[i], ".") == 0)
			return strcmp(words[1], "--server") == 0 ? i + 1 : -1;
	return -1;
}

static int home_copy(struct verb_ctx *ctx, const char *line, char *const *words, int n, int at)
{
	char name[64] = "", other[64];

	for (int i = at; i < n; i++) {
		if (!first_folder(words[i], i == at ? name : other, sizeof(name)) ||
		    (i > at && strcmp(name, other) != 0))
			return refuse(ctx, words[0]);
	}
	ctx->project = name;
	return verb_exec_program(ctx, (const char *const[]){"/bin/sh", "-c", COPY_HOME_SCRIPT, "sh",
	    name, line, NULL});
}

/* --- git --- */

/* What git's server half sends.  The end of its report, where nothing more would follow, is kept
 * back: what a deployment says goes before it, in band 2, which git shows as lines of "remote:". */
struct band {
	struct verb_ctx *to;
	char last[2 * COPY_FLUSH]; /* bytes that were given to us last */
	bool held;                 /* the final flush packet is not sent yet */
};

static void flush_held(struct band *b)
{
	if (b->held)
		b->to->out(b->to->arg, "0000", COPY_FLUSH, true);
	b->held = false;
}

/* In band 1 a report ends with a flush packet, and another one ends everything. */
static void pass_cb(void *arg, const char *data, size_t n, bool raw)
{
	struct band *b = arg;

	flush_held(b);
	for (size_t i = n > sizeof(b->last) ? n - sizeof(b->last) : 0; i < n; i++) {
		memmove(b->last, b->last + 1, sizeof(b->last) - 1);
		b->last[sizeof(b->last) - 1] = data[i];
	}
	b->held = n >= COPY_FLUSH && memcmp(b->last, "00000000", sizeof(b->last)) == 0;
	b->to->out(b->to->arg, data, n - (b->held ? COPY_FLUSH : 0), true);
}

static void pass_err_cb(void *arg, const char *text, size_t n)
{
	struct band *b = arg;

	b->to->err(b->to->arg, text, n);
}

static void say_cb(void *arg, const char *text, size_t n)
{
	struct band *b = arg;
	char head[8];

	for (size_t some; n; text += some, n -= some) {
		some = n < 900 ? n : 900;
		snprintf(head, sizeof(head), "%04zx", some + 5);
		b->to->out(b->to->arg, head, 4, true);
		b->to->out(b->to->arg, "\2", 1, true);
		b->to->out(b->to->arg, text, some, true);
	}
}

static void say_out_cb(void *arg, const char *text, size_t n, bool raw)
{
	say_cb(arg, text, n);
}

static int deploy(struct band *b)
{
	struct verb_ctx ctx = *b->to;

	ctx.arg = b;
	ctx.in = -1;
	ctx.direct = false;
	if (b->held) {
		ctx.out = say_out_cb;
		ctx.err = say_cb;
	}
	return verb_run_line(&ctx, "deploy");
}

static int receive(struct verb_ctx *ctx, const char *folder)
{
	struct band b = {.to = ctx};
	struct verb_ctx inner = *ctx;
	int rc;

	inner.direct = false; /* we read what it says */
	inner.out = pass_cb;
	inner.err = pass_err_cb;
	inner.arg = &b;
	rc = verb_exec_program(&inner, (const char *const[]){"/bin/sh", "-c", COPY_GIT_WRITE, "sh",
	    folder, NULL});
	ctx->signal = inner.signal;
	if (rc == COPY_DEPLOY)
		rc = deploy(&b);
	flush_held(&b);
	return rc;
}

/* "/shop.git", "shop", "alice/shop" to the project as -p takes it; false if it names none. */
static bool git_project(const char *path, char *out, size_t size)
{
	const char *slash;
	size_t n;

	path += strspn(path, "/~");
	n = strlen(path);
	while (n && path[n - 1] == '/')
		n--;
	if (n > 4 && memcmp(path + n - 4, ".git", 4) == 0)
		n -= 4;
	if (n == 0 || n >= size)
		return false;
	memcpy(out, path, n);
	out[n] = '\0';
	slash = strchr(out, '/');
	if (!slash)
		return name_valid(out);
	out[slash - out] = '\0';
	if (!name_valid(out) || !name_valid(slash + 1))
		return false;
	out[slash - out] = '.';
	return true;
}

/* With +project: the project itself, or a folder of it. */
static const char *git_folder(const char *project, const char *path, char *out, size_t size)
{
	const char *own = strrchr(project, '.');
	size_t n = strlen(COPY_WORKSPACE);

	own = own ? own + 1 : project;
	if (strncmp(path, COPY_WORKSPACE, n) == 0 && (!path[n] || path[n] == '/'))
		path += n;
	path += strspn(path, "/");
	n = strlen(own);
	if (strncmp(path, own, n) == 0 && (!path[n] || strcmp(path + n, ".git") == 0 ||
	    strcmp(path + n, "/") == 0))
		path = "";
	snprintf(out, size, "%s/%s", COPY_WORKSPACE, path);
	return out;
}

static int git(struct verb_ctx *ctx, const char *what, const char *path)
{
	char project[80], folder[512];

	if (!ctx->project[0]) {
		if (!git_project(path, project, sizeof(project)))
			return refuse(ctx, "git");
		ctx->project = project;
		path = "";
	}
	git_folder(ctx->project, path, folder, sizeof(folder));
	if (strcmp(what, "receive-pack") == 0)
		return receive(ctx, folder);
	return verb_exec_program(ctx, (const char *const[]){"/bin/sh", "-c", COPY_GIT_READ, "sh", folder,
	    what, NULL});
}

/* "upload-pack" of "git-upload-pack" and "git upload-pack"; NULL if it is not git's. */
static const char *git_service(char *const *words, int n)
{
	static const char *const services[] = {"upload-pack", "receive-pack", "upload-archive"};
	const char *word = n == 2 && strncmp(words[0], "git-", 4) == 0 ? words[0] + 4 :
	    n == 3 && strcmp(words[0], "git") == 0 ? words[1] : "";

	for (size_t i = 0; i < CL_COUNT(services); i++)
		if (strcmp(word, services[i]) == 0)
			return services[i];
	return NULL;
}

bool verb_copy_line(struct verb_ctx *ctx, const char *line, int *rc)
{
	cl_autofree char **words = NULL;
	const char *service;
	int n, at;

	if (strcmp(line, VERB_COPY_SFTP) == 0) {
		*rc = sftp(ctx);
		return true;
	}
	if (is_copy_id(line)) {
		*rc = verb_key_copy_id(ctx);
		return true;
	}
	n = verb_args_split(line, &words);
	service = n > 0 ? git_service(words, n) : NULL;
	if (service) {
		*rc = git(ctx, service, words[n - 1]);
		return true;
	}
	at = n > 0 && !ctx->project[0] ? paths_at(words, n) : -1;
	if (at < 0)
		return false;
	*rc = home_copy(ctx, line, words, n, at);
	return true;
}
