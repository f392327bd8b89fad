/* Names with values: see dockerfile_vars.h. */
#include "images/dockerfile_vars.h"

#include <string.h>
#include "base/mem.h"

const char *dockerfile_vars_get(const struct dockerfile_vars *v, const char *name)
{
	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->items[i].name, name) == 0)
			return v->items[i].value;
	return NULL;
}

int dockerfile_vars_set(struct dockerfile_vars *v, const char *name, const char *value)
{
	size_t bytes = strlen(name) + strlen(value), i = 0;

	for (size_t k = 0; k < v->n; k++)
		if (strcmp(v->items[k].name, name) != 0)
			bytes += strlen(v->items[k].name) + strlen(v->items[k].value);
	while (i < v->n && strcmp(v->items[i].name, name) != 0)
		i++;
	if (bytes > DOCKERFILE_VARS_BYTES || i == DOCKERFILE_VARS)
		return -1;
	if (i == v->n) {
		v->items = mem_resize(v->items, v->n + 1, sizeof(*v->items));
		v->items[v->n++] = (struct dockerfile_var){ mem_strdup(name), NULL };
	}
	mem_free(v->items[i].value);
	v->items[i].value = mem_strdup(value);
	return 0;
}

void dockerfile_vars_clear(struct dockerfile_vars *v)
{
	for (size_t i = 0; i < v->n; i++) {
		mem_free(v->items[i].name);
		mem_free(v->items[i].value);
	}
	mem_free(v->items);
	memset(v, 0, sizeof(*v));
}
