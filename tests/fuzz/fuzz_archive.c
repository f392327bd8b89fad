/* link: cl_unpack cl_base */
/*
 * Z13: any bytes as an archive.  Whatever they say, nothing appears beside the folder that they are
 * unpacked in, its limits hold, and no link in it leads out.
 */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/broker/unpack/extract.h"
#include "engine/broker/unpack/survey.h"

#define BYTES (1 << 20)
#define FILES 100

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char outer[64], inner[80];
static int found;

static void
must(int ok)
{
	if (!ok)
		abort();
}

static int
remove_cb(const char *path, const struct stat *st, int kind, struct FTW *f)
{
	return remove(path);
}

static int
count_cb(const char *path, const struct stat *st, int kind, struct FTW *f)
{
	found++;
	must(S_ISREG(st->st_mode) || S_ISDIR(st->st_mode) || S_ISLNK(st->st_mode));
	must(!(st->st_mode & S_ISUID));
	return 0;
}

static void
begin(void)
{
	if (!outer[0]) {
		setlocale(LC_CTYPE, "C.UTF-8");
		snprintf(outer, sizeof(outer), "/tmp/fuzz-archive-XXXXXX");
		must(mkdtemp(outer) != NULL);
		snprintf(inner, sizeof(inner), "%s/in", outer);
	}
	must(mkdir(inner, 0700) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct unpack_result r;
	struct unpack_limits max = {BYTES, FILES, 10};
	struct cl_err err = {0};
	struct tree t = {.max = max};
	int archive = memfd_create("archive", 0), root, rc;

	begin();
	root = open(inner, O_RDONLY | O_DIRECTORY);
	must(root >= 0 && write(archive, data, size) == (ssize_t)size && lseek(archive, 0, SEEK_SET) == 0);
	rc = extract_run(archive, root, &max, &r, &err);
	must(rc == 0 || err.code != CL_OK);
	must(r.bytes <= BYTES);
	t.root = root;
	if (rc == 0)
		must(survey_walk(&t, &err) == 0 && t.bytes <= BYTES);
	found = 0;
	nftw(outer, count_cb, 16, FTW_PHYS);
	must(found <= FILES + 2);
	nftw(inner, remove_cb, 16, FTW_DEPTH | FTW_PHYS);
	/* only the outer folder is left */
	found = 0;
	nftw(outer, count_cb, 16, FTW_PHYS);
	must(found == 1);
	close(archive);
	close(root);
	return 0;
}
