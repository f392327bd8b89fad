/* Finding a backend by name, and freeing what backends return. */
#include "engine/backend.h"

#include <string.h>
#include "base/mem.h"

const struct backend_ops *backend_find(const char *name)
{
	for (size_t i = 0; backend_table[i] != NULL; i++)
		if (strcmp(backend_table[i]->name, name) == 0)
			return backend_table[i];
	return NULL;
}

void backend_list_clear(struct backend_list *l)
{
	mem_free(l->items);
	l->items = NULL;
	l->n = 0;
}

void backend_images_clear(struct backend_images *l)
{
	for (size_t i = 0; i < l->n; i++)
		mem_free(l->items[i].labels);
	mem_free(l->items);
	l->items = NULL;
	l->n = 0;
}

void backend_stored_clear(struct backend_stored_list *l)
{
	mem_free(l->items);
	l->items = NULL;
	l->n = 0;
}
