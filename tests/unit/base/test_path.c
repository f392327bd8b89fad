/*
 * Files beneath a directory that somebody hostile changes meanwhile: escapes, planted links,
 * a racing swapper, special files, hard links, odd names, and saves that die half way.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/path.h"

static char base[] = "/tmp/cl-path-XXXXXX";
static char root_dir[64], secret[64];
static int root;

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* base/ holds root/ (the project) and secret (what must never be read). */
static int setup(void **state)
{
	memcpy(base, "/tmp/cl-path-XXXXXX", sizeof(base));
	umask(022);
	if (!mkdtemp(base))
		return -1;
	snprintf(root_dir, sizeof(root_dir), "%s/root", base);
	snprintf(secret, sizeof(secret), "%s/secret", base);
	mkdir(root_dir, 0755);
	put(secret, "SECRET");
	root = path_root(root_dir, NULL);
	if (root < 0 || chdir(root_dir) < 0)
		return -1;
	mkdir("dir", 0755);
	put("dir/file", "inside");
	return 0;
}

static int teardown(void **state)
{
	int up = path_root("/tmp", NULL), rc;

	close(root);
	if (chdir("/") < 0)
		return -1;
	rc = path_remove(up, strrchr(base, '/') + 1, NULL);
	close(up);
	return rc;
}

static char *text_of(const char *name)
{
	return path_read(root, name, 1 << 20, NULL, NULL);
}

static void assert_text(const char *name, const char *want)
{
	cl_autofree char *got = text_of(name);

	assert_non_null(got);
	assert_string_equal(got, want);
}

static void assert_refused(const char *name, enum cl_code code, const char *why)
{
	struct cl_err err = {0};

	assert_int_equal(path_open_read(root, name, NULL, &err), -1);
	if (err.code != code || !strstr(err.message, why))
		fail_msg("%s: %s", name, err.message);
}

static int save(const char *name, const char *text, struct cl_err *err)
{
	struct path_save s;

	if (path_save_begin(&s, root, name, err) < 0)
		return -1;
	if (write(s.fd, text, strlen(text)) < 0)
		fail();
	return path_save_commit(&s, NULL, err);
}

static int temps(void)
{
	struct dirent *e;
	DIR *d = opendir(".");
	int n = 0;

	while ((e = readdir(d)))
		n += strncmp(e->d_name, ".codinglab-save-", 16) == 0;
	closedir(d);
	return n;
}

static void reads_what_is_inside(void **state)
{
	struct cl_err err = {0};
	struct stat st;
	int fd = path_open_read(root, "dir/file", &st, NULL);

	assert_true(fd >= 0);
	assert_int_equal(st.st_size, 6);
	close(fd);
	assert_int_equal(symlink("dir/file", "link"), 0);
	assert_text("link", "inside");
	assert_int_equal(path_stat(root, "link", &st, NULL), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_null(path_read(root, "dir/file", 5, NULL, &err));
	assert_int_equal(err.code, CL_TOO_LARGE);
	assert_refused("absent", CL_NOT_FOUND, "No such file");
	assert_refused("dir/file/x", CL_NOT_FOUND, "Not a directory");
	assert_text("dir/../dir/file", "inside");
}

static void escapes_are_refused(void **state)
{
	static const char *const names[] = {"../secret", "/etc/shadow", "dir/../../secret", "..",
	    "abs", "up", "deep/secret", "magic/environ", "magic/root/etc/passwd", "loop"};
	struct cl_err err = {0};
	char text[80];
	struct stat st;

	snprintf(text, sizeof(text), "%s", secret);
	assert_int_equal(symlink(text, "abs"), 0);
	assert_int_equal(symlink("../secret", "up"), 0);
	assert_int_equal(symlink("..", "deep"), 0);
	assert_int_equal(symlink("/proc/self", "magic"), 0);
	assert_int_equal(symlink("loop", "loop"), 0);
	for (size_t i = 0; i < CL_COUNT(names); i++) {
		assert_refused(names[i], CL_FORBIDDEN, "outside the project");
		err_clear(&err);
		assert_int_equal(save(names[i], "x", &err), -1);
		assert_int_equal(err.code, CL_FORBIDDEN);
	}
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(path_stat(root, i < 2 ? names[i] : "../root/dir", &st, NULL), -1);
		assert_int_equal(path_create(root, "deep/new", NULL), -1);
		assert_int_equal(path_mkdir(root, "deep/new", NULL), -1);
		assert_int_equal(path_remove(root, "deep/secret", NULL), -1);
		assert_int_equal(path_rename(root, "deep/secret", "mine", NULL), -1);
		assert_int_equal(path_rename(root, "dir/file", "deep/x", NULL), -1);
		assert_int_equal(path_open_dir(root, "deep", NULL), -1);
	}
	assert_int_equal(access(secret, F_OK), 0);
}

/* The root itself, asked for as something to open by /proc magic. */
static void magic_links_are_refused(void **state)
{
	int proc = path_root("/proc/self", NULL);
	struct cl_err err = {0};

	assert_int_equal(path_open_read(proc, "exe", NULL, &err), -1);
	assert_int_equal(err.code, CL_FORBIDDEN);
	assert_int_equal(path_open_dir(proc, "cwd", NULL), -1);
	close(proc);
}

static void swap_for_ever(void)
{
	for (;;) {
		rename("swap", "away");
		if (symlink("..", "swap") != 0 && errno != EEXIST)
			_exit(1);
		unlink("swap");
		rename("away", "swap");
	}
}

static void racing_swapper_gets_nothing_out(void **state)
{
	int foreign = 0, own = 0, fd;
	char text[16];
	ssize_t n;
	pid_t pid;

	mkdir("swap", 0755);
	put("swap/secret", "own");
	pid = fork();
	if (pid == 0)
		swap_for_ever();
	for (int i = 0; i < 1000000; i++) {
		fd = path_open_read(root, "swap/secret", NULL, NULL);
		if (fd < 0)
			continue;
		n = read(fd, text, sizeof(text));
		foreign += n == 6;
		own += n == 3;
		close(fd);
	}
	for (int i = 0; i < 300; i++)
		save("swap/secret", "own", NULL);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(foreign, 0);
	assert_true(own > 0);
	fd = open(secret, O_RDONLY);
	assert_int_equal(read(fd, text, sizeof(text)), 6);
	assert_memory_equal(text, "SECRET", 6);
	close(fd);
	unlink("away");
}

static void special_files_are_refused(void **state)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX, .sun_path = "sock"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct cl_err err = {0};

	assert_int_equal(mkfifo("fifo", 0666), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_refused("fifo", CL_PRECONDITION, "not a regular file");
	assert_refused("sock", CL_PRECONDITION, "not a regular file");
	assert_refused("dir", CL_PRECONDITION, "not a regular file");
	assert_int_equal(save("fifo", "x", &err), -1);
	assert_string_equal(err.message, "fifo: not a regular file");
	assert_int_equal(save("dir", "x", NULL), -1);
	if (mknod("null", S_IFCHR | 0666, 1 << 8 | 3) == 0)
		assert_refused("null", CL_PRECONDITION, "not a regular file");
	close(fd);
}

static void hard_links_and_modes(void **state)
{
	struct cl_err err = {0};
	struct stat st;

	assert_int_equal(link(secret, "hard"), 0);
	assert_int_equal(save("hard", "overwritten", &err), -1);
	assert_non_null(strstr(err.message, "hard links"));
	assert_text("hard", "SECRET");
	assert_int_equal(chown(secret, 200009, 200009), 0); /* another user's: no different */
	assert_int_equal(save("hard", "overwritten", &err), -1);
	assert_text("hard", "SECRET");
	unlink("hard");
	put("script", "old");
	assert_int_equal(chmod("script", 04751), 0);
	assert_int_equal(save("script", "new", NULL), 0);
	assert_int_equal(stat("script", &st), 0);
	assert_int_equal(st.st_mode & 07777, 04751);
	assert_text("script", "new");
	assert_int_equal(save("fresh", "text", NULL), 0);
	assert_int_equal(stat("fresh", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(symlink("dir/file", "to"), 0);
	assert_int_equal(save("to", "x", NULL), -1);
	assert_text("dir/file", "inside");
	assert_int_equal(temps(), 0);
}

/* As an ordinary uid: what may not be written stays, whoever owns the directory. */
/* chattr +i: the file cannot be replaced, and saving says so instead of leaving a second one. */
static void immutable_files_stay(void **state)
{
	char dir[] = "/var/tmp/cl-path-XXXXXX"; /* a tmpfs knows no such flag */
	int flags = FS_IMMUTABLE_FL, none = 0, fd, at, set;
	struct path_save s;
	struct cl_err err = {0};
	char text[8] = "";

	assert_non_null(mkdtemp(dir));
	at = path_root(dir, NULL);
	fd = openat(at, "fixed", O_RDWR | O_CREAT, 0644);
	assert_int_equal(write(fd, "fixed", 5), 5);
	set = ioctl(fd, FS_IOC_SETFLAGS, &flags);
	if (set == 0) {
		assert_int_equal(path_save_begin(&s, at, "fixed", &err) == 0 ?
		    path_save_commit(&s, NULL, &err) : -1, -1);
		assert_non_null(strstr(err.message, "fixed"));
		assert_int_equal(pread(fd, text, sizeof(text), 0), 5);
		assert_string_equal(text, "fixed");
		assert_int_equal(ioctl(fd, FS_IOC_SETFLAGS, &none), 0);
		assert_int_equal(unlinkat(at, "fixed", 0), 0);
	} else {
		unlinkat(at, "fixed", 0);
	}
	close(fd);
	close(at);
	assert_int_equal(rmdir(dir), 0); /* no temporary file was left */
	if (set != 0)
		skip();
}

static void read_only_files_stay(void **state)
{
	struct cl_err err = {0};
	int status;
	pid_t pid;

	if (getuid() != 0)
		skip();
	chmod(base, 0755);
	chmod(".", 0777);
	put("theirs", "old");
	pid = fork();
	if (pid == 0) {
		if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
			_exit(9);
		_exit(save("theirs", "new", &err) == -1 && err.code == CL_FORBIDDEN &&
		    path_open_read(root, "none", NULL, NULL) == -1 ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_text("theirs", "old");
}

static void odd_names_work(void **state)
{
	char long_name[256];
	const char *const names[] = {"new\nline", "\x1b[2J", "\xff\xfe", "-rf", "\xe2\x80\xaegpj.exe",
	    "재고", " ", "a b", "...", long_name};
	char other[300];

	memset(long_name, 'n', 255);
	long_name[255] = 0;
	for (size_t i = 0; i < CL_COUNT(names); i++) {
		snprintf(other, sizeof(other), "%.200s-2", names[i]);
		assert_int_equal(path_create(root, names[i], NULL), 0);
		assert_int_equal(path_create(root, names[i], NULL), -1);
		assert_int_equal(save(names[i], "text", NULL), 0);
		assert_text(names[i], "text");
		assert_int_equal(path_rename(root, names[i], other, NULL), 0);
		assert_int_equal(path_remove(root, other, NULL), 0);
		assert_int_equal(path_mkdir(root, names[i], NULL), 0);
		assert_int_equal(path_remove(root, names[i], NULL), 0);
	}
	memset(other, 'n', 256);
	other[256] = 0;
	assert_int_equal(path_create(root, other, NULL), -1);
	assert_int_equal(path_create(root, "", NULL), -1);
	assert_int_equal(path_create(root, "dir/..", NULL), -1);
	assert_int_equal(path_remove(root, ".", NULL), -1);
	assert_int_equal(path_remove(root, "dir/", NULL), 0);
}

static void rename_never_replaces(void **state)
{
	struct cl_err err = {0};

	put("a", "A");
	put("b", "B");
	assert_int_equal(path_rename(root, "a", "b", &err), -1);
	assert_int_equal(err.code, CL_CONFLICT);
	assert_text("b", "B");
}

static void remove_takes_the_tree_and_no_more(void **state)
{
	mkdir("t", 0755);
	mkdir("t/a", 0755);
	mkdir("t/a/b", 0755);
	put("t/a/b/f", "x");
	assert_int_equal(symlink("../..", "t/a/out"), 0);
	assert_int_equal(symlink(base, "t/a/b/out"), 0);
	assert_int_equal(path_remove(root, "t", NULL), 0);
	assert_int_equal(access("t", F_OK), -1);
	assert_int_equal(access(secret, F_OK), 0);
	assert_text("dir/file", "inside");
	assert_int_equal(path_remove(root, "t", NULL), -1);
}

static void a_target_swapped_for_a_link_is_kept(void **state)
{
	struct cl_err err = {0};
	struct path_save s;

	put("f", "old");
	assert_int_equal(path_save_begin(&s, root, "f", NULL), 0);
	assert_int_equal(write(s.fd, "new", 3), 3);
	unlink("f");
	assert_int_equal(symlink(secret, "f"), 0);
	assert_int_equal(path_save_commit(&s, NULL, &err), -1);
	assert_int_equal(err.code, CL_FORBIDDEN);
	assert_int_equal(temps(), 0);
}

/* Die by SIGKILL after `steps` parts of a save. */
static void save_and_die(int steps)
{
	struct path_save s;

	if (steps > 0 && path_save_begin(&s, root, "f", NULL) < 0)
		_exit(1);
	if (steps > 1 && write(s.fd, "new ", 4) < 0)
		_exit(1);
	if (steps > 2 && write(s.fd, "text", 4) < 0)
		_exit(1);
	if (steps > 3 && fsync(s.fd) < 0)
		_exit(1);
	if (steps > 4)
		path_save_commit(&s, NULL, NULL);
	kill(getpid(), SIGKILL);
}

static void killed_saves_leave_old_or_new(void **state)
{
	int status;
	pid_t pid;

	for (int steps = 0; steps <= 5; steps++) {
		put("f", "old");
		pid = fork();
		if (pid == 0)
			save_and_die(steps);
		waitpid(pid, &status, 0);
		assert_true(WIFSIGNALED(status));
		assert_text("f", steps == 5 ? "new text" : "old");
		assert_int_equal(temps(), steps > 0 && steps < 5);
		assert_int_equal(path_save_sweep(root, "f"), steps > 0 && steps < 5);
		assert_int_equal(temps(), 0);
	}
}

static void sweep_spares_a_living_save(void **state)
{
	struct path_save s;
	int status;
	pid_t pid;

	assert_int_equal(path_save_begin(&s, root, "f", NULL), 0);
	pid = fork();
	if (pid == 0) {
		close(s.fd);
		close(s.dir);
		_exit(path_save_sweep(root, "f"));
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_int_equal(write(s.fd, "x", 1), 1);
	assert_int_equal(path_save_commit(&s, NULL, NULL), 0);
	assert_text("f", "x");
}

static void full_disk_keeps_the_old_file(void **state)
{
	struct cl_err err = {0};
	char block[4096] = {0};
	struct path_save s;
	bool failed = false;
	int full;

	if (mkdir("full", 0755) < 0 || mount("none", "full", "tmpfs", 0, "size=64k") < 0) {
		print_message("cannot mount a small tmpfs here\n");
		skip();
	}
	put("full/f", "old");
	full = path_root("full", NULL);
	assert_int_equal(path_save_begin(&s, full, "f", &err), 0);
	for (int i = 0; i < 64 && !failed; i++)
		failed = write(s.fd, block, sizeof(block)) < 0;
	assert_true(failed && errno == ENOSPC);
	path_save_abort(&s);
	assert_text("full/f", "old");
	assert_int_equal(path_save_sweep(full, "f"), 0);
	close(full);
	assert_int_equal(umount("full"), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(reads_what_is_inside), T(escapes_are_refused), T(magic_links_are_refused),
	    T(racing_swapper_gets_nothing_out), T(special_files_are_refused), T(hard_links_and_modes),
	    T(immutable_files_stay), T(read_only_files_stay), T(odd_names_work), T(rename_never_replaces),
	    T(remove_takes_the_tree_and_no_more), T(a_target_swapped_for_a_link_is_kept),
	    T(killed_saves_leave_old_or_new), T(sweep_spares_a_living_save),
	    T(full_disk_keeps_the_old_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
