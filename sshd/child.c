/* Records of children: see child.h. */
#include "sshd/child.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

#include "base/mem.h"

#define CHILD_AGAIN 1000 /* ms between SIGKILLs, for groups that still fork */

static struct child *child_list;

struct child *child_add(enum child_kind kind, pid_t pid, uid_t uid)
{
	struct child *c = mem_alloc(sizeof(*c));

	c->kind = kind;
	c->pid = pid;
	c->uid = uid;
	c->next = child_list;
	child_list = c;
	return c;
}

static struct child *match(struct child *c, int kind, pid_t pid, const void *owner)
{
	for (; c; c = c->next)
		if ((kind < 0 || (int)c->kind == kind) && (!pid || c->pid == pid) &&
		    (!owner || c->owner == owner))
			return c;
	return NULL;
}

struct child *child_find(int kind, pid_t pid, const void *owner)
{
	return match(child_list, kind, pid, owner);
}

struct child *child_next(struct child *c, int kind, const void *owner)
{
	return match(c->next, kind, 0, owner);
}

struct child *child_first(void)
{
	return child_list;
}

static void signal_child(const struct child *c, int sig)
{
	/* A program is a session of its own, so its group has its number. */
	if (c->kind != CHILD_EXEC || kill(-c->pid, sig) < 0)
		kill(c->pid, sig);
}

void child_end(struct child *c, int sig, int64_t kill_at)
{
	signal_child(c, sig);
	if (sig == SIGHUP)
		signal_child(c, SIGCONT); /* a stopped one would never see it */
	if (!c->kill_at || kill_at < c->kill_at)
		c->kill_at = kill_at;
}

void child_reap(void (*reaped)(struct child *c, int status))
{
	struct child **link, *c;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0 || (pid < 0 && errno == EINTR)) {
		for (link = &child_list; *link && (*link)->pid != pid; link = &(*link)->next)
			;
		c = *link;
		if (!c)
			continue;
		*link = c->next;
		if (c->kind == CHILD_EXEC && c->kill_at)
			kill(-c->pid, SIGKILL); /* what it left behind in its group */
		reaped(c, status);
		mem_free(c->path);
		mem_free(c);
	}
}

int child_turn(int64_t now)
{
	int64_t next = -1;

	for (struct child *c = child_list; c; c = c->next) {
		if (!c->kill_at)
			continue;
		if (c->kill_at <= now) {
			signal_child(c, SIGKILL);
			c->kill_at = now + CHILD_AGAIN;
		}
		if (next < 0 || c->kill_at - now < next)
			next = c->kill_at - now;
	}
	return (int)next;
}

int child_count(int kind)
{
	int n = 0;

	for (struct child *c = child_find(kind, 0, NULL); c; c = child_next(c, kind, NULL))
		n++;
	return n;
}

void child_forget(void)
{
	while (child_list) {
		struct child *c = child_list;

		child_list = c->next;
		mem_free(c->path);
		mem_free(c);
	}
}
