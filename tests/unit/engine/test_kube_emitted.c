/*
 * Every manifest that the engine can emit: each stack with each of its databases, both environments, each way
 * that a tier may be scaled, each API of disruption budgets, with and without a repository's password, jobs
 * too; and those of an export.  Each pod passes a checker of the restricted Pod Security Standard that is our
 * own; each object carries what lets its owner be known.  With CODINGLAB_MANIFESTS=FILE the objects are
 * written there, one a line (tests/contract/test_manifests.py holds them against Kubernetes' own schemas).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "engine/export.h"
#include "engine/kube_manifest.h"
#include "engine/manifest.h"
#include "engine/rollout_whole.h"

static struct stack_set set;
static FILE *out;
static int emitted;
static char about[200];          /* what is being looked at, for messages */

#define MUST(cond) do { if (!(cond)) fail_msg("%s: %s", about, #cond); } while (0)

static const json_t *get(const json_t *o, const char *path)
{
	char part[80];

	while (o && *path) {
		size_t n = strcspn(path, "|");

		(void)snprintf(part, sizeof(part), "%.*s", (int)n, path);
		o = json_is_array(o) ? json_array_get(o, (size_t)strtoul(part, NULL, 10)) :
		    json_object_get(o, part);
		path += n + (path[n] == '|');
	}
	return o;
}

static const char *str(const json_t *o, const char *path)
{
	const char *s = json_string_value(get(o, path));

	return s ? s : "";
}

/* --- the restricted standard ------------------------------------------------------------------ */

static void check_container(const json_t *pod, const json_t *c)
{
	const json_t *sec = json_object_get(c, "securityContext"), *add, *p;
	size_t i;

	MUST(json_is_false(json_object_get(sec, "allowPrivilegeEscalation")));
	MUST(!json_is_true(json_object_get(sec, "privileged")) && !json_object_get(sec, "procMount"));
	MUST(!json_object_get(sec, "seLinuxOptions") && !json_object_get(sec, "windowsOptions"));
	MUST(json_is_true(json_object_get(sec, "runAsNonRoot")) ||
	    json_is_true(get(pod, "securityContext|runAsNonRoot")));
	MUST(!get(sec, "runAsUser") || json_integer_value(get(sec, "runAsUser")) > 0);
	MUST(json_array_size(get(sec, "capabilities|drop")) == 1);
	MUST(strcmp(str(sec, "capabilities|drop|0"), "ALL") == 0);
	json_array_foreach(get(sec, "capabilities|add"), i, add)
		MUST(strcmp(json_string_value(add), "NET_BIND_SERVICE") == 0);
	json_array_foreach(json_object_get(c, "ports"), i, p)
		MUST(!json_object_get(p, "hostPort") && !json_object_get(p, "hostIP"));
	MUST(!get(c, "readinessProbe|httpGet|host") && !get(c, "livenessProbe|httpGet|host"));
	MUST(!get(c, "lifecycle|preStop|httpGet") && !get(c, "lifecycle|postStart"));
}

static void check_pod(const json_t *pod)
{
	static const char *const lists[] = { "initContainers", "containers", "ephemeralContainers" };
	static const char *const allowed = " configMap csi downwardAPI emptyDir ephemeral"
	    " persistentVolumeClaim projected secret ";
	const json_t *sec = json_object_get(pod, "securityContext"), *v;
	json_t *c, *source;
	const char *kind;
	size_t i;

	MUST(!json_is_true(json_object_get(pod, "hostNetwork")));
	MUST(!json_is_true(json_object_get(pod, "hostPID")) && !json_is_true(json_object_get(pod, "hostIPC")));
	MUST(strcmp(str(sec, "seccompProfile|type"), "RuntimeDefault") == 0);
	MUST(json_integer_value(json_object_get(sec, "runAsUser")) >= 1000);
	MUST(!json_object_get(sec, "sysctls") && !json_object_get(sec, "seLinuxOptions"));
	json_array_foreach(json_object_get(pod, "volumes"), i, v)
		json_object_foreach((json_t *)v, kind, source) {
			cl_autofree char *word = mem_printf(" %s ", kind);

			MUST(strcmp(kind, "name") == 0 || strstr(allowed, word));
		}
	MUST(json_array_size(json_object_get(pod, "containers")) > 0);
	for (size_t k = 0; k < CL_COUNT(lists); k++)
		json_array_foreach(json_object_get(pod, lists[k]), i, c)
			check_container(pod, c);
}

static const json_t *pod_of(const json_t *o)
{
	return strcmp(str(o, "kind"), "Pod") == 0 ? get(o, "spec") : get(o, "spec|template|spec");
}

/* --- what each of ours carries ---------------------------------------------------------------- */

static void check_ours(const json_t *o, const char *ns)
{
	const json_t *pod = pod_of(o), *meta = json_object_get(o, "metadata"), *c;
	size_t i;

	(void)strncat(about, ", ", sizeof(about) - strlen(about) - 1);
	(void)strncat(about, str(o, "kind"), sizeof(about) - strlen(about) - 1);
	MUST(strcmp(str(meta, "labels|app.kubernetes.io/managed-by"), "codinglab") == 0);
	MUST(strlen(str(meta, "labels|codinglab/lab")) == 16);
	MUST(strcmp(str(o, "kind"), "Namespace") == 0 ? strcmp(str(meta, "name"), ns) == 0 :
	    strcmp(str(meta, "namespace"), ns) == 0);
	if (strcmp(str(o, "kind"), "Service") == 0)
		MUST(!get(o, "spec|type") && !get(o, "spec|externalIPs") && !get(o, "spec|externalName"));
	if (!pod)
		return;
	MUST(str(meta, "labels|codinglab/project")[0] && str(meta, "labels|codinglab/env")[0]);
	MUST(json_is_false(json_object_get(pod, "automountServiceAccountToken")));
	MUST(json_is_false(json_object_get(pod, "enableServiceLinks")));
	MUST(strcmp(str(pod, "serviceAccountName"), "codinglab") == 0);
	json_array_foreach(json_object_get(pod, "containers"), i, c) {
		MUST(strstr(str(c, "image"), "@sha256:") != NULL);
		MUST(str(c, "resources|limits|memory")[0] && str(c, "resources|requests|memory")[0]);
		MUST(str(c, "resources|requests|cpu")[0]);
	}
}

static int count(const json_t *list, const char *kind)
{
	const json_t *o;
	int n = 0;
	size_t i;

	json_array_foreach(list, i, o)
		n += strcmp(str(o, "kind"), kind) == 0;
	return n;
}

static const json_t *find(const json_t *list, const char *kind, const char *name)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
		if (strcmp(str(o, "kind"), kind) == 0 && strcmp(str(o, "metadata|name"), name) == 0)
			return o;
	return NULL;
}

static void emit(const json_t *o)
{
	if (out) {
		MUST(json_dumpf(o, out, JSON_COMPACT) == 0);
		(void)fputc('\n', out);
	}
	emitted++;
}

static void check_list(const json_t *list, const struct backend_env *e, const char *ns)
{
	size_t n = strlen(about), i;
	const json_t *o;

	json_array_foreach(list, i, o) {
		about[n] = '\0';
		check_ours(o, ns);
		if (pod_of(o))
			check_pod(pod_of(o));
		emit(o);
	}
	about[n] = '\0';
	MUST(strcmp(str(json_array_get(list, 0), "metadata|labels|pod-security.kubernetes.io/enforce"),
	    "restricted") == 0);
	MUST(count(list, "ResourceQuota") == 1 && count(list, "LimitRange") == 1);
	MUST(json_object_size(get(find(list, "NetworkPolicy", "default-deny"), "spec|podSelector")) == 0);
	MUST(json_array_size(get(find(list, "NetworkPolicy", "default-deny"), "spec|policyTypes")) == 2);
	MUST(count(list, "NetworkPolicy") == (int)e->ntiers + 2);
	MUST(count(list, "Deployment") == 2 && count(list, "StatefulSet") == (int)e->ntiers - 2);
}

/* A number that load decides is never said; one that is fixed always. */
static void check_numbers(const json_t *list, const struct backend_env *e)
{
	char name[100];

	for (size_t i = 0; i < e->ntiers; i++) {
		const struct backend_tier *t = &e->tiers[i];
		const json_t *o, *hpa;

		kube_manifest_name(name, sizeof(name), e, t->spec.tier);
		o = find(list, strcmp(t->spec.tier, "db") == 0 ? "StatefulSet" : "Deployment", name);
		hpa = find(list, "HorizontalPodAutoscaler", name);
		MUST(o && (hpa != NULL) == (t->max > 0));
		MUST((get(o, "spec|replicas") == NULL) == (t->max > 0));
		if (!hpa)
			continue;
		MUST(strcmp(str(hpa, "spec|scaleTargetRef|name"), name) == 0);
		MUST(json_integer_value(get(hpa, "spec|minReplicas")) == t->min);
		MUST(json_integer_value(get(hpa, "spec|maxReplicas")) == t->max);
		/* percent of the request, which is 10m: of a core it is a hundredth */
		MUST(strcmp(str(o, "spec|template|spec|containers|0|resources|requests|cpu"), "10m") == 0);
		MUST(json_integer_value(get(hpa, "spec|targetCPUUtilizationPercentage")) == t->cpu * 100);
	}
}

/* --- all that there are ----------------------------------------------------------------------- */

static void one(struct manifest *m, const int want[PLAN_TIERS], int load, const char *budget, bool password)
{
	static const char conf[] = "upstream was {\n\tserver unix:/run/edge/was.sock max_fails=0;\n}\n";
	struct rollout r = { .manifest = *m, .wanted = *m->release };
	struct kube_manifest k = { .lab = "0123456789abcdef", .prefix = "codinglab", .nginx_conf = conf,
		.images = { "r:5000/stack/db@sha256:1", "r:5000/app/p12@sha256:2", "r:5000/stack/web@sha256:3" },
		.pull_host = password ? "r:5000" : NULL, .pull_user = "u", .pull_password = "p",
		.disruption = budget, .storage = "1Gi" };
	char ns[KUBE_MANIFEST_NS];
	struct cl_err err = { 0 };
	struct backend_env e;
	json_t *list;

	memcpy(r.want, want, sizeof(r.want));
	for (int t = PLAN_WAS; t < PLAN_TIERS; t++)
		if (load & (1 << t))
			r.load[t] = (struct rollout_load){ 1, 5, 60 };
	(void)mem_copy_str(r.route.host, sizeof(r.route.host), "shop.alice.lab.localhost");
	(void)snprintf(about, sizeof(about), "%s, %s, %s, load %d, %s", m->stack->id, m->db ? m->db->id :
	    "no database", m->env, load, budget ? budget : "no budgets");
	MUST(rollout_whole_wanted(&r, &e, &err) == 0);
	if (!m->db) {
		k.images[0] = k.images[1];
		k.images[1] = k.images[2];
	}
	k.env = &e;
	list = kube_manifest_make(&k);
	kube_manifest_namespace(ns, sizeof(ns), "codinglab", "alice", m->env);
	check_list(list, &e, ns);
	check_numbers(list, &e);
	json_decref(list);
	rollout_whole_clear(&e);
}

static void job(struct manifest *m)
{
	struct kube_manifest k = { .lab = "0123456789abcdef", .prefix = "codinglab", .storage = "1Gi" };
	struct backend_env e = { .project = 12, .env = "prod", .name = "shop", .owner = "alice" };
	struct backend_spec spec;
	struct cl_err err = { 0 };
	json_t *list;
	const json_t *o;
	size_t i;

	(void)snprintf(about, sizeof(about), "%s, job", m->stack->id);
	(void)mem_copy_str(e.env, sizeof(e.env), m->env);
	MUST(manifest_migrate(m, 31, &spec, &err) == 0);
	k.env = &e;
	list = kube_manifest_job(&k, &spec, "r:5000/app/p12@sha256:2");
	MUST(count(list, "Pod") == 1 && count(list, "NetworkPolicy") == 1 && count(list, "Secret") == 1);
	json_array_foreach(list, i, o) {
		cl_autofree char *ns = mem_printf("codinglab-alice-%s", m->env);

		check_ours(o, ns);
		if (pod_of(o))
			check_pod(pod_of(o));
		emit(o);
	}
	json_decref(list);
	manifest_clear(&spec);
}

static void every_option(const struct stack *s, const struct stack *db, const char *env, const char *health)
{
	static const int wants[][PLAN_TIERS] = { { 1, 1, 1 }, { 1, 3, 2 }, { 1, 0, 1 } };
	static const char *const budgets[] = { NULL, "policy/v1beta1", "policy/v1" };
	static char cmd[] = "migrate", *argv[] = { cmd, NULL }, word[] = "WORD", text[] = "a $(B) 'c'\n";
	static struct stack_var vars[] = { { word, text } };
	struct release release = { .version = 7, .digest = "sha256:00", .port = s->port, .migrate = argv,
		.vars = vars, .nvars = 1 };
	struct manifest m = { .project = 12, .name = "shop", .owner = "alice", .stack = s,
		.web = stack_find(&set, "web"), .db = db, .release = &release, .db_password = "s3cret",
		.slot = 1, .uid = 200001, .gid = 300012 };

	(void)mem_copy_str(release.health, sizeof(release.health), health);
	(void)mem_copy_str(m.env, sizeof(m.env), env);
	for (size_t w = 0; w < CL_COUNT(wants); w++)
		for (int load = 0; load < 1 << PLAN_TIERS; load += 2)
			for (size_t b = 0; b < CL_COUNT(budgets); b++)
				one(&m, wants[w], load, budgets[b], (w + b) % 2 == 0);
	job(&m);
}

static void all(void **state)
{
	static const char *const databases[] = { NULL, "postgresql", "mariadb" };
	int stacks = 0;

	for (size_t i = 0; i < set.n; i++) {
		const struct stack *s = &set.items[i];
		bool any = false;

		for (size_t d = 0; s->kind < STACK_SERVICE && d < CL_COUNT(databases); d++) {
			const struct stack *db = databases[d] ? stack_find(&set, databases[d]) : NULL;

			if (databases[d] && !db)
				continue;
			every_option(s, db, "dev", "");
			every_option(s, db, "prod", "/health?x=1");
			any = true;
		}
		stacks += any;
	}
	assert_true(stacks >= 14);
	assert_true(emitted > 10000);
}

/* --- an export's ------------------------------------------------------------------------------ */

static void exported(void **state)
{
	static const char *const databases[] = { NULL, "postgresql", "mariadb" };
	struct appfile app = { 0 };
	json_t *objects, *o;
	const char *name;

	for (size_t i = 0; i < set.n; i++)
		for (size_t d = 0; set.items[i].kind < STACK_SERVICE && d < CL_COUNT(databases); d++) {
			struct export x = { .name = "shop", .stack = &set.items[i], .app = &app,
				.web = stack_find(&set, "web"), .stacks = &set,
				.db = databases[d] ? stack_find(&set, databases[d]) : NULL };

			(void)snprintf(about, sizeof(about), "export of %s", x.stack->id);
			objects = export_kube_make(&x);
			json_object_foreach(objects, name, o) {
				if (pod_of(o)) {
					check_pod(pod_of(o));
					MUST(json_is_false(json_object_get(pod_of(o), "automountServiceAccountToken")));
					MUST(str(pod_of(o), "containers|0|resources|limits|memory")[0]);
				}
				emit(o);
			}
			json_decref(objects);
		}
}

static int open_all(void **state)
{
	const char *path = getenv("CODINGLAB_MANIFESTS");
	struct cl_err err = { 0 };

	out = path ? fopen(path, "we") : NULL;
	return (path && !out) || stack_load(&set, CL_SOURCE "/images", &err) != 0;
}

static int close_all(void **state)
{
	stack_clear(&set);
	return out ? fclose(out) : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all),
		cmocka_unit_test(exported),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
