/*
 * codinglab-broker: the only process that holds the container engine's socket.  It starts as root,
 * keeps the few capabilities that it needs (docs/DECISIONS.md, 6) and forks a child for each
 * connection; the parent reads nothing that a peer sends.
 *
 *   ${run}/broker/broker.sock   requests of the engine (broker_proto.h), engine's uid and root
 *   ${run}/exec.sock            executions (engine/api/exec_proto.h), anyone with a ticket
 *
 * codinglab-broker --print-instance prints the value of the label codinglab.instance.
 * codinglab-broker --restore DIR unpacks a backup from stdin into the empty folder DIR (`lab restore`).
 */
#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/priv.h"
#include "base/sock.h"
#include "engine/broker/backup.h"
#include "engine/broker/broker.h"
#include "engine/broker/exec.h"
#include "engine/broker/registry_store.h"
#include "engine/broker/serve.h"
#include "engine/broker/ticket.h"
#include "engine/broker/transfer.h"

#define CHILDREN_MAX 2000
#define SWEEP_MS 30000

static volatile sig_atomic_t stopping;
static int children;

static void stop_cb(int sig)
{
	stopping = 1;
}

static void wake_cb(int sig)
{
}

static void handle(int sig, void (*cb)(int))
{
	struct sigaction sa = {.sa_handler = cb};

	sigaction(sig, &sa, NULL);
}

static void make_dir(const char *path, mode_t mode)
{
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		log_fatal("%s: %s", path, strerror(errno));
	if (chmod(path, mode) < 0)
		log_fatal("%s: %s", path, strerror(errno));
}

/* Folders of ours beneath run.dir, which `lab` or we make. */
static void make_dirs(const struct place *p)
{
	char path[PLACE_PATH];

	if (mkdir(p->run, 0755) < 0 && errno != EEXIST)
		log_fatal("%s: %s", p->run, strerror(errno));
	snprintf(path, sizeof(path), "%s/broker", p->run);
	make_dir(path, 0711);
	place_tickets(p, path);
	make_dir(path, 0700);
}

static void drop_rights(void)
{
	static const int keep[] = {
	    CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_SETUID, CAP_SETGID, CAP_KILL};

	priv_limits(0, -1);
	priv_keep_caps(keep, CL_COUNT(keep));
	priv_no_new_privs();
}

static void child(const struct broker *b, int sock, bool exec, uid_t uid)
    __attribute__((noreturn));

static void child(const struct broker *b, int sock, bool exec, uid_t uid)
{
	handle(SIGTERM, SIG_DFL);
	handle(SIGINT, SIG_DFL);
	handle(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	sock_nonblock(sock, 0);
	if (exec)
		exec_serve(b, sock, uid);
	else
		serve_run(b, sock);
	_exit(0);
}

static void accept_one(const struct broker *b, int listener, const int other, bool exec)
{
	int sock = sock_accept(listener);
	uid_t uid;
	pid_t pid;

	if (sock < 0)
		return;
	if (sock_peer(sock, &uid, NULL, NULL) < 0 || children >= CHILDREN_MAX) {
		close(sock);
		return;
	}
	if (!exec && uid != 0 && uid != b->engine_uid) {
		log_warn("uid %u may not speak to the broker", (unsigned)uid);
		close(sock);
		return;
	}
	pid = fork();
	if (pid == 0) {
		close(listener);
		close(other);
		child(b, sock, exec, uid);
	}
	if (pid > 0)
		children++;
	else
		log_error("fork: %s", strerror(errno));
	close(sock);
}

static void reap(void)
{
	while (children > 0 && waitpid(-1, NULL, WNOHANG) > 0)
		children--;
}

static void loop(const struct broker *b, int requests, int execs)
{
	struct pollfd p[2] = {{.fd = requests, .events = POLLIN}, {.fd = execs, .events = POLLIN}};
	int64_t swept = clock_ms();

	while (!stopping) {
		int n = poll(p, 2, SWEEP_MS);

		reap();
		if (n > 0 && p[0].revents)
			accept_one(b, requests, execs, false);
		if (n > 0 && p[1].revents)
			accept_one(b, execs, requests, true);
		if (clock_ms() - swept > SWEEP_MS) {
			ticket_sweep(&b->place);
			transfer_sweep(b);
			swept = clock_ms();
		}
	}
}

/* What a lost machine left in the repository, beside the requests. */
static void mend(const struct broker *b)
{
	pid_t pid = fork();

	if (pid < 0)
		log_error("fork: %s", strerror(errno));
	if (pid > 0)
		children++;
	if (pid != 0)
		return;
	handle(SIGTERM, SIG_DFL);
	handle(SIGINT, SIG_DFL);
	registry_store_mend(b);
	_exit(0);
}

int main(int argc, char **argv)
{
	static struct broker b;
	struct cl_err err = {0};
	char name[128] = "";
	int requests, execs;
	gid_t gid;

	log_open("codinglab-broker", LOG_INFO_L);
	if (config_load(NULL, &argc, argv, &err) < 0) {
		err_print(&err);
		return err_exit(err.code);
	}
	log_open("codinglab-broker", (enum log_level)config_word("log.level"));
	place_load(&b.place);
	b.docker.socket = b.place.socket;
	b.builder.socket = config_str("runtime.build_socket");
	if (argc == 2 && strcmp(argv[1], "--print-instance") == 0) {
		printf("%s\n", b.place.instance);
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "--restore") == 0) {
		if (backup_read_all(STDIN_FILENO, argv[2], &err) == 0)
			return 0;
		err_print(&err);
		return err_exit(err.code);
	}
	if (priv_lookup(config_str("engine.user"), &b.engine_uid, &gid, &err) < 0) {
		err_print(&err);
		return err_exit(err.code);
	}
	place_warn(&b.place);
	make_dirs(&b.place);
	handle(SIGTERM, stop_cb);
	handle(SIGINT, stop_cb);
	handle(SIGCHLD, wake_cb);
	signal(SIGPIPE, SIG_IGN);
	requests = sock_listen(config_str("runtime.broker_socket"), SOCK_SEQPACKET, 0666, &err);
	execs = requests < 0 ? -1
	    : sock_listen(config_str("runtime.exec_socket"), SOCK_SEQPACKET, 0666, &err);
	if (execs < 0) {
		err_print(&err);
		return err_exit(err.code);
	}
	if (docker_ping(&b.docker, name, sizeof(name), &err) < 0)
		log_warn("%s", err.message); /* it may come later; each request says so until then */
	if (name[0] && strncmp(name, "Podman", 6) != 0)
		mem_copy_str(b.place.log_driver, sizeof(b.place.log_driver), "json-file");
	drop_rights();
	mend(&b);
	log_info("ready; container engine: %s", name[0] ? name : "none yet");
	loop(&b, requests, execs);
	return 0;
}
