/*
 * Kubeconfig: see kube_config.h.  A file holds named clusters, users and contexts (cluster + user):
 *
 *   current-context ─► contexts[name].context ─► clusters[name].cluster
 *                                             └► users[name].user
 *
 * What would change whom we talk to and is not supported is refused, never passed over.
 */
#include "engine/kube_config.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/mem.h"

#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"
#define PLUGIN_WORDS 64

struct source {                  /* a document being read */
	yaml_document_t doc;
	const char *dir;
};

static int read_cluster(struct source *s, yaml_node_t *n, struct kube_config *c,
    struct cl_err *err);
/* From somebody else: nothing of this machine is read or run for it. */
static int no_files(const char *what, struct cl_err *err)
{
	err_set(err, CL_USAGE, "kubeconfig: its %s is a file or a program of another machine", what);
	return err_hint(err, "kubectl config view --flatten --minify puts all into one file; plug-ins give no token to pass on");
}

static int read_user(struct source *s, yaml_node_t *n, struct kube_config *c, struct cl_err *err);
static int no_files(const char *what, struct cl_err *err);
static int read_plugin(struct source *s, yaml_node_t *n, struct kube_config_plugin *p,
    struct cl_err *err);
static char *read_pem(struct source *s, yaml_node_t *n, const char *data, const char *file,
    struct cl_err *err);
static char *read_whole(const char *dir, const char *name, struct cl_err *err);
static yaml_node_t *item_of(struct source *s, yaml_node_t *n, size_t i);
static yaml_node_t *child(struct source *s, yaml_node_t *n, const char *key);
static const char *word(struct source *s, yaml_node_t *n, const char *key);
static bool yes(struct source *s, yaml_node_t *n, const char *key);
static yaml_node_t *named(struct source *s, yaml_node_t *root, const char *list, const char *name,
    const char *what);

int kube_config_load(struct kube_config *c, const char *path, const char *context,
    struct cl_err *err)
{
	cl_autofree char *text = NULL, *dir = mem_strdup(path);
	char *slash = strrchr(dir, '/');

	memset(c, 0, sizeof(*c));
	text = read_whole("", path, err);
	if (!text)
		return -1;
	if (slash)
		slash[slash == dir] = '\0';
	return kube_config_parse(c, text, strlen(text), slash ? dir : ".", context, err);
}

static int read_document(struct source *s, struct kube_config *c, const char *context,
    struct cl_err *err)
{
	yaml_node_t *root = yaml_document_get_root_node(&s->doc), *ctx, *user, *cluster;
	const char *current = word(s, root, "current-context"), *kind = word(s, root, "kind");

	if (!root || root->type != YAML_MAPPING_NODE || (kind && strcmp(kind, "Config") != 0))
		return err_set(err, CL_USAGE, "kubeconfig: this is no file of kind Config");
	if (context[0] == '\0')
		context = current ? current : "";
	if (context[0] == '\0')
		return err_set(err, CL_USAGE, "kubeconfig: it has no current-context");
	(void)mem_copy_str(c->context, sizeof(c->context), context);
	ctx = named(s, root, "contexts", context, "context");
	if (!ctx)
		return err_set(err, CL_NOT_FOUND, "kubeconfig: no context is called %.100s", context);
	cluster = word(s, ctx, "cluster") ? named(s, root, "clusters", word(s, ctx, "cluster"),
	    "cluster") : NULL;
	if (!cluster)
		return err_set(err, CL_NOT_FOUND, "kubeconfig: the cluster of context %.100s is not in it",
		    context);
	user = word(s, ctx, "user") ? named(s, root, "users", word(s, ctx, "user"), "user") : NULL;
	if (word(s, ctx, "user") && word(s, ctx, "user")[0] != '\0' && !user)
		return err_set(err, CL_NOT_FOUND, "kubeconfig: the user of context %.100s is not in it",
		    context);
	if (read_cluster(s, cluster, c, err) != 0)
		return -1;
	return user ? read_user(s, user, c, err) : 0;
}

int kube_config_parse(struct kube_config *c, const char *text, size_t len, const char *dir,
    const char *context, struct cl_err *err)
{
	struct source s = { .dir = dir };
	yaml_parser_t parser;
	int rc;

	memset(c, 0, sizeof(*c));
	if (len > KUBE_CONFIG_MAX)
		return err_set(err, CL_TOO_LARGE, "kubeconfig: more than %u bytes", KUBE_CONFIG_MAX);
	if (!yaml_parser_initialize(&parser))
		return err_set(err, CL_FAILED, "kubeconfig: libyaml does not start");
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	if (!yaml_parser_load(&parser, &s.doc)) {
		err_set(err, CL_USAGE, "kubeconfig: line %zu: %s", parser.problem_mark.line + 1,
		    parser.problem ? parser.problem : "it cannot be read");
		yaml_parser_delete(&parser);
		return -1;
	}
	rc = read_document(&s, c, context, err);
	yaml_document_delete(&s.doc);
	yaml_parser_delete(&parser);
	if (rc != 0)
		kube_config_clear(c);
	return rc;
}

int kube_config_in_cluster(struct kube_config *c, const char *folder, struct cl_err *err)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
	bool v6 = host && strchr(host, ':');

	memset(c, 0, sizeof(*c));
	folder = folder ? folder : ACCOUNT;
	if (!host || !port)
		return err_set(err, CL_NOT_FOUND, "kubernetes: no kubeconfig is set, and this is no pod");
	(void)snprintf(c->server, sizeof(c->server), "https://%s%s%s:%s", v6 ? "[" : "", host,
	    v6 ? "]" : "", port);
	(void)snprintf(c->token_file, sizeof(c->token_file), "%s/token", folder);
	(void)mem_copy_str(c->context, sizeof(c->context), "in-cluster");
	(void)snprintf(c->ca_file, sizeof(c->ca_file), "%s/ca.crt", folder);
	c->ca = read_whole("", c->ca_file, err);
	return c->ca ? 0 : -1;
}

char *kube_config_ca(const struct kube_config *c)
{
	struct cl_err ignored = { 0 };
	char *now = read_whole("", c->ca_file, &ignored);

	return now ? now : mem_strdup(c->ca);
}

static void clear_words(char **words)
{
	for (size_t i = 0; words && words[i]; i++)
		mem_free(words[i]);
	mem_free(words);
}

static void clear_secret(char *s)
{
	if (s)
		mem_wipe(s, strlen(s));
	mem_free(s);
}

void kube_config_clear(struct kube_config *c)
{
	mem_free(c->ca);
	mem_free(c->cert);
	clear_secret(c->key);
	clear_secret(c->token);
	mem_free(c->plugin.command);
	clear_words(c->plugin.args);
	clear_words(c->plugin.env);
	memset(c, 0, sizeof(*c));
}

static int read_cluster(struct source *s, yaml_node_t *n, struct kube_config *c,
    struct cl_err *err)
{
	static const char *const unknown[] = { "tls-server-name", "proxy-url", NULL };
	const char *server = word(s, n, "server");
	size_t len;

	for (size_t i = 0; unknown[i]; i++)
		if (word(s, n, unknown[i]))
			return err_set(err, CL_NOT_IMPLEMENTED, "kubeconfig: %s is not supported",
			    unknown[i]);
	if (!server || (strncmp(server, "https://", 8) != 0 && strncmp(server, "http://", 7) != 0) ||
	    mem_copy_str(c->server, sizeof(c->server), server) != 0)
		return err_set(err, CL_USAGE, "kubeconfig: the cluster has no server of the form "
		    "https://HOST:PORT");
	for (len = strlen(c->server); len > 0 && c->server[len - 1] == '/'; len--)
		c->server[len - 1] = '\0';
	c->any_server = yes(s, n, "insecure-skip-tls-verify");
	c->ca = read_pem(s, n, "certificate-authority-data", "certificate-authority", err);
	return err->code == CL_OK ? 0 : -1;
}

static int read_user(struct source *s, yaml_node_t *n, struct kube_config *c, struct cl_err *err)
{
	static const char *const unknown[] = { "auth-provider", "username", "as", NULL };
	const char *file = word(s, n, "tokenFile"), *token = word(s, n, "token");
	yaml_node_t *plugin = child(s, n, "exec");

	if (!s->dir && (file || plugin))
		return no_files(file ? "tokenFile" : "exec", err);
	for (size_t i = 0; unknown[i]; i++)
		if (child(s, n, unknown[i]))
			return err_set(err, CL_NOT_IMPLEMENTED, "kubeconfig: a user's %s is not supported",
			    unknown[i]);
	c->cert = read_pem(s, n, "client-certificate-data", "client-certificate", err);
	c->key = read_pem(s, n, "client-key-data", "client-key", err);
	if (err->code != CL_OK)
		return -1;
	if (!c->cert != !c->key)
		return err_set(err, CL_USAGE, "kubeconfig: a client certificate needs its key");
	if (token && strpbrk(token, "\r\n"))
		return err_set(err, CL_USAGE, "kubeconfig: the token has more than one line");
	c->token = file ? NULL : mem_strdup(token);
	if (file && (size_t)snprintf(c->token_file, sizeof(c->token_file), "%s%s%s",
	    file[0] == '/' ? "" : s->dir, file[0] == '/' ? "" : "/", file) >= sizeof(c->token_file))
		return err_set(err, CL_USAGE, "kubeconfig: the name of its token file is too long");
	return plugin ? read_plugin(s, plugin, &c->plugin, err) : 0;
}

static int read_plugin(struct source *s, yaml_node_t *n, struct kube_config_plugin *p,
    struct cl_err *err)
{
	const char *command = word(s, n, "command"), *version = word(s, n, "apiVersion");
	yaml_node_t *args = child(s, n, "args"), *env = child(s, n, "env"), *item;
	size_t count = 0, named_vars = 0;

	if (!command || command[0] == '\0' || !version ||
	    strncmp(version, "client.authentication.k8s.io/", 29) != 0 ||
	    mem_copy_str(p->api_version, sizeof(p->api_version), version) != 0)
		return err_set(err, CL_USAGE, "kubeconfig: exec needs a command and an apiVersion of "
		    "client.authentication.k8s.io");
	p->command = strchr(command, '/') && command[0] != '/' ? mem_printf("%s/%s", s->dir, command)
	    : mem_strdup(command);
	p->cluster_info = yes(s, n, "provideClusterInfo");
	p->args = mem_array(PLUGIN_WORDS + 1, sizeof(*p->args));
	p->env = mem_array(PLUGIN_WORDS + 1, sizeof(*p->env));
	while ((item = item_of(s, args, count)) && count < PLUGIN_WORDS)
		p->args[count++] = mem_strdup(item->type == YAML_SCALAR_NODE ?
		    (const char *)item->data.scalar.value : "");
	for (size_t i = 0; (item = item_of(s, env, i)) && i < PLUGIN_WORDS; i++) {
		const char *name = word(s, item, "name"), *value = word(s, item, "value");

		if (name && name[0] && !strchr(name, '=') && value)
			p->env[named_vars++] = mem_printf("%s=%s", name, value);
	}
	return 0;
}

/* NULL: n is no list, or not that long. */
static yaml_node_t *item_of(struct source *s, yaml_node_t *n, size_t i)
{
	if (!n || n->type != YAML_SEQUENCE_NODE ||
	    i >= (size_t)(n->data.sequence.items.top - n->data.sequence.items.start))
		return NULL;
	return yaml_document_get_node(&s->doc, n->data.sequence.items.start[i]);
}

/* Base64 in the file itself, or another file; NULL and no error when neither is there. */
static char *read_pem(struct source *s, yaml_node_t *n, const char *data, const char *file,
    struct cl_err *err)
{
	const char *text = word(s, n, data), *name = word(s, n, file);
	size_t len = 0, size;
	char *out;

	if ((!text || !text[0]) && name && name[0] && !s->dir) {
		no_files(file, err);
		return NULL;
	}
	if (!text || !text[0])
		return name && name[0] ? read_whole(name[0] == '/' ? "" : s->dir, name, err) : NULL;
	size = strlen(text) / 4 * 3 + 4;
	out = mem_alloc(size);
	if (sodium_base642bin((unsigned char *)out, size - 1, text, strlen(text), " \r\n", &len, NULL,
	    sodium_base64_VARIANT_ORIGINAL) != 0 || memchr(out, '\0', len)) {
		clear_secret(out);
		err_set(err, CL_USAGE, "kubeconfig: %s is not base64", data);
		return NULL;
	}
	out[len] = '\0';
	return out;
}

/* dir "" = the working directory, or name is absolute. */
static char *read_whole(const char *dir, const char *name, struct cl_err *err)
{
	cl_autofree char *path = mem_printf("%s%s%s", dir, dir[0] ? "/" : "", name);
	cl_autofclose FILE *f = fopen(path, "re");
	char *out;
	size_t n;

	if (!f) {
		err_errno(err, CL_NOT_FOUND, "%s", path);
		return NULL;
	}
	out = mem_alloc(KUBE_CONFIG_MAX + 2);
	n = fread(out, 1, KUBE_CONFIG_MAX + 1, f);
	if (n <= KUBE_CONFIG_MAX && !ferror(f) && !memchr(out, '\0', n)) {
		out = mem_resize(out, n + 1, 1);
		out[n] = '\0';
		return out;
	}
	mem_wipe(out, n);
	mem_free(out);
	err_set(err, CL_TOO_LARGE, "%s: larger than %u bytes, or no text", path, KUBE_CONFIG_MAX);
	return NULL;
}

static yaml_node_t *child(struct source *s, yaml_node_t *n, const char *key)
{
	if (!n || n->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
		yaml_node_t *k = yaml_document_get_node(&s->doc, p->key);

		if (k && k->type == YAML_SCALAR_NODE &&
		    strcmp((const char *)k->data.scalar.value, key) == 0)
			return yaml_document_get_node(&s->doc, p->value);
	}
	return NULL;
}

/* A scalar with a value; borrowed from the document. */
static const char *word(struct source *s, yaml_node_t *n, const char *key)
{
	yaml_node_t *v = child(s, n, key);
	const char *text = v && v->type == YAML_SCALAR_NODE ? (const char *)v->data.scalar.value : NULL;

	if (text && v->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	    (text[0] == '\0' || strcmp(text, "null") == 0 || strcmp(text, "~") == 0))
		return NULL;
	return text;
}

static bool yes(struct source *s, yaml_node_t *n, const char *key)
{
	const char *text = word(s, n, key);

	return text && (strcmp(text, "true") == 0 || strcmp(text, "True") == 0);
}

/* The `what` of the entry with this name in a list of {name, what}. */
static yaml_node_t *named(struct source *s, yaml_node_t *root, const char *list, const char *name,
    const char *what)
{
	yaml_node_t *all = child(s, root, list);

	if (!all || all->type != YAML_SEQUENCE_NODE)
		return NULL;
	for (yaml_node_item_t *i = all->data.sequence.items.start; i < all->data.sequence.items.top;
	    i++) {
		yaml_node_t *entry = yaml_document_get_node(&s->doc, *i);
		const char *is = word(s, entry, "name");

		if (is && strcmp(is, name) == 0)
			return child(s, entry, what);
	}
	return NULL;
}
