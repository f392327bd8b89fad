/* Exec credential plug-ins of a kubeconfig: a program that prints who we are (client.authentication.k8s.io). */
#ifndef ENGINE_KUBE_PLUGIN_H
#define ENGINE_KUBE_PLUGIN_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "engine/kube_config.h"

struct kube_plugin_result {
	char *token;             /* or NULL */
	char *cert, *key;        /* PEM, both or none */
	int64_t until;           /* unix seconds; 0 = until it is refused */
	bool there;
};

/* Blocks for 30 s at most.  Owned by the caller: kube_plugin_clear(). */
int kube_plugin_run(const struct kube_config *c, struct kube_plugin_result *out, struct cl_err *err);
/* What it printed, as text. */
int kube_plugin_parse(const char *text, size_t len, const char *api_version,
    struct kube_plugin_result *out, struct cl_err *err);
bool kube_plugin_valid(const struct kube_plugin_result *r);
void kube_plugin_clear(struct kube_plugin_result *r);

#endif
