/* The objects of a dev container in a cluster, and what a pod says of itself: pure. */
#ifndef ENGINE_KUBE_DEV_MANIFEST_H
#define ENGINE_KUBE_DEV_MANIFEST_H

#include <jansson.h>
#include "engine/backend.h"
#include "engine/kube_manifest.h"

struct kube_dev_manifest {
	const struct backend_spec *spec;
	const struct kube_manifest *user; /* of its namespace: env "ide", whose name is the project's */
	const char *image;       /* as nodes pull it */
	const char *workspaces;  /* "/FOLDER" or "nfs://SERVER/FOLDER": where nodes find the projects */
	const char *trust;       /* certificates, or NULL */
	const char *java_trust;  /* the same as Java reads them, in base64, or NULL */
	const char *proxy;       /* "HOST:PORT" of the package proxy, or "" */
};

/* In the order of their application, the caller's; NULL: workspaces says no place. */
json_t *kube_dev_manifest_make(const struct kube_dev_manifest *m, struct cl_err *err);
/* "codinglab-LAB-p12" */
void kube_dev_manifest_volume(char *out, size_t size, const char *lab, int64_t project);

/* From a pod, and its Events (an array, or NULL), to an instance; i->why says where it stands, or why it does not
 * start (then i->stuck). */
void kube_dev_manifest_read(struct backend_instance *i, const json_t *pod, const json_t *events);

#endif
