/* Kubeconfig files as people have them, credential plug-ins, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "engine/kube_config.h"
#include "engine/kube_plugin.h"

#define TWO "apiVersion: v1\nkind: Config\ncurrent-context: west\n" \
	"clusters:\n- name: a\n  cluster: {server: 'https://10.0.0.1:6443/', certificate-authority-data: Q0E=}\n" \
	"- name: b\n  cluster:\n    server: https://east:443\n    insecure-skip-tls-verify: true\n" \
	"users:\n- name: cert\n  user: {client-certificate-data: Q0VSVA==, client-key-data: S0VZ}\n" \
	"- name: tok\n  user: {token: s3cret}\n" \
	"contexts:\n- name: west\n  context: {cluster: a, user: cert}\n" \
	"- name: east\n  context: {cluster: b, user: tok}\n- name: lost\n  context: {cluster: zz, user: tok}\n"

static int parse(struct kube_config *c, const char *text, const char *context, struct cl_err *err)
{
	err_clear(err);
	return kube_config_parse(c, text, strlen(text), "/nowhere", context, err);
}

static void contexts(void **state)
{
	struct cl_err err = { 0 };
	struct kube_config c;

	assert_int_equal(parse(&c, TWO, "", &err), 0);
	assert_string_equal(c.server, "https://10.0.0.1:6443");
	assert_string_equal(c.context, "west");
	assert_string_equal(c.ca, "CA");
	assert_string_equal(c.cert, "CERT");
	assert_string_equal(c.key, "KEY");
	assert_null(c.token);
	assert_false(c.any_server);
	kube_config_clear(&c);
	assert_int_equal(parse(&c, TWO, "east", &err), 0);
	assert_string_equal(c.server, "https://east:443");
	assert_string_equal(c.token, "s3cret");
	assert_null(c.ca);
	assert_true(c.any_server);
	kube_config_clear(&c);
	assert_int_equal(parse(&c, TWO, "north", &err), -1);
	assert_int_equal(err.code, CL_NOT_FOUND);
	assert_int_equal(parse(&c, TWO, "lost", &err), -1);
	assert_int_equal(err.code, CL_NOT_FOUND);
}

/* JSON is YAML, and kubectl takes both. */
static void json(void **state)
{
	struct cl_err err = { 0 };
	struct kube_config c;

	assert_int_equal(parse(&c, "{\"kind\":\"Config\",\"current-context\":\"x\",\"clusters\":[{\"name\":\"x\","
	    "\"cluster\":{\"server\":\"http://127.0.0.1:8001\"}}],\"contexts\":[{\"name\":\"x\",\"context\":"
	    "{\"cluster\":\"x\",\"user\":\"\"}}]}", "", &err), 0);
	assert_string_equal(c.server, "http://127.0.0.1:8001");
	kube_config_clear(&c);
}

static void refused(void **state)
{
	static const struct {
		const char *cluster, *user;
		enum cl_code code;
	} bad[] = {
		{ "{server: 'ftp://x'}", "{}", CL_USAGE },
		{ "{}", "{}", CL_USAGE },
		{ "{server: 'https://x', tls-server-name: y}", "{}", CL_NOT_IMPLEMENTED },
		{ "{server: 'https://x', proxy-url: 'http://p'}", "{}", CL_NOT_IMPLEMENTED },
		{ "{server: 'https://x', certificate-authority-data: '!!'}", "{}", CL_USAGE },
		{ "{server: 'https://x', certificate-authority: gone.pem}", "{}", CL_NOT_FOUND },
		{ "{server: 'https://x'}", "{client-certificate-data: Q0E=}", CL_USAGE },
		{ "{server: 'https://x'}", "{username: u, password: p}", CL_NOT_IMPLEMENTED },
		{ "{server: 'https://x'}", "{auth-provider: {name: gcp}}", CL_NOT_IMPLEMENTED },
		{ "{server: 'https://x'}", "{as: somebody}", CL_NOT_IMPLEMENTED },
		{ "{server: 'https://x'}", "{token: \"a\\nb\"}", CL_USAGE },
		{ "{server: 'https://x'}", "{exec: {command: /bin/true}}", CL_USAGE },
	};
	struct cl_err err = { 0 };
	struct kube_config c;
	char text[1024];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "current-context: c\nclusters: [{name: c, cluster: %s}]\n"
		    "users: [{name: u, user: %s}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n",
		    bad[i].cluster, bad[i].user);
		assert_int_equal(parse(&c, text, "", &err), -1);
		assert_int_equal(err.code, bad[i].code);
		assert_null(c.ca);
		assert_null(c.cert);
	}
	assert_int_equal(parse(&c, "kind: Pod\n", "", &err), -1);
	assert_int_equal(parse(&c, "a: [", "", &err), -1);
	assert_non_null(strstr(err.message, "line"));
	assert_int_equal(parse(&c, "", "", &err), -1);
	assert_int_equal(parse(&c, "- 1\n", "", &err), -1);
}

/* From somebody else: it names no file of this machine, and no program. */
static void without_files(void **state)
{
	static const char *const users[] = { "{tokenFile: /etc/shadow}", "{client-certificate: a.pem, client-key: b.pem}",
		"{exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/true}}" };
	static const char form[] = "current-context: c\nclusters: [{name: c, cluster: {server: 'https://x'%s}}]\n"
	    "users: [{name: u, user: %s}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n";
	struct cl_err none = { 0 };
	struct kube_config c;
	char text[500];

	for (size_t i = 0; i <= sizeof(users) / sizeof(users[0]); i++) {
		struct cl_err err = { 0 };
		bool ca = i == sizeof(users) / sizeof(users[0]);

		snprintf(text, sizeof(text), form, ca ? ", certificate-authority: /etc/shadow" : "", ca ?
		    "{token: t}" : users[i]);
		assert_int_equal(kube_config_parse(&c, text, strlen(text), NULL, "", &err), -1);
		assert_int_equal(err.code, CL_USAGE);
		assert_non_null(strstr(err.hint, "--flatten"));
	}
	snprintf(text, sizeof(text), form, "", "{token: t}");
	assert_int_equal(kube_config_parse(&c, text, strlen(text), NULL, "", &none), 0);
	assert_string_equal(c.token, "t");
	kube_config_clear(&c);
}

static void write_file(const char *path, const char *text, int mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	chmod(path, (mode_t)mode);
}

/* Names in a kubeconfig are relative to it. */
static void files(void **state)
{
	char dir[] = "/tmp/cl-kube-XXXXXX", *now, path[64], ca[64], token[64];
	struct cl_err err = { 0 };
	struct kube_config c;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/config", dir);
	snprintf(ca, sizeof(ca), "%s/ca.pem", dir);
	snprintf(token, sizeof(token), "%s/token", dir);
	write_file(path, "current-context: c\nclusters: [{name: c, cluster: {server: 'https://x', "
	    "certificate-authority: ca.pem}}]\nusers: [{name: u, user: {tokenFile: token}}]\n"
	    "contexts: [{name: c, context: {cluster: c, user: u}}]\n", 0600);
	write_file(ca, "PEM\n", 0600);
	assert_int_equal(kube_config_load(&c, path, "", &err), 0);
	assert_string_equal(c.ca, "PEM\n");
	assert_string_equal(c.token_file, token);
	kube_config_clear(&c);
	assert_int_equal(kube_config_load(&c, "/nonexistent", "", &err), -1);
	assert_int_equal(err.code, CL_NOT_FOUND);
	/* in a pod: the folder of the service account */
	err_clear(&err);
	unsetenv("KUBERNETES_SERVICE_HOST");
	assert_int_equal(kube_config_in_cluster(&c, dir, &err), -1);
	assert_int_equal(err.code, CL_NOT_FOUND);
	err_clear(&err);
	setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
	setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	snprintf(path, sizeof(path), "%s/ca.crt", dir);
	write_file(path, "PEM2\n", 0600);
	assert_int_equal(kube_config_in_cluster(&c, dir, &err), 0);
	assert_string_equal(c.server, "https://[fd00::1]:443");
	assert_string_equal(c.token_file, token);
	assert_string_equal(c.ca, "PEM2\n");
	/* renewed while we run; what was there last serves in the moment when nothing is */
	write_file(path, "PEM3\n", 0600);
	now = kube_config_ca(&c);
	assert_string_equal(now, "PEM3\n");
	mem_free(now);
	unlink(path);
	now = kube_config_ca(&c);
	assert_string_equal(now, "PEM2\n");
	mem_free(now);
	kube_config_clear(&c);
	unlink(path);
	unlink(ca);
	snprintf(path, sizeof(path), "%s/config", dir);
	unlink(path);
	rmdir(dir);
}

#define PLUGIN "current-context: c\nclusters: [{name: c, cluster: {server: 'https://x'}}]\n" \
	"contexts: [{name: c, context: {cluster: c, user: u}}]\nusers:\n- name: u\n  user:\n    exec:\n" \
	"      apiVersion: client.authentication.k8s.io/v1\n      command: /bin/sh\n" \
	"      provideClusterInfo: true\n      env: [{name: WHO, value: me}]\n      args: ['-c', '%s']\n"

static int plugin(struct kube_plugin_result *r, const char *script, struct cl_err *err)
{
	struct kube_config c;
	char text[2048];
	int rc;

	err_clear(err);
	snprintf(text, sizeof(text), PLUGIN, script);
	assert_int_equal(kube_config_parse(&c, text, strlen(text), "/", "", err), 0);
	rc = kube_plugin_run(&c, r, err);
	kube_config_clear(&c);
	return rc;
}

static void plugins(void **state)
{
	struct kube_plugin_result r;
	struct cl_err err = { 0 };

	/* it is told of the cluster, has its variables, and its token is taken */
	assert_int_equal(plugin(&r, "case $KUBERNETES_EXEC_INFO in *https://x*) ;; *) exit 1 ;; esac; "
	    "echo \"{\\\"kind\\\":\\\"ExecCredential\\\",\\\"apiVersion\\\":\\\"client.authentication.k8s.io/v1\\\","
	    "\\\"status\\\":{\\\"token\\\":\\\"t-$WHO\\\"}}\"", &err), 0);
	assert_string_equal(r.token, "t-me");
	assert_true(kube_plugin_valid(&r));
	kube_plugin_clear(&r);
	assert_false(kube_plugin_valid(&r));
	assert_int_equal(plugin(&r, "exit 3", &err), -1);
	assert_non_null(strstr(err.message, "status 3"));
	assert_int_equal(plugin(&r, "echo hello", &err), -1);
}

static void plugin_texts(void **state)
{
#define V "client.authentication.k8s.io/v1"
#define EC "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V "\",\"status\":"
	static const char *const bad[] = { "", "[]", EC "{}}", EC "{\"clientCertificateData\":\"C\"}}",
		EC "{\"token\":\"a\\r\\nX: y\"}}", EC "{\"token\":\"a\",\"expirationTimestamp\":\"soon\"}}",
		"{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v2\",\"status\":"
		"{\"token\":\"a\"}}" };
	static const char old[] = EC "{\"token\":\"a\",\"expirationTimestamp\":\"2001-01-01T00:00:00Z\"}}";
	static const char cert[] = EC "{\"clientCertificateData\":\"C\",\"clientKeyData\":\"K\"}}";
	struct kube_plugin_result r;
	struct cl_err err = { 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(kube_plugin_parse(bad[i], strlen(bad[i]), V, &r, &err), -1);
	assert_int_equal(kube_plugin_parse(old, strlen(old), V, &r, &err), 0);
	assert_false(kube_plugin_valid(&r)); /* is asked again */
	kube_plugin_clear(&r);
	assert_int_equal(kube_plugin_parse(cert, strlen(cert), V, &r, &err), 0);
	assert_string_equal(r.key, "K");
	kube_plugin_clear(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contexts), cmocka_unit_test(json), cmocka_unit_test(refused),
		cmocka_unit_test(without_files), cmocka_unit_test(files), cmocka_unit_test(plugins), cmocka_unit_test(plugin_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
