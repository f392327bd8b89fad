/*
 * What an archive of a project holds beside its files, so that it builds and runs without
 * CodingLab:
 *
 *   shop/codinglab-export.json   what an import needs to know
 *   shop/app/                    the workspace
 *   shop/Containerfile           the application's image, from images/
 *   shop/images/                 recipes of the images that it is built upon, and `build`
 *   shop/web/                    the Web tier, asking `was` by name
 *   shop/compose.yaml .env       Web, WAS and DB on one machine; placeholders for secrets
 *   shop/kubernetes/             the same for a cluster
 *   shop/README.md               how to run it
 *
 * compose.yaml and the manifests are JSON, which YAML contains: no text is put together by hand.
 */
#ifndef ENGINE_EXPORT_H
#define ENGINE_EXPORT_H

#include <jansson.h>

#include "base/err.h"
#include "base/name.h"
#include "images/appfile.h"
#include "images/stack.h"

struct export {
	char name[NAME_SIZE];
	const struct stack *stack, *web, *db; /* db NULL = none */
	const struct stack_set *stacks;
	const struct appfile *app;            /* what the project says of itself */
	const char *images, *added;           /* folders of the stacks: the platform's, and later ones */
};

/* The files as a JSON object: name -> text, or {"text", "executable"}; the caller frees. */
char *export_files(const struct export *x, struct cl_err *err);

/* The parts of it. */
json_t *export_compose_make(const struct export *x);
/* name -> manifest */
json_t *export_kube_make(const struct export *x);
int export_port(const struct export *x);
const char *export_health(const struct export *x);
json_t *export_argv(char *const *argv); /* NULL gives null */
json_t *export_check(int port, const char *path); /* argv of a check without curl; path "" = TCP */

#endif
