/* The wire of an execution: see kube_frame.h. */
#include "engine/kube_frame.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/kube_api.h"

char *kube_frame_path(const char *ns, const char *pod, const char *container, char *const *argv,
    bool tty, struct cl_err *err)
{
	char base[512];
	struct buf b;
	int rc;

	if (kube_api_path(base, sizeof(base), "Pod", ns, pod) != 0) {
		err_set(err, CL_FAILED, "kubernetes: pod %.80s cannot be named", pod);
		return NULL;
	}
	buf_init(&b, KUBE_FRAME_PATH_MAX);
	rc = buf_printf(&b, "%s/exec?container=%s&stdin=true&stdout=true&stderr=%s&tty=%s", base, container,
	    tty ? "false" : "true", tty ? "true" : "false");
	for (size_t i = 0; rc == 0 && argv[i]; i++) {
		cl_autofree char *word = kube_api_escape(argv[i]);

		rc = buf_add_str(&b, "&command=") || buf_add_str(&b, word);
	}
	if (rc == 0)
		return buf_take(&b, NULL);
	buf_clear(&b);
	err_set(err, CL_TOO_LARGE, "execution: the command is longer than the cluster takes");
	return NULL;
}

/* "exit code" of a Status: causes [{"reason": "ExitCode", "message": "7"}]. */
static int exit_code(const json_t *status)
{
	json_t *causes = json_object_get(json_object_get(status, "details"), "causes"), *c;
	size_t i;

	json_array_foreach(causes, i, c) {
		const char *reason = json_string_value(json_object_get(c, "reason"));
		const char *message = json_string_value(json_object_get(c, "message"));
		char *end = NULL;
		long n = message && isdigit((unsigned char)message[0]) ? strtol(message, &end, 10) : -1;

		if (reason && strcmp(reason, "ExitCode") == 0 && end && *end == '\0' && n >= 0 && n <= 255)
			return (int)n;
	}
	return -1;
}

int kube_frame_status(const char *text, size_t len, int *status, struct cl_err *err)
{
	json_t *o = json_loadb(text, len, 0, NULL);
	const char *is = json_string_value(json_object_get(o, "status"));
	const char *message = json_string_value(json_object_get(o, "message"));
	int code = is && strcmp(is, "Success") == 0 ? 0 : is && strcmp(is, "Failure") == 0 ?
	    exit_code(o) : -1;

	if (code >= 0)
		*status = code;
	else
		err_set(err, CL_FAILED, "execution: %.300s", message ? message :
		    "the cluster did not say how it ended");
	json_decref(o);
	return code >= 0 ? 0 : -1;
}

void kube_frame_resize(struct buf *out, int rows, int cols)
{
	(void)buf_printf(out, "{\"Width\":%d,\"Height\":%d}", cols, rows);
}

void kube_frame_put(struct buf *out, char type, const void *p, size_t n)
{
	uint32_t size = htonl((uint32_t)n);

	(void)buf_add(out, &type, 1);
	(void)buf_add(out, &size, sizeof(size));
	(void)buf_add(out, p, n);
}

void kube_frame_window(struct buf *out, int rows, int cols)
{
	uint16_t size[2] = { htons((uint16_t)rows), htons((uint16_t)cols) };

	kube_frame_put(out, 'W', size, sizeof(size));
}

static void put_word(struct buf *b, const char *s)
{
	(void)buf_add(b, s, strlen(s) + 1);
}

void kube_frame_start(struct buf *out, const struct backend_exec *e)
{
	struct buf b;
	char n[16];

	buf_init(&b, out->max);
	put_word(&b, e->tty ? "1" : "0");
	(void)snprintf(n, sizeof(n), "%d", e->rows);
	put_word(&b, n);
	(void)snprintf(n, sizeof(n), "%d", e->cols);
	put_word(&b, n);
	put_word(&b, e->workdir);
	for (size_t i = 0; i < e->nenv; i++) {
		cl_autofree char *var = mem_printf("%s=%s", e->env_vars[i].name, e->env_vars[i].value);

		put_word(&b, var);
	}
	put_word(&b, "");
	for (size_t i = 0; e->argv[i]; i++)
		put_word(&b, e->argv[i]);
	if (b.full)
		out->full = true;
	else
		kube_frame_put(out, 'S', b.data, b.len);
	buf_clear(&b);
}
