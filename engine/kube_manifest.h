/*
 * Kubernetes objects of one environment: pure functions from struct backend_env.  Only API versions that
 * exist from 1.20 until today; every pod satisfies the restricted Pod Security Standard.
 *
 *   namespace codinglab-alice-prod       of one user and environment: quota, limits, default-deny policies
 *     shop-db                            StatefulSet with its claim, Service, Secret
 *     shop-was, shop-web                 Deployments, Services, Secrets; PodDisruptionBudgets
 *     shop                               Ingress
 *
 * Everything carries app.kubernetes.io/managed-by=codinglab and codinglab/lab; what is a project's also codinglab/project.
 */
#ifndef ENGINE_KUBE_MANIFEST_H
#define ENGINE_KUBE_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <jansson.h>
#include "engine/backend.h"

#define KUBE_MANIFEST_NS 80
#define KUBE_MANIFEST_SELECTOR 200
#define KUBE_MANIFEST_OURS "app.kubernetes.io/managed-by=codinglab"

struct kube_manifest {
	const struct backend_env *env;
	const char *lab;         /* identity of the lab: label codinglab/lab of everything */
	const char *prefix;      /* of the namespace's name */
	const char *images[BACKEND_ENV_TIERS]; /* as pods pull them, in the tiers' order */
	const char *nginx_conf;  /* of the Web tier, asking `was` by the edge's socket; NULL = the image's */
	const char *pull_host, *pull_user, *pull_password; /* for pulling; host NULL = nothing is needed */
	const char *disruption;  /* "policy/v1", "policy/v1beta1", or NULL = the cluster has none */
	const char *storage;     /* of a database: "1Gi" */
	const char *role;        /* ClusterRole that account is given in the namespace; NULL or "" = none */
	const char *account;     /* "NAMESPACE/NAME" */
};

/* An array of objects in the order of their application, the caller's. */
json_t *kube_manifest_make(const struct kube_manifest *m);
/* The same without what belongs to its user rather than to the project. */
json_t *kube_manifest_project(const struct kube_manifest *m);
/* What belongs to its user: the namespace with its quota, limits, policies and account. */
json_t *kube_manifest_user(const struct kube_manifest *m);
/* A pod for one command of the project, ended when that ends. */
json_t *kube_manifest_job(const struct kube_manifest *m, const struct backend_spec *spec,
    const char *image);

/* A container's `args`, the caller's: "$(" is Kubernetes' own there, so it is written "$$(". */
json_t *kube_manifest_arguments(char *const *argv);

void kube_manifest_namespace(char *out, size_t size, const char *prefix, const char *owner,
    const char *env);
/* "shop-was" */
void kube_manifest_name(char *out, size_t size, const struct backend_env *e, const char *tier);
/* "codinglab/lab=...,codinglab/project=12,codinglab/env=prod,..."; size >= KUBE_MANIFEST_SELECTOR */
void kube_manifest_selector(char *out, size_t size, const char *lab, int64_t project, const char *env);

#endif
