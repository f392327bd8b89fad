/*
 * The users' folders through real requests: who owns what, templates that do not overwrite, reads
 * that do not leave the workspace however it is laid out with links, removal that follows none.
 */
#include "tests/unit/broker/ask.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "engine/broker/files.h"
#include "engine/broker/files_template.h"
#include "engine/broker/pack.h"

#define UID 200001
#define GID 300012

static char dir[] = "/var/tmp/cl-files-XXXXXX";
static struct broker broker;

/* -- a world of files -- */

static const char *at(const char *name)
{
	static char path[4][512];
	static int turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[0]), "%s/%s", dir, name);
	return path[turn];
}

static void write_file(const char *name, const char *text, size_t n, mode_t mode)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), (ssize_t)n);
	fchmod(fd, mode);
	close(fd);
}

static void put(const char *name, const char *text)
{
	write_file(name, text, strlen(text), 0644);
}

static void gone(const char *name)
{
	struct stat st;

	if (lstat(at(name), &st) == 0)
		fail_msg("%s is there", name);
	assert_int_equal(errno, ENOENT);
}

static void is(const char *name, mode_t mode, uid_t uid, gid_t gid)
{
	struct stat st;

	if (lstat(at(name), &st) < 0)
		fail_msg("%s: %s", name, strerror(errno));
	if ((st.st_mode & 07777) != mode || st.st_uid != uid || st.st_gid != gid)
		fail_msg("%s: %o %u:%u", name, st.st_mode & 07777, st.st_uid, st.st_gid);
}

static void holds(const char *name, const char *text)
{
	char data[4096];
	int fd = open(at(name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		fail_msg("%s: %s", name, strerror(errno));
	n = read(fd, data, sizeof(data) - 1);
	close(fd);
	data[n < 0 ? 0 : n] = '\0';
	assert_string_equal(data, text);
}

static void run(const char *command)
{
	FILE *f = popen(command, "r");

	assert_non_null(f);
	assert_int_equal(pclose(f), 0);
}

static int setup(void **state)
{
	mem_copy_str(dir, sizeof(dir), "/var/tmp/cl-files-XXXXXX");
	if (!mkdtemp(dir) || chmod(dir, 0755) < 0)
		return -1;
	umask(022);
	head_place(&broker.place);
	mem_copy_str(broker.place.state, sizeof(broker.place.state), dir);
	mem_copy_str(broker.place.images, sizeof(broker.place.images), at("images"));
	place_identify(&broker.place);
	broker.docker.socket = "/nonexistent";
	for (const char *const *d = (const char *const[]){"images", "images/flask",
	    "images/flask/template", "images/flask/template/app", "images/flask/template/app/empty", NULL};
	    *d; d++)
		mkdir(at(*d), 0755);
	put("images/flask/template/README.md", "# {{project}}\nby {{owner}}, {{unknown}}\n");
	put("images/flask/template/app/main.py", "print('{{project}}')\n");
	put("images/flask/template/.hidden", "x\n");
	write_file("images/flask/template/run.sh", "#!/bin/sh\n", 10, 0755);
	write_file("images/flask/template/logo.png", "\x89PNG\0{{project}}", 16, 0644);
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	run(command);
	return 0;
}

/* -- requests -- */

static struct ipc_out *create(int64_t project, uint32_t uid, uint32_t gid, const char *template)
{
	struct ipc_out *m = ask_begin(BROKER_WORKSPACE_CREATE);

	ipc_put_i64(m, project);
	ipc_put_u32(m, uid);
	ipc_put_u32(m, gid);
	ipc_put_str(m, template);
	ipc_put_u32(m, 2);
	ipc_put_str(m, "project");
	ipc_put_str(m, "shop");
	ipc_put_str(m, "owner");
	ipc_put_str(m, "{{project}}");
	return m;
}

static struct ipc_out *fetch(int64_t project, uint32_t uid, const char *name, int64_t max)
{
	struct ipc_out *m = ask_begin(BROKER_WORKSPACE_READ);

	ipc_put_i64(m, project);
	ipc_put_u32(m, uid);
	ipc_put_str(m, name);
	ipc_put_i64(m, max);
	return m;
}

static struct ipc_out *drop(int64_t project)
{
	struct ipc_out *m = ask_begin(BROKER_WORKSPACE_REMOVE);

	ipc_put_i64(m, project);
	ipc_put_u32(m, UID);
	return m;
}

static struct ipc_out *home(uint32_t uid, uint32_t present)
{
	struct ipc_out *m = ask_begin(BROKER_USER_HOME);

	ipc_put_u32(m, uid);
	ipc_put_u32(m, present);
	return m;
}

/* -- workspaces -- */

static void test_a_workspace_is_made(void **state)
{
	ask_ok(&broker, create(12, UID, GID, "flask/template"));
	is("projects", 0711, 0, 0);
	is("projects/12", 0711, 0, 0);
	is("projects/12/work", 02770, UID, GID);
	is("projects/12/home", 02770, UID, GID);
	/* what is in it is the user's and the project's, nobody else's */
	is("projects/12/work/README.md", 0660, UID, GID);
	is("projects/12/work/run.sh", 0770, UID, GID);
	is("projects/12/work/app", 02770, UID, GID);
	is("projects/12/work/app/main.py", 0660, UID, GID);
	is("projects/12/work/app/empty", 02770, UID, GID);
	holds("projects/12/work/README.md", "# shop\nby {{project}}, {{unknown}}\n");
	holds("projects/12/work/app/main.py", "print('shop')\n");
	holds("projects/12/work/.hidden", "x\n");
}

static void test_what_is_no_text_is_copied_as_it_is(void **state)
{
	char data[32];
	int fd;

	ask_ok(&broker, create(12, UID, GID, "flask/template"));
	fd = open(at("projects/12/work/logo.png"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, data, sizeof(data)), 16);
	assert_memory_equal(data, "\x89PNG\0{{project}}", 16);
	close(fd);
}

static void test_an_empty_workspace(void **state)
{
	int n = 0;
	DIR *d;

	ask_ok(&broker, create(3, UID, GID, ""));
	is("projects/3/work", 02770, UID, GID);
	d = opendir(at("projects/3/work"));
	while (readdir(d))
		n++;
	closedir(d);
	assert_int_equal(n, 2);
}

static void test_what_the_user_wrote_stays(void **state)
{
	ask_ok(&broker, create(12, UID, GID, "flask/template"));
	put("projects/12/work/README.md", "mine\n");
	unlink(at("projects/12/work/run.sh"));
	assert_int_equal(symlink("/etc/shadow", at("projects/12/work/run.sh")), 0);
	unlink(at("projects/12/work/.hidden"));
	ask_ok(&broker, create(12, UID, GID, "flask/template"));
	holds("projects/12/work/README.md", "mine\n");
	holds("projects/12/work/.hidden", "x\n"); /* a cut copy is finished */
}

/* Links planted where the copy would go lead nowhere. */
static void test_planted_links(void **state)
{
	put("victim", "untouched\n");
	mkdir(at("elsewhere"), 0777);
	chmod(at("elsewhere"), 0777);
	ask_ok(&broker, create(12, UID, GID, ""));
	assert_int_equal(symlink("../../../victim", at("projects/12/work/README.md")), 0);
	assert_int_equal(symlink("../../../elsewhere", at("projects/12/work/app")), 0);
	ask_fails(&broker, create(12, UID, GID, "flask/template"));
	holds("victim", "untouched\n");
	gone("elsewhere/main.py");
	/* the workspace itself as a link */
	mkdir(at("projects/13"), 0755);
	assert_int_equal(symlink("../../elsewhere", at("projects/13/work")), 0);
	ask_fails(&broker, create(13, UID, GID, "flask/template"));
	gone("elsewhere/README.md");
	is("elsewhere", 0777, 0, 0);
}

static void test_links_in_a_template_are_left_out(void **state)
{
	assert_int_equal(symlink("/etc/passwd", at("images/flask/template/passwd")), 0);
	assert_int_equal(symlink("/etc", at("images/flask/template/etc")), 0);
	assert_int_equal(mkfifo(at("images/flask/template/pipe"), 0666), 0);
	ask_ok(&broker, create(12, UID, GID, "flask/template"));
	gone("projects/12/work/passwd");
	gone("projects/12/work/etc");
	gone("projects/12/work/pipe");
	holds("projects/12/work/.hidden", "x\n");
}

static void test_a_template_that_is_too_deep_ends(void **state)
{
	char path[400];
	size_t n = (size_t)snprintf(path, sizeof(path), "images/flask/template");

	for (int i = 0; i < 30; i++) {
		n += (size_t)snprintf(path + n, sizeof(path) - n, "/d");
		assert_int_equal(mkdir(at(path), 0755), 0);
	}
	ask_ok(&broker, create(12, UID, GID, "flask/template"));
	is("projects/12/work/d/d/d/d", 02770, UID, GID);
	gone("projects/12/work/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d");
}

static void test_requests_that_are_refused(void **state)
{
	static const char *const templates[] = {"/etc", "..", "../../etc", "flask/../../etc", "flask",
	    "flask//template", "flask/template/", "flask/.template", "Flask/template", "flask/temp late"};
	struct ipc_out *m;

	for (size_t i = 0; i < CL_COUNT(templates); i++)
		assert_int_equal(ask_fails(&broker, create(12, UID, GID, templates[i])).code, CL_USAGE);
	gone("projects");
	ask_fails(&broker, create(0, UID, GID, ""));
	ask_fails(&broker, create(-1, UID, GID, ""));
	ask_fails(&broker, create(1000001, UID, GID, ""));
	ask_fails(&broker, create(12, 0, GID, ""));
	ask_fails(&broker, create(12, 999, GID, ""));
	ask_fails(&broker, create(12, UID, 0, ""));
	ask_fails(&broker, create(12, 0xfffffffeu, GID, ""));
	gone("projects");
	assert_int_equal(ask_fails(&broker, create(12, UID, GID, "flask/missing")).code, CL_NOT_FOUND);
	m = create(12, UID, GID, "");
	m->data[m->len - 4] = '\x1b'; /* in the last substitution */
	assert_int_equal(ask_fails(&broker, m).code, CL_USAGE);
	m = create(12, UID, GID, "");
	ipc_put_u32(m, 1);
	ask_fails(&broker, m);
}

static void test_removing(void **state)
{
	put("victim", "untouched\n");
	ask_ok(&broker, create(12, UID, GID, "flask/template"));
	ask_ok(&broker, create(1, UID, GID, ""));
	assert_int_equal(symlink("../../../victim", at("projects/12/work/a")), 0);
	assert_int_equal(symlink("..", at("projects/12/work/b")), 0);
	chmod(at("projects/12/work/app"), 0);
	ask_ok(&broker, drop(12));
	gone("projects/12");
	holds("victim", "untouched\n");
	is("projects/1/work", 02770, UID, GID);
	ask_ok(&broker, drop(12)); /* absence is success */
	ask_ok(&broker, drop(999));
	/* a project that is a link is removed as a link */
	assert_int_equal(symlink("1", at("projects/2")), 0);
	ask_ok(&broker, drop(2));
	is("projects/1/work", 02770, UID, GID);
	ask_fails(&broker, drop(0));
	ask_fails(&broker, drop(-1));
}

/* -- reading -- */

static void reads(const char *name, const char *want)
{
	struct ipc_out *m = fetch(12, UID, name, 4096);
	struct answer *a = ask(&broker, m);

	if (a->err.code)
		fail_msg("%s: %s", name, a->err.message);
	assert_string_equal(a->text.data ? a->text.data : "", want);
	assert_int_equal(a->end.type, BROKER_OK);
	answer_free(a);
	mem_free(m);
}

static void no_read(const char *name, enum cl_code code)
{
	struct ipc_out *m = fetch(12, UID, name, 4096);
	struct answer *a = ask(&broker, m);

	if (a->rc < 0 || (code && a->err.code != code) || a->text.len || !a->err.code)
		fail_msg("%s: %d %s (%zu bytes)", name, a->err.code, a->err.message, a->text.len);
	answer_free(a);
	mem_free(m);
}

static void test_reading(void **state)
{
	ask_ok(&broker, create(12, UID, GID, "flask/template"));
	reads("app/main.py", "print('shop')\n");
	reads("./app/../app/main.py", "print('shop')\n");
	reads(".hidden", "x\n");
	assert_int_equal(symlink("app/main.py", at("projects/12/work/link")), 0);
	reads("link", "print('shop')\n");
	put("projects/12/work/empty", "");
	reads("empty", "");
	no_read("missing", CL_NOT_FOUND);
	no_read("app/missing", CL_NOT_FOUND);
	no_read("app", 0);
	no_read("", 0);
}

static void test_no_read_leaves_the_workspace(void **state)
{
	static const char *const names[] = {"/etc/passwd", "../home/x", "../../13/work/a", "../..",
	    "app/../../home/x", "abs", "rel", "up", "up/13/work/a", "self", "self/root/etc/passwd",
	    "chain", "/proc/self/environ"};

	ask_ok(&broker, create(12, UID, GID, "flask/template"));
	ask_ok(&broker, create(13, UID, GID, ""));
	write_file("projects/13/work/a", "another's", 9, 0666);
	write_file("projects/12/home/x", "home", 4, 0666);
	assert_int_equal(symlink("/etc/passwd", at("projects/12/work/abs")), 0);
	assert_int_equal(symlink("../../13/work/a", at("projects/12/work/rel")), 0);
	assert_int_equal(symlink("../..", at("projects/12/work/up")), 0);
	assert_int_equal(symlink("/proc/self", at("projects/12/work/self")), 0);
	assert_int_equal(symlink("rel", at("projects/12/work/chain")), 0);
	for (size_t i = 0; i < CL_COUNT(names); i++)
		no_read(names[i], CL_FORBIDDEN);
}

static void test_no_read_waits_or_opens_a_device(void **state)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ask_ok(&broker, create(12, UID, GID, ""));
	assert_int_equal(mkfifo(at("projects/12/work/pipe"), 0666), 0);
	chmod(at("projects/12/work/pipe"), 0666);
	no_read("pipe", 0);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", at("projects/12/work/sock"));
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	no_read("sock", 0);
	close(fd);
	if (mknod(at("projects/12/work/zero"), S_IFCHR | 0666, 1 << 8 | 5) == 0)
		no_read("zero", 0);
}

static void test_reading_is_done_as_the_user(void **state)
{
	ask_ok(&broker, create(12, UID, GID, ""));
	write_file("projects/12/work/roots", "secret", 6, 0600);
	no_read("roots", CL_FORBIDDEN);
}

static void test_sizes(void **state)
{
	static const size_t sizes[] = {IPC_DATA_MAX - 1, IPC_DATA_MAX, IPC_DATA_MAX + 1, 3000000};
	cl_autofree char *big = mem_alloc(3000001);
	struct ipc_out *m;
	struct answer *a;

	memset(big, 'b', 3000000);
	ask_ok(&broker, create(12, UID, GID, ""));
	for (size_t i = 0; i < CL_COUNT(sizes); i++) {
		write_file("projects/12/work/big", big, sizes[i], 0644);
		m = fetch(12, UID, "big", (int64_t)sizes[i]);
		a = ask(&broker, m);
		assert_int_equal(a->err.code, CL_OK);
		assert_int_equal(a->text.len, sizes[i]);
		assert_int_equal(a->parts, (sizes[i] + IPC_DATA_MAX - 1) / IPC_DATA_MAX);
		answer_free(a);
		mem_free(m);
		m = fetch(12, UID, "big", (int64_t)sizes[i] - 1);
		assert_int_equal(ask_fails(&broker, m).code, CL_TOO_LARGE);
	}
	ask_fails(&broker, fetch(12, UID, "big", -1));
	ask_fails(&broker, fetch(12, UID, "big", (64 << 20) + 1));
	ask_fails(&broker, fetch(0, UID, "big", 1));
	ask_fails(&broker, fetch(12, 0, "big", 1));
	assert_int_equal(ask_fails(&broker, fetch(14, UID, "big", 1)).code, CL_NOT_FOUND);
}

/* -- users -- */

static void test_a_users_own_folder(void **state)
{
	ask_ok(&broker, home(UID, 1));
	is("users", 0711, 0, 0);
	is("users/200001", 0700, UID, UID);
	is("users/200001/swap", 0700, UID, UID);
	put("users/200001/swap/journal", "unsaved");
	ask_ok(&broker, home(UID, 1));
	holds("users/200001/swap/journal", "unsaved");
	ask_ok(&broker, home(UID + 1, 1));
	ask_ok(&broker, home(UID, 0));
	gone("users/200001");
	is("users/200002", 0700, UID + 1, UID + 1);
	ask_ok(&broker, home(UID, 0));
	ask_fails(&broker, home(0, 1));
	ask_fails(&broker, home(999, 1));
	ask_fails(&broker, home(UID, 2));
	gone("users/0");
}

static void test_a_wrong_owner_is_put_right(void **state)
{
	ask_ok(&broker, home(UID, 1));
	assert_int_equal(chown(at("users/200001"), 0, 0), 0);
	chmod(at("users/200001"), 0777);
	ask_ok(&broker, home(UID, 1));
	is("users/200001", 0700, UID, UID);
}

/* -- builds -- */

static void test_a_builds_folder_begins_empty(void **state)
{
	struct cl_err err = {0};

	assert_int_equal(files_build_begin(&broker, 31, UID, GID, &err), 0);
	is("builds/31", 0700, UID, GID);
	put("builds/31/left", "from a cut build");
	assert_int_equal(files_build_begin(&broker, 31, UID, GID, &err), 0);
	gone("builds/31/left");
	is("builds/31", 0700, UID, GID);
	assert_int_equal(files_build_end(&broker, 31, &err), 0);
	gone("builds/31");
	assert_int_equal(files_build_end(&broker, 31, &err), 0);
	assert_int_equal(err.code, CL_OK);
}

/* -- the helper that acts for a user -- */

struct told {
	enum cl_code code;
	bool die, hush;
};

static int act(void *arg, struct cl_err *err)
{
	const struct told *t = arg;

	if (t->die)
		_exit(9);
	if (t->hush)
		return -1;
	if (geteuid() != UID || getegid() != GID || getuid() != UID)
		return err_set(err, CL_FAILED, "I am %u:%u", geteuid(), getegid());
	if (setuid(0) == 0 || seteuid(0) == 0)
		return err_set(err, CL_FAILED, "I could go back");
	return t->code ? err_set(err, t->code, "because") : 0;
}

static void test_acting_for_a_user(void **state)
{
	struct told t = {0};
	struct cl_err err = {0};

	if (files_as(UID, GID, act, &t, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(geteuid(), 0);
	for (int code = 1; code < CL_CODES; code++) {
		t.code = (enum cl_code)code;
		err_clear(&err);
		assert_int_equal(files_as(UID, GID, act, &t, &err), -1);
		assert_int_equal(err.code, code);
		assert_string_equal(err.message, "because");
	}
	t = (struct told){.die = true};
	err_clear(&err);
	assert_int_equal(files_as(UID, GID, act, &t, &err), -1);
	assert_string_equal(err.message, "the helper that acts for user 200001 died");
	t = (struct told){.hush = true};
	err_clear(&err);
	assert_int_equal(files_as(UID, GID, act, &t, &err), -1);
	assert_true(err.code != CL_OK && err.message[0]);
}

/* -- archives for the container engine -- */

static void test_passwd_and_group(void **state)
{
	struct spec s = {.user_name = "alice", .uid = UID, .gid = GID};
	struct cl_err err = {0};
	struct buf out;
	char line[128];

	for (int i = 0; i < 4; i++) {
		static const char *const homes[] = {NULL, "/home/alice", "/x\nroot::0:0::/:/bin/sh", "relative"};

		spec_clear_vars(&s.vars);
		if (homes[i]) {
			s.vars.items[0] = (struct spec_var){mem_strdup("HOME"), mem_strdup(homes[i])};
			s.vars.n = 1;
		}
		buf_init(&out, 1 << 20);
		assert_int_equal(pack_user(&out, &s, &err), 0);
		snprintf(line, sizeof(line), "\nalice:x:200001:300012:alice:%s:/bin/bash\n",
		    i == 1 ? "/home/alice" : "/");
		assert_non_null(memmem(out.data, out.len, line, strlen(line)));
		assert_non_null(memmem(out.data, out.len, "project:x:300012:\n", 18));
		assert_null(memmem(out.data, out.len, "root::0:0", 9));
		buf_clear(&out);
	}
	spec_clear_vars(&s.vars);
}

static bool packed(const struct buf *tar, const char *text)
{
	return memmem(tar->data, tar->len, text, strlen(text)) != NULL;
}

static void test_a_recipes_folder(void **state)
{
	struct cl_err err = {0};
	struct buf one, two;

	put("images/flask/Containerfile", "FROM localhost/codinglab/python\n");
	put("images/flask/target", "read by name");
	assert_int_equal(symlink("target", at("images/flask/alias")), 0);
	assert_int_equal(mkfifo(at("images/flask/pipe"), 0600), 0);
	put("images/flask/.cache", "out of sight");
	buf_init(&one, 1 << 20);
	assert_int_equal(pack_folder(&one, at("images/flask"), NULL, 0, &err), 0);
	assert_true(packed(&one, "FROM localhost/codinglab/python\n"));
	assert_true(packed(&one, "read by name"));
	assert_false(packed(&one, "alias"));
	assert_false(packed(&one, "pipe"));
	assert_false(packed(&one, "out of sight"));
	/* the template too, with what it hides: an image may build it once ahead */
	assert_true(packed(&one, "template/app/main.py") && packed(&one, "template/.hidden"));
	/* the same files give the same bytes, so that the engine's cache holds */
	usleep(1100);
	put("images/flask/Containerfile", "FROM localhost/codinglab/python\n");
	buf_init(&two, 1 << 20);
	assert_int_equal(pack_folder(&two, at("images/flask"), NULL, 0, &err), 0);
	assert_int_equal(one.len, two.len);
	assert_memory_equal(one.data, two.data, one.len);
	buf_clear(&one);
	buf_clear(&two);
	buf_init(&one, 1000); /* a ceiling */
	assert_int_equal(pack_folder(&one, at("images/flask"), NULL, 0, &err), -1);
	buf_clear(&one);
	err_clear(&err);
	buf_init(&one, 1000);
	assert_int_equal(pack_folder(&one, at("images/none"), NULL, 0, &err), -1);
	assert_int_equal(err.code, CL_NOT_FOUND);
	buf_clear(&one);
}

static void test_what_a_context_gets_besides(void **state)
{
	char folder[64];
	const struct pack_item more[] = {{.name = "maven/settings.xml", .text = "<settings/>"},
	    {.name = "maven/1", .dir = folder}};
	struct cl_err err = {0};
	struct buf out;

	mem_copy_str(folder, sizeof(folder), at("repository"));
	put("images/flask/Containerfile", "FROM localhost/codinglab/python\n");
	assert_int_equal(mkdir(at("repository"), 0755), 0);
	assert_int_equal(mkdir(at("repository/org"), 0755), 0);
	put("repository/org/a.jar", "bytes of a");
	buf_init(&out, 1 << 20);
	assert_int_equal(pack_folder(&out, at("images/flask"), more, 2, &err), 0);
	assert_true(packed(&out, "maven/settings.xml") && packed(&out, "<settings/>"));
	assert_true(packed(&out, "maven/1/org/a.jar") && packed(&out, "bytes of a"));
	buf_clear(&out);
	buf_init(&out, 4096); /* the first file fits, the folder does not */
	assert_int_equal(pack_folder(&out, at("images/flask"), more, 2, &err), -1);
	assert_int_equal(err.code, CL_TOO_LARGE);
	buf_clear(&out);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_a_workspace_is_made), T(test_what_is_no_text_is_copied_as_it_is),
	    T(test_an_empty_workspace), T(test_what_the_user_wrote_stays), T(test_planted_links),
	    T(test_links_in_a_template_are_left_out), T(test_a_template_that_is_too_deep_ends),
	    T(test_requests_that_are_refused), T(test_removing), T(test_reading),
	    T(test_no_read_leaves_the_workspace), T(test_no_read_waits_or_opens_a_device),
	    T(test_reading_is_done_as_the_user), T(test_sizes), T(test_a_users_own_folder),
	    T(test_a_wrong_owner_is_put_right), T(test_a_builds_folder_begins_empty),
	    T(test_acting_for_a_user), T(test_passwd_and_group), T(test_a_recipes_folder),
	    T(test_what_a_context_gets_besides),
	};

	if (geteuid() != 0) {
		puts("folders of other users need root");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
