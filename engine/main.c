/*
 * The engine's process.  Started as root it makes its folders and sockets, opens nothing else, and
 * becomes engine.user for good; then store (migrated first), backend, events, and the loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/priv.h"
#include "engine/account.h"
#include "engine/auth.h"
#include "engine/edge_config.h"
#include "engine/engine.h"
#include "engine/event_hub.h"
#include "engine/gc.h"
#include "engine/idem.h"
#include "engine/password.h"
#include "engine/project.h"
#include "engine/operate.h"
#include "engine/proxy_config.h"
#include "engine/router.h"
#include "engine/server.h"
#include "engine/store_event.h"
#include "images/bases.h"
#include "images/stack.h"

#define HOUSEKEEPING_MS 5000
#define EVENTS_KEPT 200000
#define STOP_MS 8000

struct service {
	struct engine engine;
	uv_loop_t loop;
	uv_signal_t term, interrupt;
	uv_timer_t house, stop;
	int64_t rounds, began; /* began: Unix ms */
};

static void
fail(const struct cl_err *err)
{
	err_print(err);
	exit(err_exit(err->code));
}

/* -- before rights are dropped -- */

static void
make_folder(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	struct cl_err err = {0};
	struct stat st;

	if (mkdir(path, mode) == 0) {
		chmod(path, mode); /* whatever the umask */
	} else if (errno != EEXIST) {
		err_errno(&err, CL_FAILED, "cannot make %s", path);
		fail(&err);
	}
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
		err_set(&err, CL_FAILED, "%s: is not a folder", path);
		fail(&err);
	}
	if (geteuid() == 0 && (st.st_uid != uid || st.st_gid != gid) && lchown(path, uid, gid) < 0)
		log_warn("cannot give %s away: %s", path, strerror(errno));
}

/* The database may have been made by another account in a run before. */
static void
own_database(const char *dir, uid_t uid, gid_t gid)
{
	static const char *const names[] = {"codinglab.db", "codinglab.db-wal", "codinglab.db-shm",
	    "lock"};
	cl_autoclose int fd = open(dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || geteuid() != 0)
		return;
	for (size_t i = 0; i < CL_COUNT(names); i++)
		if (fchownat(fd, names[i], uid, gid, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
			log_warn("cannot give %s/%s away: %s", dir, names[i], strerror(errno));
}

/* Before anything changes hands: one engine for one state. */
static void
lock_state(const char *dir)
{
	static int fd; /* held until the process ends */
	struct cl_err err = {0};
	char path[600];

	snprintf(path, sizeof path, "%s/lock", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		err_errno(&err, CL_FAILED, "cannot open %s", path);
		fail(&err);
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		err_set(&err, CL_CONFLICT, "another engine uses %s", dir);
		err_hint(&err, "stop it first: ./lab down");
		fail(&err);
	}
}

static void
prepare_folders(char *dir, size_t size)
{
	struct cl_err err = {0};
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (uid == 0 && priv_lookup(config_str("engine.user"), &uid, &gid, &err) < 0)
		fail(&err);
	snprintf(dir, size, "%s/engine", config_str("state.dir"));
	make_folder(config_str("state.dir"), 0755, 0, 0);
	make_folder(config_str("run.dir"), 0755, 0, 0);
	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		err_errno(&err, CL_FAILED, "cannot make %s", dir);
		fail(&err);
	}
	lock_state(dir);
	make_folder(dir, 0700, uid, gid);
	own_database(dir, uid, gid);
}

static void
become(void)
{
	struct cl_err err = {0};
	uid_t uid;
	gid_t gid;

	if (geteuid() != 0) {
		log_warn("not started as root: users are told apart only if their uids exist");
	} else {
		if (priv_lookup(config_str("engine.user"), &uid, &gid, &err) < 0)
			fail(&err);
		if (uid == 0)
			log_warn("engine.user is root: rights are kept, for tests only");
		else
			priv_drop(uid, gid, NULL, 0);
	}
	priv_limits(0, -1);
	priv_no_new_privs();
}

/* -- parts -- */

static void
open_store(struct engine *e, const char *dir)
{
	struct cl_err err = {0};
	char path[600];

	snprintf(path, sizeof path, "%s/codinglab.db", dir);
	if ((e->store = store_open(path, &err)) == NULL || store_check(e->store, &err) < 0)
		fail(&err);
}

/* Not of a database that is only looked at: the file would be another account's. */
static void
open_mark(struct engine *e, const char *dir)
{
	struct cl_err err = {0};
	char path[600];

	snprintf(path, sizeof path, "%s/codinglab.mark", dir);
	if (store_mark_open(e->store, path, &err) < 0)
		fail(&err);
}

static void
open_backend(struct engine *e)
{
	struct cl_err err = {0};
	const char *name = config_str("engine.backend");

	if ((e->backend.ops = backend_find(name)) == NULL) {
		err_set(&err, CL_USAGE, "engine.backend: there is no backend %s", name);
		fail(&err);
	}
	store_identity(e->store, e->backend.lab, sizeof e->backend.lab);
	mem_copy_str(e->backend_state, sizeof e->backend_state, "ready");
	if (e->backend.ops->open(&e->backend, &err) < 0) {
		mem_copy_str(e->backend_state, sizeof e->backend_state, "down");
		mem_copy_str(e->backend_error, sizeof e->backend_error, err.message);
		log_warn("backend %s: %s", name, err.message);
	}
}

static void
warm_cb(struct engine *e, void *arg)
{
	password_matches("", "", 0); /* so that the first login takes no longer than others */
}

static void
house_cb(uv_timer_t *h)
{
	struct service *s = h->data;
	struct cl_err err = {0};

	account_sweep(&s->engine, false);
	if (s->rounds++ % 720 == 0 && (store_event_prune(s->engine.store, EVENTS_KEPT, &err) < 0 ||
	    idem_prune(s->engine.store, &err) < 0 || gc_when_due(&s->engine, s->began, &err) < 0))
		log_warn("%s", err.message);
}

static void
stop_cb(uv_timer_t *h)
{
	struct service *s = h->data;

	uv_stop(&s->loop);
}

static void
signal_cb(uv_signal_t *h, int number)
{
	struct service *s = h->data;

	if (s->engine.stopping) {
		uv_stop(&s->loop);
		return;
	}
	log_info("stopping (signal %d)", number);
	s->engine.stopping = true;
	server_stop(s->engine.server);
	uv_timer_start(&s->stop, stop_cb, server_connections(s->engine.server) == 0 ? 1 : 300, 50);
}

static void
start_loop(struct service *s)
{
	uv_signal_init(&s->loop, &s->term);
	uv_signal_init(&s->loop, &s->interrupt);
	uv_timer_init(&s->loop, &s->house);
	uv_timer_init(&s->loop, &s->stop);
	s->term.data = s->interrupt.data = s->house.data = s->stop.data = s;
	uv_signal_start(&s->term, signal_cb, SIGTERM);
	uv_signal_start(&s->interrupt, signal_cb, SIGINT);
	s->began = clock_unix_ms();
	uv_timer_start(&s->house, house_cb, 1000, HOUSEKEEPING_MS);
}

static void
check_only(void)
{
	struct cl_err err = {0};
	struct stack_set set = {0};
	uid_t uid;
	gid_t gid;

	if (backend_find(config_str("engine.backend")) == NULL)
		err_set(&err, CL_USAGE, "engine.backend: there is no backend %s",
		    config_str("engine.backend"));
	else if (geteuid() == 0 && priv_lookup(config_str("engine.user"), &uid, &gid, &err) < 0)
		fail(&err);
	else
		stack_load(&set, config_str("images.dir"), &err);
	stack_clear(&set);
	if (err.code != CL_OK)
		fail(&err);
	printf("configuration ok\n");
	exit(0);
}

/* The lab's base, as a shell reads it: for `lab` and images/base-rootfs. */
static int
print_base(struct cl_err *err)
{
	const char *mirror = config_str("images.mirror");
	const struct base *base;
	struct bases bases;
	int rc = -1;

	if (bases_load(&bases, config_str("images.dir"), err) != 0)
		return -1;
	base = bases_find(&bases, config_str("images.base"), err);
	if (base != NULL && (config_str("images.from")[0] != '\0' ||
	    bases_check_mirror(base, mirror, err) == 0))
		rc = bases_print(base, mirror, config_str("images.keyring"), stdout, err);
	bases_clear(&bases);
	return rc;
}

/* 0 printed, -1 not asked for or failed. */
static int
print_only(const char *what, struct cl_err *err)
{
	if (strcmp(what, "--print-edge-config") == 0)
		return edge_config_write(stdout, err);
	if (strcmp(what, "--print-proxy-config") == 0)
		return proxy_config_write(stdout, err);
	if (strcmp(what, "--print-base") == 0)
		return print_base(err);
	if (strcmp(what, "--print-options") == 0)
		config_print(stdout);
	else if (strcmp(what, "--version") == 0)
		printf("codinglab-engine\n");
	else
		return -1;
	return 0;
}

/* Can this program serve that database?  Brings it to the newest schema. */
static void
check_store(void)
{
	struct engine e = {0};
	char dir[600];

	snprintf(dir, sizeof dir, "%s/engine", config_str("state.dir"));
	open_store(&e, dir);
	store_close(e.store);
	exit(0);
}

static void
read_arguments(int argc, char **argv)
{
	struct cl_err err = {0};

	if (config_load(NULL, &argc, argv, &err) < 0)
		fail(&err);
	log_open("codinglab-engine", (enum log_level)config_word("log.level"));
	if (argc == 2 && strcmp(argv[1], "--check") == 0)
		check_only();
	if (argc == 2 && strcmp(argv[1], "--check-store") == 0)
		check_store();
	if (argc == 2 && print_only(argv[1], &err) == 0)
		exit(0);
	if (err.code)
		fail(&err);
	if (argc > 1) {
		err_set(&err, CL_USAGE, "unknown argument %s", argv[1]);
		err_hint(&err, "codinglab-engine [--check | --check-store | --print-edge-config | --print-proxy-config | --print-base | --print-options] "
		    "[--section-name VALUE]...");
		fail(&err);
	}
}

static void
open_parts(struct service *s, const char *dir)
{
	static const struct server_handlers handlers = {router_handle, router_body_max, router_refuse};
	struct engine *e = &s->engine;
	struct cl_err err = {0};

	if ((e->server = server_open(e, config_str("engine.socket"), &handlers, &err)) == NULL ||
	    (e->auth = auth_open(e, config_str("engine.auth_socket"), &err)) == NULL)
		fail(&err);
	become();
	open_store(e, dir);
	open_mark(e, dir);
	event_hub_open(e);
	open_backend(e);
	if (operate_open(e, &err) < 0)
		fail(&err);
	project_sweep(e);
	account_sweep(e, true);
	engine_work(e, warm_cb, NULL, NULL);
}

static void
close_parts(struct service *s)
{
	struct engine *e = &s->engine;

	operate_close(e);
	auth_close(e->auth);
	e->auth = NULL;
	event_hub_close(e);
	store_close(e->store);
	log_info("stopped");
}

int
main(int argc, char **argv)
{
	static struct service s;
	char dir[512];

	signal(SIGPIPE, SIG_IGN);
	umask(027);
	setenv("UV_THREADPOOL_SIZE", "32", 0); /* backend calls block, and logs are followed */
	read_arguments(argc, argv);
	if (sodium_init() < 0)
		log_fatal("libsodium does not start");
	uv_loop_init(&s.loop);
	s.engine.uid_base = config_int("engine.uid_base");
	s.engine.gid_base = config_int("engine.gid_base");
	engine_open(&s.engine, &s.loop);
	prepare_folders(dir, sizeof dir);
	open_parts(&s, dir);
	start_loop(&s);
	log_info("ready on %s (backend %s, %s)", config_str("engine.socket"),
	    s.engine.backend.ops->name, s.engine.backend_state);
	uv_run(&s.loop, UV_RUN_DEFAULT);
	close_parts(&s);
	return 0;
}
