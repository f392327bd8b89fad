/* link: cl_base */
/*
 * Z12: files opened beneath a directory by names, while another thread swaps directories, links and files about.
 * Each byte of the input chooses an operation or a piece of a name.  Whatever was opened is inside, nothing outside is ever
 * changed, and no call waits for longer than a second.
 */
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"

#define SECRET "what lies outside"
#define STEPS_MAX 40
#define PARTS_MAX 6
#define WAIT_MS 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *p;
	size_t n;
};

static char base_dir[64];
static int base_fd = -1, root_fd = -1;
static struct stat secret_st;
static struct stat out_st;
static atomic_bool swapping;
static pthread_mutex_t at_rest = PTHREAD_MUTEX_INITIALIZER; /* not in the middle of a swap */

#define must(ok) ((ok) ? (void)0 : fail(__LINE__, #ok))

static void fail(int line, const char *what)
{
	fprintf(stderr, "line %d: not %s\n", line, what);
	abort();
}

static unsigned next(struct input *in)
{
	if (in->n == 0)
		return 0;
	in->n--;
	return *in->p++;
}

static void put_file(const char *name, const char *text)
{
	int fd = openat(base_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK, 0644);

	if (fd >= 0) {
		must(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
		close(fd);
	}
}

static int remove_cb(const char *name, const struct stat *st, int type, struct FTW *at)
{
	if (at->level > 0)
		remove(name);
	return 0;
}

/* The tree as it begins.  What the last input left goes first: a link of its making must not lead us out. */
static void make_tree(void)
{
	char in[96];

	snprintf(in, sizeof(in), "%s/in", base_dir);
	must(nftw(in, remove_cb, 16, FTW_DEPTH | FTW_PHYS) == 0);
	mkdirat(base_fd, "in/dir", 0755);
	mkdirat(base_fd, "in/dir/deep", 0755);
	put_file("in/file", "inside");
	put_file("in/dir/file", "inside");
	symlinkat("../../out", base_fd, "in/dir/up");
	symlinkat("/etc/passwd", base_fd, "in/absolute");
	symlinkat("dir", base_fd, "in/inner");
	symlinkat("loop", base_fd, "in/loop");
	symlinkat("/proc/self/root", base_fd, "in/magic");
	mkfifoat(base_fd, "in/fifo", 0666);
}

/* The hostile neighbour: "dir" is the folder, then a link out, then the folder again. */
static void *swap_cb(void *arg)
{
	while (true) {
		if (!atomic_load(&swapping)) {
			usleep(200);
			continue;
		}
		pthread_mutex_lock(&at_rest);
		renameat(base_fd, "in/dir", base_fd, "in/kept");
		symlinkat("../out", base_fd, "in/dir");
		sched_yield();
		unlinkat(base_fd, "in/dir", 0);
		renameat(base_fd, "in/kept", base_fd, "in/dir");
		pthread_mutex_unlock(&at_rest);
	}
	return arg;
}

static void gone(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", base_dir);
	if (base_dir[0] && strncmp(base_dir, "/var/tmp/cl-fuzz-path-", 22) == 0) {
		FILE *f = popen(command, "r");

		if (f)
			pclose(f);
	}
}

static void begin(void)
{
	struct cl_err err = {0};
	pthread_t thread;

	snprintf(base_dir, sizeof(base_dir), "/var/tmp/cl-fuzz-path-XXXXXX");
	must(mkdtemp(base_dir) != NULL);
	atexit(gone);
	base_fd = open(base_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	must(base_fd >= 0 && mkdirat(base_fd, "in", 0755) == 0 && mkdirat(base_fd, "out", 0755) == 0);
	put_file("out/file", SECRET);
	put_file("out/secret", SECRET);
	must(fstatat(base_fd, "out/secret", &secret_st, 0) == 0);
	must(fstatat(base_fd, "out", &out_st, 0) == 0);
	cl_autofree char *in = mem_printf("%s/in", base_dir);
	root_fd = path_root(in, &err);
	must(root_fd >= 0);
	must(pthread_create(&thread, NULL, swap_cb, NULL) == 0);
}

/* A name: pieces that mean something here, or bytes of the input. */
static void make_name(struct input *in, char *out, size_t size)
{
	static const char *const pieces[] = {"dir", "deep", "file", "up", "absolute", "inner", "loop", "magic", "fifo", "..", ".", "",
	    "secret", "new", "kept", "out", "root", "etc"};
	size_t len = 0;
	int parts = 1 + (int)(next(in) % PARTS_MAX);

	for (int i = 0; i < parts; i++) {
		unsigned pick = next(in);
		char odd[3] = {(char)pick, (char)next(in), '\0'};
		const char *piece = pick < 200 ? pieces[pick % CL_COUNT(pieces)] : odd;

		len += (size_t)snprintf(out + len, size - len, "%s%s", i ? "/" : next(in) % 16 == 0 ? "/" : "", piece);
		if (len >= size)
			break;
	}
}

static void check_open(int fd)
{
	struct stat st;

	if (fd < 0)
		return;
	must(fstat(fd, &st) == 0 && S_ISREG(st.st_mode));
	must(st.st_dev == secret_st.st_dev && st.st_ino != secret_st.st_ino);
	close(fd);
}

static void save(const char *name)
{
	struct path_save s;
	struct cl_err err = {0};

	if (path_save_begin(&s, root_fd, name, &err) < 0)
		return;
	must(write(s.fd, "saved", 5) == 5);
	if (path_save_commit(&s, NULL, &err) < 0)
		path_save_abort(&s);
}

static void step(struct input *in)
{
	char name[256], other[256];
	struct cl_err err = {0};
	struct stat st;
	unsigned what = next(in) % 11;
	int fd;

	make_name(in, name, sizeof(name));
	if (what < 2) {
		check_open(path_open_read(root_fd, name, &st, &err));
	} else if (what == 2) {
		size_t len;
		cl_autofree char *text = path_read(root_fd, name, 4096, &len, &err);

		must(!text || !strstr(text, SECRET));
	} else if (what == 3) {
		fd = path_open_dir(root_fd, name, &err);
		if (fd >= 0) {
			must(fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && st.st_ino != out_st.st_ino);
			close(fd);
		}
	} else if (what == 4) {
		save(name);
	} else if (what == 5) {
		check_open(path_open_new(root_fd, name, 0644, &err));
	} else if (what == 6) {
		path_mkdir(root_fd, name, &err);
	} else if (what == 7) {
		make_name(in, other, sizeof(other));
		path_rename(root_fd, name, other, &err);
	} else if (what == 8) {
		path_remove(root_fd, name, &err);
	} else if (what == 9) {
		make_name(in, other, sizeof(other));
		path_symlink(root_fd, name, other, &err);
	} else {
		path_save_sweep(root_fd, name);
	}
}

/* Nothing outside was changed, added or removed. */
static void check_outside(void)
{
	char text[64] = "";
	int fd = openat(base_fd, "out/secret", O_RDONLY | O_NOFOLLOW);
	struct stat st;

	must(fd >= 0 && read(fd, text, sizeof(text) - 1) == (ssize_t)strlen(SECRET) && strcmp(text, SECRET) == 0);
	close(fd);
	must(fstatat(base_fd, "out/file", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size == (off_t)strlen(SECRET));
	must(fstatat(base_fd, "out", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_nlink == 2);
	must(faccessat(base_fd, "out/new", F_OK, AT_SYMLINK_NOFOLLOW) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};

	if (base_fd < 0)
		begin();
	pthread_mutex_lock(&at_rest);
	make_tree();
	atomic_store(&swapping, true);
	pthread_mutex_unlock(&at_rest);
	for (int i = 0; i < STEPS_MAX && in.n > 0; i++) {
		int64_t before = clock_ms();

		step(&in);
		must(clock_ms() - before < WAIT_MS * 10); /* a second, on a machine that ten share */
	}
	atomic_store(&swapping, false);
	pthread_mutex_lock(&at_rest);
	check_outside();
	pthread_mutex_unlock(&at_rest);
	return 0;
}
