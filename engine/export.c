/* Archives that build without us: see export.h. */
#include "engine/export.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/utf8.h"

#define FILE_MAX 262144

static const char build_head[] =
    "#!/bin/sh\n"
    "# Builds the images that this project stands on, parents first: images/build [podman|docker]\n"
    "# Their floor, localhost/codinglab/rootfs, is made by mmdebstrap where that is installed (as\n"
    "# root), else taken from debian:trixie-slim.\n"
    "set -eu\n"
    "cd \"$(dirname \"$0\")\"\n"
    "engine=${1:-podman}\n"
    "have() { $engine image inspect \"localhost/codinglab/$1\" >/dev/null 2>&1; }\n"
    "if ! have rootfs && ! have base; then\n"
    "\tif command -v mmdebstrap >/dev/null && [ \"$(id -u)\" = 0 ]; then\n"
    "\t\t./base-rootfs \"$PWD/rootfs.tar\"\n"
    "\t\t$engine import rootfs.tar localhost/codinglab/rootfs:latest\n"
    "\telse\n"
    "\t\tprintf 'FROM debian:trixie-slim\\nRUN apt-get update && apt-get install -y --no-install-recommends"
    " ca-certificates tini && mkdir -p /run/edge /app /src && chmod 1777 /app\\n' |\n"
    "\t\t\t$engine build -t localhost/codinglab/rootfs -\n"
    "\tfi\n"
    "fi\n";

int export_port(const struct export *x)
{
	return x->app->port > 0 ? x->app->port : x->stack->port;
}

const char *export_health(const struct export *x)
{
	return x->app->health[0] ? x->app->health : x->stack->health;
}

json_t *export_argv(char *const *argv)
{
	json_t *a = argv ? json_array() : json_null();

	for (size_t i = 0; argv && argv[i]; i++)
		json_array_append_new(a, json_string(argv[i]));
	return a;
}

json_t *export_check(int port, const char *path)
{
	cl_autofree char *open = mem_printf("exec 3<>/dev/tcp/127.0.0.1/%d", port);
	/* the path is the project's own text: a word of its own, never a part of the line */
	cl_autofree char *get = mem_printf("%s && printf 'GET %%s HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' "
	    "\"$1\" >&3 && read -r line <&3 && case $line in *' 200'*) ;; *) exit 1 ;; esac", open);

	return path[0] ? json_pack("[s, s, s, s, s]", "bash", "-c", get, "check", path)
	    : json_pack("[s, s, s]", "bash", "-c", open);
}

/* -- texts -- */

static void add(json_t *files, const char *name, const char *text, bool executable)
{
	json_object_set_new(files, name, executable ? json_pack("{s:s, s:b}", "text", text,
	    "executable", 1) : json_string(text));
}

static void add_json(json_t *files, const char *name, json_t *value)
{
	char *text = json_dumps(value, JSON_INDENT(2));
	cl_autofree char *line = mem_printf("%s\n", text ? text : "{}");

	add(files, name, line, false);
	mem_free(text);
	json_decref(value);
}

/* ENV lines; a value is quoted as the recipe's language wants it. */
static void add_env(struct buf *b, const struct stack *s)
{
	for (size_t i = 0; i < s->nenv; i++) {
		buf_printf(b, "ENV %s=\"", s->env[i].name);
		for (const char *p = s->env[i].value; *p; p++)
			buf_printf(b, "%s%c", strchr("\"\\$", *p) ? "\\" : "", *p);
		buf_add_str(b, "\"\n");
	}
}

static void add_words(struct buf *b, const char *what, char *const *argv)
{
	json_t *a = export_argv(argv);
	char *text = json_dumps(a, 0);

	if (argv)
		buf_printf(b, "%s %s\n", what, text);
	mem_free(text);
	json_decref(a);
}

static void add_containerfile(json_t *files, const struct export *x)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_printf(&b, "# The application. images/build makes what it is FROM.\n"
	    "FROM localhost/codinglab/%s AS build\nCOPY app/ /app/\nWORKDIR /app\nENV HOME=/tmp\n",
	    x->stack->dev.id);
	add_env(&b, x->stack);
	add_words(&b, "RUN", appfile_get(x->app, x->stack, STACK_BUILD));
	buf_printf(&b, "\nFROM localhost/codinglab/%s\nCOPY --from=build /app /app\nWORKDIR /app\n"
	    "ENV HOME=/tmp PORT=%d\n", x->stack->run.id, export_port(x));
	add_env(&b, x->stack);
	buf_printf(&b, "USER 10102:10102\nEXPOSE %d\n", export_port(x));
	add_words(&b, "CMD", appfile_get(x->app, x->stack, STACK_SERVE));
	add(files, "Containerfile", b.data, false);
	buf_clear(&b);
}

static void add_env_file(json_t *files, const struct export *x)
{
	struct buf b;

	buf_init(&b, 65536);
	buf_add_str(&b, "# Placeholders: choose your own before anybody else can reach this.\n");
	if (x->db)
		buf_add_str(&b, "DATABASE_PASSWORD=change-me\n");
	for (size_t i = 0; x->stack->secrets && x->stack->secrets[i]; i++)
		buf_printf(&b, "%s=change-me-too\n", x->stack->secrets[i]);
	add(files, ".env", b.data, false);
	buf_clear(&b);
}

static void add_readme(json_t *files, const struct export *x)
{
	cl_autofree char *text = mem_printf(
	    "# %s\n\nExported from CodingLab; nothing of it is needed to build and run this.\n\n"
	    "- `app/` is the project itself (stack %s), `Containerfile` its image.\n"
	    "- `images/build [podman|docker]` builds the images that it stands on (Debian 13).\n"
	    "- `compose.yaml`: `docker compose up --build` or `podman-compose up --build`, then\n"
	    "  http://localhost:8080/. The passwords in `.env` are placeholders: change them first.\n"
	    "- `kubernetes/`: push the images to a registry of yours, put their names and your\n"
	    "  passwords into the manifests, then `kubectl apply -f kubernetes/`.\n\n"
	    "Without compose:\n\n    images/build podman\n    podman build -t localhost/%s .\n"
	    "    podman run --rm -p %d:%d --env-file .env localhost/%s\n\n"
	    "The archive can be imported again: `project create NAME --from FILE`.\n", x->name,
	    x->stack->id, x->name, export_port(x), export_port(x), x->name);

	add(files, "README.md", text, false);
}

/* -- recipes -- */

static int add_file(json_t *files, int root, const char *name, const char *as, struct cl_err *err)
{
	cl_autofree char *text = NULL;
	struct stat st;
	size_t len;

	if (path_stat(root, name, &st, err) < 0)
		return -1;
	if (!S_ISREG(st.st_mode))
		return 0;
	text = path_read(root, name, FILE_MAX, &len, err);
	if (!text)
		return -1;
	if (strlen(text) != len || !utf8_valid(text, len))
		return err_set(err, CL_FAILED, "export: %s is no text", as);
	add(files, as, text, st.st_mode & 0111);
	return 0;
}

/* The folder of a stack, as its recipes use it: files, without the template. */
static int add_folder(json_t *files, const struct export *x, const struct stack *s,
    struct cl_err *err)
{
	cl_autofree char *dir = mem_printf("%s/%s", s->added ? x->added : x->images, s->id);
	cl_autoclose int root = path_root(dir, err);
	struct dirent **list = NULL;
	int n, rc = 0;

	if (root < 0)
		return -1;
	n = scandir(dir, &list, NULL, alphasort);
	if (n < 0)
		return err_errno(err, CL_FAILED, "%s", dir);
	for (int i = 0; i < n; i++) {
		cl_autofree char *as = mem_printf("images/%s/%s", s->id, list[i]->d_name);

		if (rc == 0 && list[i]->d_name[0] != '.')
			rc = add_file(files, root, list[i]->d_name, as, err);
		mem_free(list[i]);
	}
	mem_free(list);
	return rc;
}

static int add_recipes(json_t *files, const struct export *x, struct cl_err *err)
{
	const char *ids[4] = {x->stack->dev.id, x->stack->run.id, x->web->run.id,
	    x->db ? x->db->run.id : NULL};
	cl_autoclose int root = path_root(x->images, err);
	struct stack_step *steps = NULL;
	struct buf b;
	int n = stack_order(x->stacks, ids, x->db ? 4 : 3, &steps, err), rc = n < 0 || root < 0 ? -1 : 0;

	buf_init(&b, 65536);
	buf_add_str(&b, build_head);
	for (int i = 0; i < n && rc == 0; i++) {
		const struct stack *s = steps[i].stack;

		buf_printf(&b, "have %s || $engine build -t localhost/codinglab/%s -f %s/%s %s\n",
		    steps[i].image->id, steps[i].image->id, s->id, steps[i].image->file, s->id);
		rc = add_folder(files, x, s, err);
	}
	if (rc == 0)
		rc = add_file(files, root, "base-rootfs", "images/base-rootfs", err);
	add(files, "images/build", b.data, true);
	buf_clear(&b);
	mem_free(steps);
	return rc;
}

/* The platform's Web tier asks the edge by its socket; this one asks `was` by name. */
static int add_web(json_t *files, const struct export *x, struct cl_err *err)
{
	cl_autofree char *dir = mem_printf("%s/web", x->images);
	cl_autoclose int root = path_root(dir, err);
	size_t len;
	cl_autofree char *text = root < 0 ? NULL : path_read(root, "nginx.conf", FILE_MAX, &len, err);
	char *line, *next;
	bool said = false;
	struct buf b;

	if (!text)
		return -1;
	buf_init(&b, FILE_MAX * 2);
	for (line = text; *line; line = next) {
		size_t n = strcspn(line, "\n");

		next = line + n + (line[n] == '\n');
		if (!memmem(line, n, "unix:/run/edge/was.sock", 23))
			buf_add(&b, line, (size_t)(next - line));
		else if (!said)
			buf_printf(&b, "\t\tserver was:%d max_fails=0;\n", export_port(x));
		said = said || memmem(line, n, "unix:/run/edge/was.sock", 23);
	}
	add(files, "web/nginx.conf", b.data, false);
	buf_clear(&b);
	add(files, "web/Containerfile", "FROM localhost/codinglab/web\nCOPY nginx.conf /etc/nginx/nginx.conf\n"
	    "USER 10101:10101\n", false);
	return said ? 0 : err_set(err, CL_FAILED, "export: the Web tier's settings name no socket");
}

char *export_files(const struct export *x, struct cl_err *err)
{
	json_t *files = json_object(), *objects, *o;
	const char *name;
	char *text = NULL;

	add_json(files, "codinglab-export.json", json_pack("{s:i, s:s, s:s}", "format", 1, "name",
	    x->name, "stack", x->stack->id));
	add_readme(files, x);
	add_containerfile(files, x);
	add_env_file(files, x);
	add_json(files, "compose.yaml", export_compose_make(x));
	objects = export_kube_make(x);
	json_object_foreach(objects, name, o) {
		cl_autofree char *path = mem_printf("kubernetes/%s.yaml", name);

		add_json(files, path, json_incref(o));
	}
	json_decref(objects);
	if (add_web(files, x, err) == 0 && add_recipes(files, x, err) == 0)
		text = json_dumps(files, JSON_COMPACT);
	json_decref(files);
	return text;
}
