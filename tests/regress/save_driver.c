/*
 * Opens FILE beneath DIR with the text core, appends TEXT and saves, for test_save_faults.py.
 * Prints "saved", or "failed: MESSAGE" and then what the buffer still holds ("kept N").
 */
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "editor/file.h"

int
main(int argc, char **argv)
{
	struct cl_err err = { 0 };
	struct file *f;
	size_t len;
	int root;

	if (argc != 4 || (root = path_root(argv[1], &err)) < 0)
		return 2;
	if ((f = file_open(root, argv[2], &err)) == NULL) {
		printf("not opened: %s\n", err.message);
		return 3;
	}
	text_step(f->text, TEXT_OTHER, 0);
	text_insert(f->text, text_len(f->text), argv[3], strlen(argv[3]), NULL);
	len = text_len(f->text);
	printf("begin\n");
	fflush(stdout);
	if (file_save(f, false, NULL, &err) == 0) {
		printf("saved\n");
	} else {
		printf("failed: %s\n", err.message);
		if (text_len(f->text) == len && text_modified(f->text))
			printf("kept %zu\n", len);
	}
	file_free(f);
	return 0;
}
