/* link: cl_engine cl_images cl_base */
/*
 * The request's way in: head (gate), path (routes), body (JSON and schemas), public keys.  What the
 * gate lets through is read a second time, in the plainest way, and must give the same meaning.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "engine/gate.h"
#include "engine/route.h"
#include "engine/schema.h"
#include "engine/sshkey.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(int ok)
{
	if (!ok)
		abort();
}

/* The head ends at the first empty line; each line is "name: value"; Content-Length at most once. */
static void
check_head(const char *text, size_t n, const struct gate *g)
{
	cl_autofree char *head = mem_strndup(text, n);
	char *end = strstr(head, "\r\n\r\n"), *line, *next;
	int lengths = 0;
	struct gate again;

	must(end != NULL);
	must(strncmp(head, g->method, strlen(g->method)) == 0);
	must(strncmp(head + strlen(g->method) + 1, g->target, strlen(g->target)) == 0);
	end[2] = '\0';
	for (line = strstr(head, "\r\n") + 2; *line != '\0'; line = next + 2) {
		next = strstr(line, "\r\n");
		must(next != NULL && line[0] != ' ' && line[0] != '\t');
		*next = '\0';
		must(strchr(line, ':') != NULL && strchr(line, '\r') == NULL && strchr(line, '\n') == NULL);
		must(strncasecmp(line, "transfer-encoding:", 18) != 0);
		lengths += strncasecmp(line, "content-length:", 15) == 0;
	}
	must(lengths == (g->length >= 0));
	/* Cut anywhere before its end, it is not taken for whole. */
	for (size_t cut = 0; cut < (size_t)(end - head) + 4; cut += 7)
		must(gate_check(text, cut, &again) == GATE_MORE);
}

static void
check_path(const char *text)
{
	struct route_params p;
	char allow[64];
	const struct route *r = route_match("GET", text, &p, allow, sizeof allow, NULL);

	if (r == NULL)
		return;
	for (int i = 0; i < p.n; i++)
		must(p.value[i][0] != '\0' && utf8_valid(p.value[i], strlen(p.value[i])));
}

static void
check_body(const char *text, size_t n)
{
	json_t *v = schema_parse(text, n, NULL), *back;
	const struct schema *s;
	char *dump;

	if (v == NULL)
		return;
	dump = json_dumps(v, JSON_COMPACT);
	must(dump != NULL);
	back = schema_parse(dump, strlen(dump), NULL);
	must(back != NULL && json_equal(v, back));
	for (int i = 0; (s = schema_at(i)) != NULL; i++)
		(void)schema_check(s->name, v, NULL);
	json_decref(back);
	json_decref(v);
	mem_free(dump);
}

static void
check_key(const char *text)
{
	static struct sshkey k;

	if (sshkey_parse(&k, text, NULL) != 0)
		return;
	must(k.len > 0 && k.len <= sizeof k.blob && strlen(k.fingerprint) == 50);
	must(utf8_valid(k.comment, strlen(k.comment)));
	must(strpbrk(k.comment, "\n\r\x1b") == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cl_autofree char *text = mem_alloc(size + 1);
	static struct gate g;

	memcpy(text, data, size);
	if (gate_check(text, size, &g) == GATE_OK) {
		check_head(text, size, &g);
		check_path(g.target);
	}
	check_path(text);
	check_body(text, size);
	check_key(text);
	return 0;
}
