/* link: cl_images cl_base */
/* A stranger's Containerfile: read and applied to the end, within its bounds, and nothing asked for but what is allowed. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "images/dockerfile.h"

static void check(const struct dockerfile_act *act)
{
	size_t n = dockerfile_words_count(act->argv);

	if (act->kind == DOCKERFILE_RUN && n == 0)
		abort();
	if (act->kind == DOCKERFILE_COPY && (n < 2 || act->argv[n - 1][0] != '/' || strstr(act->argv[n - 1], "/../")))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dockerfile d;
	struct dockerfile_vars globals = { 0 };
	struct dockerfile_stage st;
	struct dockerfile_act act;
	char image[256], name[64];
	int rc = dockerfile_parse(&d, (const char *)data, size, NULL);

	dockerfile_begin(&st);
	for (size_t i = 0; rc == 0 && i < d.n; i++) {
		if (strcmp(d.steps[i].keyword, "FROM") == 0)
			(void)dockerfile_from(&d.steps[i], &globals, image, sizeof(image), name, sizeof(name), NULL);
		else if (dockerfile_apply(&st, &globals, &d.steps[i], &act, NULL) == 0)
			check(&act);
		if (strcmp(d.steps[i].keyword, "FROM") != 0)
			dockerfile_act_clear(&act);
		if (i == 0)
			(void)dockerfile_global(&globals, &d.steps[i], NULL);
	}
	dockerfile_end(&st);
	dockerfile_vars_clear(&globals);
	dockerfile_clear(&d);
	return 0;
}
