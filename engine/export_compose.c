/* compose.yaml of an export: see export.h. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/export.h"

static json_t *health(json_t *argv)
{
	json_t *test = json_pack("[s]", "CMD");

	json_array_extend(test, argv);
	json_decref(argv);
	return json_pack("{s:o, s:s, s:s, s:i, s:s}", "test", test, "interval", "3s", "timeout", "3s",
	    "retries", 20, "start_period", "60s");
}

/* "$" would be compose's own. */
static void plain(json_t *argv)
{
	json_t *word;
	size_t i;

	json_array_foreach(argv, i, word) {
		const char *s = json_string_value(word);
		cl_autofree char *out = mem_alloc(2 * strlen(s) + 1);
		char *to = out;

		for (; *s; s++) {
			*to++ = *s;
			if (*s == '$')
				*to++ = '$';
		}
		json_array_set_new(argv, i, json_string(out));
	}
}

static json_t *service(const char *user)
{
	return json_pack("{s:s, s:[s], s:[s], s:s, s:[s]}", "user", user, "cap_drop", "ALL",
	    "security_opt", "no-new-privileges", "restart", "unless-stopped", "tmpfs", "/tmp");
}

static json_t *app_env(const struct export *x)
{
	cl_autofree char *port = mem_printf("%d", export_port(x));
	json_t *e = json_pack("{s:s, s:s, s:s}", "PORT", port, "CODINGLAB_PROJECT", x->name,
	    "CODINGLAB_ENV", "prod");

	if (x->db) {
		cl_autofree char *url = mem_printf("%s://app:${DATABASE_PASSWORD}@db:%d/app",
		    x->db->database.scheme, x->db->database.port);

		json_object_set_new(e, "DATABASE_URL", json_string(url));
	}
	for (size_t i = 0; x->stack->secrets && x->stack->secrets[i]; i++) {
		cl_autofree char *value = mem_printf("${%s}", x->stack->secrets[i]);

		json_object_set_new(e, x->stack->secrets[i], json_string(value));
	}
	return e;
}

static json_t *app(const struct export *x)
{
	cl_autofree char *image = mem_printf("localhost/%s", x->name);
	json_t *s = service("10102:10102");

	json_object_set_new(s, "image", json_string(image));
	json_object_set_new(s, "build", json_pack("{s:s, s:s}", "context", ".", "dockerfile",
	    "Containerfile"));
	json_object_set_new(s, "environment", app_env(x));
	return s;
}

static json_t *was(const struct export *x)
{
	json_t *s = app(x), *test = export_check(export_port(x), export_health(x));

	plain(test);
	json_object_set_new(s, "healthcheck", health(test));
	if (appfile_get(x->app, x->stack, STACK_MIGRATE))
		json_object_set_new(s, "depends_on", json_pack("{s:{s:s}}", "migrate", "condition",
		    "service_completed_successfully"));
	else if (x->db)
		json_object_set_new(s, "depends_on", json_pack("{s:{s:s}}", "db", "condition",
		    "service_healthy"));
	return s;
}

static json_t *migrate(const struct export *x)
{
	json_t *s = app(x), *argv = export_argv(appfile_get(x->app, x->stack, STACK_MIGRATE));

	plain(argv);
	json_object_set_new(s, "command", argv);
	json_object_set_new(s, "restart", json_string("no"));
	if (x->db)
		json_object_set_new(s, "depends_on", json_pack("{s:{s:s}}", "db", "condition",
		    "service_healthy"));
	return s;
}

static json_t *web(const struct export *x)
{
	cl_autofree char *image = mem_printf("localhost/%s-web", x->name);
	json_t *s = service("10101:10101"), *test = export_check(x->web->port, "/-/healthz");

	plain(test);
	json_object_set_new(s, "image", json_string(image));
	json_object_set_new(s, "build", json_pack("{s:s, s:s}", "context", "web", "dockerfile",
	    "Containerfile"));
	json_object_set_new(s, "read_only", json_true());
	json_object_set_new(s, "ports", json_pack("[s]", "8080:8080"));
	json_object_set_new(s, "environment", json_pack("{s:s}", "PORT", "8080"));
	json_object_set_new(s, "depends_on", json_pack("{s:{s:s}}", "was", "condition",
	    "service_healthy"));
	json_object_set_new(s, "healthcheck", health(test));
	return s;
}

static json_t *db(const struct export *x)
{
	cl_autofree char *user = mem_printf("%u:%u", x->db->uid, x->db->uid);
	cl_autofree char *image = mem_printf("localhost/codinglab/%s", x->db->run.id);
	cl_autofree char *volume = mem_printf("db:%s", x->db->volume);
	json_t *s = service(user), *tmp = json_array(), *test = export_check(x->db->port, "");

	for (size_t i = 0; i < x->db->ntmp; i++)
		json_array_append_new(tmp, json_string(x->db->tmp[i]));
	plain(test);
	json_object_set_new(s, "image", json_string(image));
	json_object_set_new(s, "read_only", json_true());
	json_object_set_new(s, "tmpfs", tmp);
	json_object_set_new(s, "volumes", json_pack("[s]", volume));
	json_object_set_new(s, "environment", json_pack("{s:s, s:s, s:s}", "DATABASE_USER", "app",
	    "DATABASE_NAME", "app", "DATABASE_PASSWORD", "${DATABASE_PASSWORD}"));
	json_object_set_new(s, "healthcheck", health(test));
	return s;
}

json_t *export_compose_make(const struct export *x)
{
	json_t *services = json_pack("{s:o, s:o}", "web", web(x), "was", was(x));
	json_t *all = json_pack("{s:s, s:o}", "name", x->name, "services", services);

	if (appfile_get(x->app, x->stack, STACK_MIGRATE))
		json_object_set_new(services, "migrate", migrate(x));
	if (x->db) {
		json_object_set_new(services, "db", db(x));
		json_object_set_new(all, "volumes", json_pack("{s:{}}", "db"));
	}
	return all;
}
