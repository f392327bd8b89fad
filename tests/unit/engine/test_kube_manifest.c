/* Kubernetes objects of an environment: what every pod, policy and name of them must be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/mem.h"
#include "engine/kube_manifest.h"
#include "engine/manifest.h"
#include "engine/rollout_whole.h"

static struct stack app = { .id = "django", .dev = { .id = "django" }, .run = { .id = "django-run" },
	.port = 8000 };
static struct stack web = { .id = "web", .run = { .id = "web" }, .port = 8080, .uid = 10101,
	.health = "/-/healthz", .tmp = { "/tmp" }, .ntmp = 1 };
static struct stack db = { .id = "postgresql", .run = { .id = "postgresql" }, .port = 5432,
	.database = { "postgres", 5432 }, .uid = 10103, .volume = "/var/lib/postgresql/data" };
static char greeting[] = "GREETING", hello[] = "hello $(HOSTNAME)", bye[] = "bye";
static struct stack_var vars[] = { { greeting, hello } };
static struct release release = { .version = 7, .digest = "sha256:00", .port = 8000, .health = "/ready",
	.vars = vars, .nvars = 1 };
static struct manifest model = { .project = 12, .name = "shop", .owner = "alice", .env = "prod",
	.stack = &app, .web = &web, .db = &db, .release = &release, .db_password = "s3cret",
	.db_host = "shop-db", .slot = 1, .uid = 200001, .gid = 300012 };

static const char conf[] = "upstream was {\n\tserver unix:/run/edge/was.sock max_fails=0;\n"
	"\tserver unix:/run/edge/was.sock max_fails=0 backup;\n\tkeepalive 64;\n}\n";

static json_t *make(struct backend_env *e, bool with_db)
{
	static const int want[PLAN_TIERS] = { 1, 2, 1 };
	struct kube_manifest m = { .env = e, .lab = "00ff00ff00ff00ff", .prefix = "codinglab", .images = { "r/db@sha256:1", "r/was@sha256:2", "r/web@sha256:3" },
		.nginx_conf = conf, .pull_host = "r:5000", .pull_user = "u", .pull_password = "p",
		.disruption = "policy/v1", .storage = "1Gi" };
	struct cl_err err = { 0 };
	json_t *list;

	model.db = with_db ? &db : NULL;
	assert_int_equal(rollout_whole_env(&model, want, e, &err), 0);
	(void)mem_copy_str(e->host, sizeof(e->host), "shop.alice.lab.localhost");
	list = kube_manifest_make(&m);
	assert_non_null(list);
	return list;
}

static json_t *find(json_t *list, const char *kind, const char *name)
{
	json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
		if (strcmp(json_string_value(json_object_get(o, "kind")), kind) == 0 && (!name ||
		    strcmp(json_string_value(json_object_get(json_object_get(o, "metadata"), "name")), name) == 0))
			return o;
	return NULL;
}

static json_t *dig(json_t *o, const char *path)
{
	char part[64];

	while (o && *path) {
		size_t n = strcspn(path, "/");

		snprintf(part, sizeof(part), "%.*s", (int)n, path);
		o = json_is_array(o) ? json_array_get(o, (size_t)(part[0] - '0')) : json_object_get(o, part);
		path += n + (path[n] == '/');
	}
	return o;
}

#define STR(o, path) json_string_value(dig(o, path))

/* The restricted Pod Security Standard, and what we promise beyond it. */
static void check_pod(json_t *spec)
{
	static const char *const never[] = { "hostNetwork", "hostPID", "hostIPC", NULL };
	json_t *v, *c = dig(spec, "containers/0");
	const char *name;
	size_t i;

	for (i = 0; never[i]; i++)
		assert_null(json_object_get(spec, never[i]));
	assert_true(json_is_false(dig(spec, "automountServiceAccountToken")));
	assert_true(json_is_true(dig(spec, "securityContext/runAsNonRoot")));
	assert_true(json_integer_value(dig(spec, "securityContext/runAsUser")) >= 1000);
	assert_string_equal(STR(spec, "securityContext/seccompProfile/type"), "RuntimeDefault");
	assert_true(json_is_false(dig(c, "securityContext/allowPrivilegeEscalation")));
	assert_string_equal(STR(c, "securityContext/capabilities/drop/0"), "ALL");
	assert_int_equal(json_array_size(dig(c, "securityContext/capabilities/add")), 0);
	assert_non_null(STR(c, "resources/limits/memory"));
	assert_non_null(strstr(STR(c, "image"), "@sha256:"));
	json_array_foreach(dig(spec, "volumes"), i, v) {
		json_t *x;

		json_object_foreach(v, name, x)
			assert_true(strcmp(name, "name") == 0 || strcmp(name, "emptyDir") == 0 ||
			    strcmp(name, "configMap") == 0);
	}
}

static void pods(void **state)
{
	for (int with_db = 0; with_db < 2; with_db++) {
		struct backend_env e;
		json_t *list = make(&e, with_db), *o;
		int n = 0;
		size_t i;

		json_array_foreach(list, i, o) {
			json_t *spec = dig(o, "spec/template/spec");

			if (!spec)
				continue;
			check_pod(spec);
			n++;
		}
		assert_int_equal(n, 2 + with_db);
		json_decref(list);
		rollout_whole_clear(&e);
	}
}

/* Ours by label, in the namespace of its user and environment; no secret value outside a Secret. */
static void everything(void **state)
{
	struct backend_env e;
	json_t *list = make(&e, true), *o;
	size_t i;

	json_array_foreach(list, i, o) {
		const char *kind = STR(o, "kind");
		cl_autofree char *text = json_dumps(o, JSON_COMPACT);
		json_t *labels = dig(o, "metadata/labels");

		assert_string_equal(json_string_value(json_object_get(labels, "app.kubernetes.io/managed-by")),
		    "codinglab");
		assert_string_equal(STR(o, strcmp(kind, "Namespace") == 0 ? "metadata/name" :
		    "metadata/namespace"), "codinglab-alice-prod");
		if (strcmp(kind, "Secret") != 0)
			assert_null(strstr(text, "s3cret"));
	}
	assert_string_equal(json_string_value(json_object_get(dig(find(list, "Namespace", NULL),
	    "metadata/labels"), "pod-security.kubernetes.io/enforce")), "restricted");
	assert_non_null(find(list, "ResourceQuota", NULL));
	assert_non_null(find(list, "LimitRange", NULL));
	json_decref(list);
	rollout_whole_clear(&e);
}

/* Asked for, the engine is given its rights in the namespace, before anything else is made there. */
static void rights_are_given_in_the_namespace(void **state)
{
	struct backend_env e = { .project = 12, .name = "shop", .env = "ide", .owner = "alice" };
	struct kube_manifest m = { .env = &e, .lab = "0123456789abcdef", .prefix = "codinglab", .storage =
	    "1Gi", .role = "codinglab-environment", .account = "platform/codinglab-engine" };
	json_t *list = kube_manifest_user(&m), *o = json_array_get(list, 1);

	assert_string_equal(STR(o, "kind"), "RoleBinding");
	assert_string_equal(STR(o, "metadata/namespace"), "codinglab-alice-ide");
	assert_string_equal(STR(o, "roleRef/kind"), "ClusterRole");
	assert_string_equal(STR(o, "roleRef/name"), "codinglab-environment");
	assert_int_equal(json_array_size(dig(o, "subjects")), 1);
	assert_string_equal(STR(o, "subjects/0/kind"), "ServiceAccount");
	assert_string_equal(STR(o, "subjects/0/namespace"), "platform");
	assert_string_equal(STR(o, "subjects/0/name"), "codinglab-engine");
	json_decref(list);
	m.role = "";
	list = kube_manifest_user(&m);
	assert_null(find(list, "RoleBinding", NULL));
	json_decref(list);
}

static void traffic(void **state)
{
	struct backend_env e;
	json_t *list = make(&e, true), *o = find(list, "NetworkPolicy", "default-deny");

	assert_int_equal(json_object_size(dig(o, "spec/podSelector")), 0);
	assert_int_equal(json_array_size(dig(o, "spec/policyTypes")), 2);
	assert_null(dig(o, "spec/ingress"));
	/* only was (and a migration) asks the database, only web asks was */
	o = find(list, "NetworkPolicy", "shop-db");
	assert_string_equal(json_string_value(json_object_get(dig(o,
	    "spec/ingress/0/from/0/podSelector/matchLabels"), "codinglab/tier")), "was");
	assert_null(dig(o, "spec/egress"));
	o = find(list, "NetworkPolicy", "shop-was");
	assert_string_equal(json_string_value(json_object_get(dig(o,
	    "spec/ingress/0/from/0/podSelector/matchLabels"), "codinglab/tier")), "web");
	/* the Web tier asks the Service, once */
	o = find(list, "ConfigMap", "shop-web");
	assert_string_equal(STR(o, "data/nginx.conf"),
	    "upstream was {\n\t\tserver shop-was:8000 max_fails=0;\n\tkeepalive 64;\n}\n");
	assert_string_equal(STR(find(list, "Ingress", "shop"), "spec/rules/0/host"), "shop.alice.lab.localhost");
	json_decref(list);
	rollout_whole_clear(&e);
}

static void rolling(void **state)
{
	struct backend_env e;
	json_t *list = make(&e, true), *was = find(list, "Deployment", "shop-was");
	json_t *data = find(list, "StatefulSet", "shop-db");

	assert_int_equal(json_integer_value(dig(was, "spec/replicas")), 2);
	assert_int_equal(json_integer_value(dig(was, "spec/strategy/rollingUpdate/maxUnavailable")), 0);
	assert_string_equal(STR(was, "spec/template/spec/containers/0/readinessProbe/httpGet/path"), "/ready");
	assert_string_equal(json_string_value(json_object_get(dig(was, "spec/template/metadata/labels"),
	    "codinglab/release")), "7");
	assert_non_null(find(list, "PodDisruptionBudget", "shop-was"));
	assert_null(find(list, "PodDisruptionBudget", "shop-web")); /* one instance cannot be kept */
	assert_string_equal(STR(data, "spec/volumeClaimTemplates/0/spec/resources/requests/storage"), "1Gi");
	assert_string_equal(STR(data, "spec/template/spec/containers/0/volumeMounts/0/mountPath"),
	    "/var/lib/postgresql/data");
	json_decref(list);
	rollout_whole_clear(&e);
}

/* Other values are another Secret, so that a rollout's old pods keep theirs; equal ones are the same. */
static void secrets(void **state)
{
	struct backend_env a, b, c;
	json_t *one = make(&a, true), *two = make(&b, true), *three;
	const char *path = "spec/template/spec/containers/0/envFrom/0/secretRef/name", *name;

	assert_true(json_equal(one, two));
	vars[0].value = bye;
	three = make(&c, true);
	vars[0].value = hello;
	name = STR(find(one, "Deployment", "shop-was"), path);
	assert_string_not_equal(name, STR(find(three, "Deployment", "shop-was"), path));
	assert_string_equal(STR(find(one, "Secret", name), "stringData/DATABASE_URL"),
	    "postgres://app:s3cret@shop-db:5432/app");
	assert_string_equal(STR(find(one, "StatefulSet", "shop-db"), path),
	    STR(find(three, "StatefulSet", "shop-db"), path));
	json_decref(one);
	json_decref(two);
	json_decref(three);
	rollout_whole_clear(&a);
	rollout_whole_clear(&b);
	rollout_whole_clear(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pods), cmocka_unit_test(everything), cmocka_unit_test(rights_are_given_in_the_namespace),
		cmocka_unit_test(traffic),
		cmocka_unit_test(rolling), cmocka_unit_test(secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
