/* Further clusters: see kube_target.h. */
#include "engine/kube_target.h"

#include <string.h>

#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/kube_cluster.h"
#include "engine/kube_watch.h"

/* Who has no rights there is told so now, not in the middle of a roll-out. */
static int look_at(struct kube_cluster *c, struct cl_err *err)
{
	json_t *out = NULL;
	int rc;

	kube_api_patience(c->api, 3000);
	rc = kube_api_raw(c->api, "/apis/apps/v1", &out, err);
	json_decref(out);
	kube_api_patience(c->api, 15000);
	return rc;
}

static void begin_watch(struct kube_cluster *own, struct kube_cluster *c)
{
	if (own->told.cb && c->api && !c->watch && !c->dropped)
		c->watch = kube_watch_start(c->api, c->lab, own->told.cb, own->told.cancelled,
		    own->told.arg);
}

static struct kube_watch *watch_take(struct kube_cluster *own, struct kube_cluster *c)
{
	struct kube_watch *w;

	pthread_mutex_lock(&own->lock);
	w = c->watch;
	c->watch = NULL;
	pthread_mutex_unlock(&own->lock);
	return w;
}

int kube_target_add(struct backend *b, const char *name, const char *kubeconfig, bool look, char *server,
    size_t size, struct cl_err *err)
{
	struct kube_cluster *own = b->cluster, *c, *last;
	struct kube_config config;

	if (!own->nginx_conf)
		return err_set(err, CL_PRECONDITION, "target %s: this lab has no cluster of its own", name);
	if (kube_config_parse(&config, kubeconfig, strlen(kubeconfig), NULL, "", err) != 0)
		return -1;
	c = kube_cluster_new(own->lab);
	(void)mem_copy_str(c->target, sizeof(c->target), name);
	(void)mem_copy_str(server, size, config.server);
	(void)mem_copy_str(c->registry, sizeof(c->registry), own->registry);
	c->nginx_conf = mem_strdup(own->nginx_conf);
	c->password = mem_strdup(own->password);
	c->api = kube_api_new(&config);
	if (look && look_at(c, err) != 0) {
		kube_cluster_free(c);
		return -1;
	}
	log_info("kubernetes: target %s is %s", name, server);
	pthread_mutex_lock(&own->lock);
	for (last = own; last->next; last = last->next)
		;
	last->next = c;
	begin_watch(own, c);
	pthread_mutex_unlock(&own->lock);
	return 0;
}

void kube_target_drop(struct backend *b, const char *name)
{
	struct kube_cluster *own = b->cluster, *c;

	pthread_mutex_lock(&own->lock);
	for (c = own->next; c && (c->dropped || strcmp(c->target, name) != 0); c = c->next)
		;
	if (c)
		c->dropped = true;
	pthread_mutex_unlock(&own->lock);
	if (!c)
		return;
	kube_api_stop(c->api);
	kube_watch_stop(watch_take(own, c));
}

void kube_target_watch(struct backend *b, void (*cb)(void *arg, const struct backend_change *c),
    backend_cancel_cb *cancelled, void *arg)
{
	struct kube_cluster *own = b->cluster;

	pthread_mutex_lock(&own->lock);
	own->told = (struct kube_cluster_told){ cb, cancelled, arg };
	for (struct kube_cluster *c = own; c; c = c->next)
		begin_watch(own, c);
	pthread_mutex_unlock(&own->lock);
}

void kube_target_unwatch(struct backend *b)
{
	struct kube_cluster *own = b->cluster;

	pthread_mutex_lock(&own->lock);
	memset(&own->told, 0, sizeof(own->told));
	pthread_mutex_unlock(&own->lock);
	for (struct kube_cluster *c = own; c; c = c->next) /* none is taken away from the list */
		kube_watch_stop(watch_take(own, c));
}
