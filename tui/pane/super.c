/* The supervisor of pane workers: see super.h. */
#include "tui/pane/super.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/ipc.h"
#include "base/log.h"
#include "base/pane.h"
#include "tui/pane/worker.h"

#define TICK_NS (50 * 1000 * 1000) /* of the worker's CPU time */
#define GRACE_MS 250
#define BURST 5                    /* restarts within BURST_MS before they are slowed down */
#define BURST_MS 10000
#define PAUSE_S 1

struct super {
	int sock, memfd;
	bool test;
	struct beat *beat;
	sigset_t signals;
	pid_t worker;
	timer_t timer;
	bool has_timer;
	unsigned seen;
	int64_t restarts[BURST]; /* ms, oldest first */
};

static void watch(struct super *s)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
	struct itimerspec every = {.it_interval.tv_nsec = TICK_NS, .it_value.tv_nsec = TICK_NS};
	clockid_t clock;
	int rc = clock_getcpuclockid(s->worker, &clock);

	if (rc == 0 && timer_create(clock, &ev, &s->timer) == 0) {
		s->has_timer = true;
		if (timer_settime(s->timer, 0, &every, NULL) == 0)
			return;
	}
	/* Without a watch a hung worker would stay; better none at all. */
	kill(s->worker, SIGKILL);
	log_fatal("watch the worker: %s", strerror(rc ? rc : errno));
}

static void start_worker(struct super *s)
{
	s->seen = atomic_load(&s->beat->count);
	s->worker = fork();
	if (s->worker < 0)
		log_fatal("fork: %s", strerror(errno));
	if (s->worker == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		worker_run(s->sock, s->memfd, s->beat, s->test);
	}
	watch(s);
}

static void slow_down(struct super *s)
{
	int64_t now = clock_ms();

	if (s->restarts[0] && now - s->restarts[0] < BURST_MS)
		sleep(PAUSE_S);
	memmove(s->restarts, s->restarts + 1, sizeof(s->restarts) - sizeof(s->restarts[0]));
	s->restarts[BURST - 1] = now;
}

static void restart(struct super *s, int signal)
{
	static struct ipc_out m;

	slow_down(s);
	ipc_begin(&m, PANE_RESTARTED);
	ipc_put_u32(&m, (uint32_t)signal);
	if (ipc_send(s->sock, &m) < 0)
		log_warn("restarted: %s", strerror(errno));
	start_worker(s);
}

/* The worker is over.  true: so are we. */
static bool reap(struct super *s, bool hung)
{
	int status = 0;

	if (s->has_timer)
		timer_delete(s->timer);
	s->has_timer = false;
	if (waitpid(s->worker, &status, 0) != s->worker)
		log_fatal("wait: %s", strerror(errno));
	if (!hung && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	log_warn("worker %s", hung ? "hung" : "died");
	restart(s, hung || !WIFSIGNALED(status) ? 0 : WTERMSIG(status));
	return false;
}

/* 0, or the signal that came within ms (-1: any time). */
static int next_signal(struct super *s, int64_t ms)
{
	struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	int sig;

	do
		sig = ms < 0 ? sigwaitinfo(&s->signals, NULL) : sigtimedwait(&s->signals, NULL, &ts);
	while (sig < 0 && errno == EINTR);
	return sig < 0 ? 0 : sig;
}

/* The count stood still for a tick.  true: the worker was killed. */
static bool suspect(struct super *s)
{
	int64_t end = clock_ms() + GRACE_MS, left;

	while ((left = end - clock_ms()) > 0) {
		int sig = next_signal(s, left);

		if (atomic_load(&s->beat->count) != s->seen)
			return false;
		if (sig == SIGCHLD || sig == SIGTERM) {
			/* for the main loop */
			raise(sig);
			return false;
		}
	}
	kill(s->worker, SIGKILL);
	return true;
}

static bool tick(struct super *s)
{
	unsigned count = atomic_load(&s->beat->count);
	bool still = count == s->seen;

	s->seen = count;
	return still && suspect(s) && reap(s, true);
}

/* A child that has ended?  SIGCHLD of a worker that we killed may come late. */
static bool is_over(const struct super *s)
{
	siginfo_t info = {.si_pid = 0};

	return waitid(P_PID, (id_t)s->worker, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == s->worker;
}

int super_run(int sock, int memfd, bool test)
{
	static struct super s;

	s.sock = sock;
	s.memfd = memfd;
	s.test = test;
	s.beat = mmap(NULL, sizeof(*s.beat), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s.beat == MAP_FAILED)
		log_fatal("memory: %s", strerror(errno));
	sigemptyset(&s.signals);
	sigaddset(&s.signals, SIGCHLD);
	sigaddset(&s.signals, SIGTERM);
	sigaddset(&s.signals, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &s.signals, NULL);
	start_worker(&s);
	for (;;) {
		int sig = next_signal(&s, -1);
		bool over = false;

		if (sig == SIGTERM) {
			kill(s.worker, SIGKILL);
			return 0;
		}
		if (sig == SIGCHLD && is_over(&s))
			over = reap(&s, false);
		else if (sig == SIGRTMIN)
			over = tick(&s);
		if (over)
			return 0;
	}
}
