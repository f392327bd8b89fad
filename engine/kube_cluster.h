/*
 * A cluster as the backend `kube` holds it: the client, what is known of its objects and which of them are ours.
 * Two labs may share a cluster: what a lab makes carries its identity, and nothing else is touched.
 */
#ifndef ENGINE_KUBE_CLUSTER_H
#define ENGINE_KUBE_CLUSTER_H

#include <pthread.h>
#include <jansson.h>
#include "engine/backend.h"
#include "engine/kube_api.h"
#include "engine/kube_exec.h"
#include "engine/kube_manifest.h"
#include "engine/kube_state.h"

struct kube_cluster {
	struct kube_cluster *next; /* targets follow the lab's own; they stay until the backend closes */
	char target[32];         /* its name, "" = the lab's own */
	bool dropped;            /* a target that is none any more */
	struct kube_watch *watch; /* runs, or NULL */
	struct kube_cluster_told { /* of the lab's own: who is told of changes, while somebody is */
		void (*cb)(void *arg, const struct backend_change *c);
		backend_cancel_cb *cancelled;
		void *arg;
	} told;
	const struct backend_ops *under; /* of the lab's own: who does what stays on this machine */
	struct kube_api *api;
	struct kube_exec *exec;  /* programs in pods; NULL: could not be opened, exec_error says why */
	struct cl_err exec_error;
	const char *lab;         /* this lab's identity: backend.lab */
	const char *prefix;      /* of its namespaces */
	char *nginx_conf;        /* the Web image's */
	char registry[256];      /* as nodes reach it */
	char *password;          /* of the repository */
	const char *disruption;  /* API of PodDisruptionBudgets; "" = not asked yet, NULL = none */
	pthread_mutex_t lock;    /* of what follows */
	struct kube_state state;
	json_t *pushed;          /* "repository:tag image" -> what pods pull */
	json_t *known;           /* objects that are known to be ours */
	json_t *applied;         /* "project/env" -> what was said of it last: kube_apply.c */
	json_t *pruned;          /* "namespace/name" -> generations that were cleaned up after */
};

struct kube_cluster *kube_cluster_new(const char *lab);
void kube_cluster_free(struct kube_cluster *c);
/* Builds, dev containers, the edge: calls of the backend `local`, or of `sim`. */
const struct backend_ops *kube_cluster_under(const struct backend *b);
/* The one after it, but those that were dropped; NULL at the end. */
struct kube_cluster *kube_cluster_next(struct backend *b, struct kube_cluster *c);
/* The cluster of a target; CL_NOT_FOUND.  Any thread; never freed before the backend. */
struct kube_cluster *kube_cluster_find(struct backend *b, const char *target, struct cl_err *err);
/* CL_PRECONDITION when the engine found no cluster as it started. */
int kube_cluster_there(struct kube_cluster *c, struct cl_err *err);
/* May this object be applied?  CL_CONFLICT when there is one that this lab did not make. */
int kube_cluster_check(struct kube_cluster *c, const json_t *object, struct cl_err *err);
/* Where rights are given in each namespace (kube.role): the namespace at the head of the objects is made, and our
 * rights are there when this returns. */
int kube_cluster_enter(struct kube_cluster *c, const json_t *objects, struct cl_err *err);
/* Did this lab make it?  An object as the cluster gave it. */
bool kube_cluster_made(const struct kube_cluster *c, const json_t *object);
/* "codinglab-alice-prod" */
void kube_cluster_namespace(const struct kube_cluster *c, char *out, size_t size, const char *owner,
    const char *env);

#endif
