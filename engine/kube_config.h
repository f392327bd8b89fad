/*
 * How to reach a Kubernetes cluster and as whom: a kubeconfig file, or the service account of the pod
 * that this program runs in.  Client certificates, tokens, token files and exec credential plug-ins.
 */
#ifndef ENGINE_KUBE_CONFIG_H
#define ENGINE_KUBE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

#define KUBE_CONFIG_MAX (1u << 20) /* bytes of a kubeconfig, and of each file that it names */

struct kube_config_plugin {      /* prints an ExecCredential */
	char *command;           /* NULL = none; absolute, relative to the file, or looked up in PATH */
	char **args;             /* NULL-terminated */
	char **env;              /* "NAME=VALUE", NULL-terminated */
	char api_version[64];
	bool cluster_info;       /* is told about the cluster */
};

struct kube_config {
	char server[1024];       /* "https://HOST:PORT", no slash at its end */
	char context[256];
	char *ca;                /* PEM; NULL = what the machine trusts */
	char ca_file[512];       /* a pod's: read again for each use, as it is renewed; or "" */
	char *cert, *key;        /* PEM, both or none */
	char *token;             /* or NULL */
	char token_file[512];    /* read again for each use: such tokens are renewed; or "" */
	bool any_server;         /* insecure-skip-tls-verify */
	struct kube_config_plugin plugin;
};

/* The file of KUBECONFIG's kind; context "" = the current one.  kube_config_clear() in any case. */
int kube_config_load(struct kube_config *c, const char *path, const char *context,
    struct cl_err *err);
/* The same from text; names of files in it are relative to dir.  dir NULL: it may name none, nor a program. */
int kube_config_parse(struct kube_config *c, const char *text, size_t len, const char *dir,
    const char *context, struct cl_err *err);
/* CL_NOT_FOUND: this is not a pod.  folder: where a pod's service account is. */
int kube_config_in_cluster(struct kube_config *c, const char *folder, struct cl_err *err);
/* What ca_file holds now, or held when it was read last; the caller's. */
char *kube_config_ca(const struct kube_config *c);
void kube_config_clear(struct kube_config *c);

#endif
