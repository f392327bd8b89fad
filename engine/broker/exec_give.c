/* A client's pipes for a program in a container: see exec_give.h. */
#include "engine/broker/exec_give.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sock.h"
#include "engine/broker/pty/take.h"

#define WAIT_MS 5000
#define PIPES 3
#define PIPES_MAGIC 0x50495045 /* the kernel's own file system of pipes, "PIPE" */

bool exec_give_fit(const int fds[3])
{
	for (int i = 0; i < PIPES; i++) {
		int flags = fcntl(fds[i], F_GETFL), want = i == 0 ? O_RDONLY : O_WRONLY;
		struct statfs fs;
		struct stat st;

		if (flags < 0 || (flags & O_ACCMODE) != want || flags & O_PATH ||
		    fstat(fds[i], &st) < 0 || !S_ISFIFO(st.st_mode) || fstatfs(fds[i], &fs) < 0 ||
		    fs.f_type != PIPES_MAGIC || fcntl(fds[i], F_SETFL, want) < 0)
			return false;
	}
	return true;
}

json_t *exec_give_argv(json_t *argv)
{
	json_t *all = json_pack("[s, s]", EXEC_PTY_HELPER, "take");

	json_array_extend(all, argv);
	json_decref(argv);
	return all;
}

void exec_give_env(const struct exec_pty *t, json_t *env)
{
	cl_autofree char *text = mem_printf("%s=%s", TAKE_VARIABLE, t->inside);

	json_array_append_new(env, json_string(text));
}

/* One that connected: is it the program's user?  Others learn nothing and hold nothing up. */
static bool serve_one(int listener, uid_t uid, const int fds[PIPES])
{
	cl_autoclose int sock = sock_accept(listener);
	uid_t who;
	gid_t gid;
	pid_t pid;

	if (sock < 0 || sock_peer(sock, &who, &gid, &pid) < 0)
		return false;
	if (who == uid)
		return sock_send_fds(sock, 'p', fds, PIPES) == 0;
	log_warn("pipes of uid %u: asked for by uid %u in its container", (unsigned)uid, (unsigned)who);
	return false;
}

bool exec_give_wait(struct exec_pty *t, int stream, uid_t uid, const int fds[3])
{
	int64_t end = clock_ms() + WAIT_MS;
	bool given = false;

	while (!given) {
		struct pollfd p[2] = {{.fd = t->listener, .events = POLLIN},
		    {.fd = stream, .events = POLLRDHUP}};
		int64_t left = end - clock_ms();

		if (left <= 0 || (poll(p, 2, (int)left) < 0 && errno != EINTR))
			break;
		if (p[0].revents)
			given = serve_one(t->listener, uid, fds);
		else if (p[1].revents)
			break;
	}
	exec_pty_close(t);
	return given;
}
