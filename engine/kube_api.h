/*
 * A client of the Kubernetes API: objects are JSON, a call blocks (worker threads only, several at a
 * time).  429, 5xx and a server that is away are tried again for some seconds with growing pauses; what
 * remains is CL_UNAVAILABLE.  Replies have ceilings.
 */
#ifndef ENGINE_KUBE_API_H
#define ENGINE_KUBE_API_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <jansson.h>
#include "base/err.h"
#include "engine/kube_config.h"

#define KUBE_API_MANAGER "codinglab" /* field manager of server-side apply */
#define KUBE_API_VERSION_MAX 64      /* of a resourceVersion */

struct kube_api;

/* Takes c's contents. */
struct kube_api *kube_api_new(struct kube_config *c);
void kube_api_free(struct kube_api *a);
/* Ends calls that run and makes new ones fail, for shutting down. */
void kube_api_stop(struct kube_api *a);
const char *kube_api_server(const struct kube_api *a);
/* How long a call is tried again (ms); default 15,000. */
void kube_api_patience(struct kube_api *a, int ms);

/* "/api/v1/namespaces/NS/pods/NAME"; ns "" for what has no namespace or for all of them, name "" for a
 * list.  -1: a kind that is not in the table. */
int kube_api_path(char *out, size_t size, const char *kind, const char *ns, const char *name);

/* *out is the caller's.  404 is CL_NOT_FOUND, 409 CL_CONFLICT, 401/403 CL_FORBIDDEN. */
int kube_api_get(struct kube_api *a, const char *kind, const char *ns, const char *name,
    json_t **out, struct cl_err *err);
int kube_api_raw(struct kube_api *a, const char *path, json_t **out, struct cl_err *err);
/* The same, without patience: for what is asked again soon anyway. */
int kube_api_once(struct kube_api *a, const char *path, json_t **out, struct cl_err *err);
/* Server-side apply, ours by force: what the object has by its own apiVersion and kind.  dry: only
 * checked.  out may be NULL. */
int kube_api_apply(struct kube_api *a, const json_t *object, bool dry, json_t **out,
    struct cl_err *err);
/* The number of replicas of a Deployment stays what it is when our next apply no longer says one: it becomes
 * another manager's (else server-side apply sets it to 1). */
int kube_api_let_replicas(struct kube_api *a, const char *ns, const char *name, struct cl_err *err);
/* What is not there is well removed.  With what depends on it, in the background. */
int kube_api_delete(struct kube_api *a, const char *kind, const char *ns, const char *name,
    struct cl_err *err);
int kube_api_delete_all(struct kube_api *a, const char *kind, const char *ns, const char *selector,
    struct cl_err *err);
/* *items: an array, the caller's; version (KUBE_API_VERSION_MAX bytes, or NULL): where a watch goes on.
 * Read in pages of 500. */
int kube_api_list(struct kube_api *a, const char *kind, const char *ns, const char *selector,
    json_t **items, char *version, struct cl_err *err);
/* A stream of text or of watch events, given to data as it comes; ends at the server's will (0), when data
 * returns nonzero or stop (may be NULL) says so (0 too), or -1.  query: "watch=1&...", without '?'. */
int kube_api_stream(struct kube_api *a, const char *kind, const char *ns, const char *name,
    const char *query, int (*data)(void *arg, const char *text, size_t len), void *arg,
    bool (*stop)(void *arg), struct cl_err *err);
/* What of the API groups' versions is served: "policy", "v1". */
bool kube_api_serves(struct kube_api *a, const char *group, const char *version);

/* Who we are, for a connection that is not made here (a WebSocket).  Blocks as a plug-in does; the caller's:
 * kube_api_who_clear(). */
struct kube_api_who {
	char server[1024];       /* "https://HOST:PORT" */
	char *ca;                /* PEM; NULL = what the machine trusts */
	char *header;            /* "Authorization: Bearer ...", or NULL */
	char *cert, *key;        /* PEM, both or none */
	bool any_server;
};

int kube_api_who_take(struct kube_api *a, struct kube_api_who *out, struct cl_err *err);
void kube_api_who_clear(struct kube_api_who *w);

/* Percent-encode for a query; caller frees. */
char *kube_api_escape(const char *s);

#endif
