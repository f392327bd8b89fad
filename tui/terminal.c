/* Terminals of the IDE: see terminal.h. */
#include "tui/terminal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/config.h"
#include "base/mem.h"
#include "base/pane.h"
#include "base/sock.h"
#include "tui/agent.h"
#include "tui/pane_client.h"
#include "tui/pane_keys.h"

#define OUT_MAX ((size_t)16 << 20)
#define GRACE_MS 500
#define LINE_BYTES 128 /* of the ring, for each line that tui.scrollback asks for */

/* The pane process of this session and who sits where. */
static struct {
	struct pane_client *client;
	struct ui_watch *watch;
	struct terminal *seats[PANE_TERMS];
	bool lost;
} pane;

/* A ticket and an exec, on a worker thread. */
struct terminal_job {
	struct terminal *terminal; /* NULL: it was closed meanwhile */
	struct ui *ui;
	char *socket, *path, *exec_socket;
	json_t *body;
	struct client_exec exec;
	struct cl_err err;
};

static void start(struct terminal *t);

/* ---- the pane process ---- */

static void changed_cb(void *arg, uint32_t mask)
{
	for (int i = 0; i < PANE_TERMS; i++) {
		struct terminal *t = pane.seats[i];

		if (!t || !(mask >> i & 1))
			continue;
		t->pending = true;
		t->changed(t);
	}
	terminal_drawn(NULL, NULL);
}

void terminal_drawn(struct terminal *t, bool (*shown)(const struct terminal *))
{
	bool wait = false;

	if (t)
		t->pending = false;
	for (int i = 0; i < PANE_TERMS; i++) {
		struct terminal *s = pane.seats[i];

		if (s && s->pending && shown && !shown(s))
			s->pending = false;
		wait = wait || (s && s->pending);
	}
	if (!wait && pane.client)
		pane_client_looked(pane.client);
}

bool terminal_waiting(void)
{
	bool wait = false;

	for (int i = 0; i < PANE_TERMS; i++)
		wait = wait || (pane.seats[i] && pane.seats[i]->pending);
	return wait;
}

static const char *end_text(const struct terminal *t, char *out, size_t size)
{
	if (!t->exit_known)
		snprintf(out, size, "connection lost");
	else if (t->signal)
		snprintf(out, size, "ended by signal %d", t->signal);
	else
		snprintf(out, size, "exited %d", t->status);
	return out;
}

/* Both the last byte and the status have come: say so below the output, where it stays. */
static void finish(struct terminal *t)
{
	char why[64], text[256];
	int n;

	if (t->state != TERMINAL_RUNNING)
		return;
	t->state = TERMINAL_ENDED;
	if (t->arg[0] == '\0' && t->exit_known && t->status == 0 && t->closing(t))
		return;
	n = snprintf(text, sizeof(text),
	    "\033[?1049l\033[!p\033[?25l\r\n\033[1m%s\033[0m\033[2m  Enter: again  q: close\033[0m",
	    end_text(t, why, sizeof(why)));
	pane_client_feed(pane.client, t->seat, text, (size_t)n);
	t->changed(t);
}

static void ended_cb(void *arg, int id)
{
	struct terminal *t = pane.seats[id];

	if (!t)
		return;
	t->output_over = true;
	if (t->exit_known)
		finish(t);
}

static void clipboard_cb(void *arg, int id, const char *base64, size_t n)
{
	/* Not asked for: PANE_OPEN_CLIPBOARD is never set, programs cannot write it. */
}

static uint32_t ring_bytes(void)
{
	int64_t n = config_int("tui.scrollback") * LINE_BYTES;

	return n > PANE_RING_MAX ? PANE_RING_MAX : n < PANE_RING_MIN ? PANE_RING_MIN : (uint32_t)n;
}

static void restarted_cb(void *arg)
{
	for (int i = 0; i < PANE_TERMS; i++) {
		struct terminal *t = pane.seats[i];

		if (!t || t->state != TERMINAL_RUNNING || t->output_over)
			continue;
		pane_client_open(pane.client, i, t->exec.fds[0], t->rows, t->cols, ring_bytes(),
		    PANE_OPEN_KEEP);
		/* Programs paint anew when the size changes; for shells a line says what happened. */
		pane_client_feed(pane.client, i, "\033[2mterminal restarted\033[0m\r\n", 28);
		client_exec_resize(&t->exec, t->rows - 1, t->cols);
		client_exec_resize(&t->exec, t->rows, t->cols);
		ui_message(t->ui, UI_WARN, "terminal restarted");
	}
}

static void lost_cb(void *arg)
{
	pane.lost = true;
	for (int i = 0; i < PANE_TERMS; i++)
		if (pane.seats[i])
			ui_message(pane.seats[i]->ui, UI_ERROR,
			    "terminals: their process is gone; leave and connect again");
}

static const struct pane_client_ops client_ops = {
	changed_cb, ended_cb, clipboard_cb, restarted_cb, lost_cb,
};

static void readable_cb(void *arg, int fd, int events)
{
	pane_client_read(pane.client);
	if (pane.lost) {
		ui_unwatch(pane.watch);
		pane.watch = NULL;
	}
}

static int connect_pane(struct ui *ui, struct cl_err *err)
{
	const struct ui_info *info = ui_info(ui);

	if (pane.lost || info->pane_fd < 0 || info->shm_fd < 0)
		return err_set(err, CL_UNAVAILABLE, "terminals: this session has no process for them");
	if (pane.client)
		return 0;
	pane.client = pane_client_new(info->pane_fd, info->shm_fd, &client_ops, NULL, err);
	if (!pane.client)
		return -1;
	pane.watch = ui_watch_fd(ui, info->pane_fd, UV_READABLE, readable_cb, NULL);
	return 0;
}

/* ---- the execution ---- */

static void writable_cb(void *arg, int fd, int events);

static void write_out(struct terminal *t)
{
	while (t->out.len > 0 && t->has_exec) {
		ssize_t n = write(t->exec.fds[0], t->out.data, t->out.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (!t->writer)
				t->writer = ui_watch_fd(t->ui, t->exec.fds[0], UV_WRITABLE, writable_cb, t);
			return;
		}
		/* A program that is gone reads nothing: its end is told by other ways. */
		buf_drop(&t->out, n < 0 ? t->out.len : (size_t)n);
	}
	if (t->writer)
		ui_unwatch(t->writer);
	t->writer = NULL;
}

static void writable_cb(void *arg, int fd, int events)
{
	write_out(arg);
}

int terminal_type(struct terminal *t, const char *p, size_t n)
{
	bool waiting = t->out.len > 0;

	if (t->state == TERMINAL_ENDED)
		return 0;
	if (buf_add(&t->out, p, n) < 0)
		return -1;
	if (!waiting)
		write_out(t);
	return 0;
}

/* A job left in the background keeps the terminal open: its end is then not waited for. */
static void grace_cb(void *arg)
{
	struct terminal *t = arg;

	finish(t);
}

static void control_cb(void *arg, int fd, int events)
{
	struct terminal *t = arg;
	int rc = client_exec_ended(&t->exec, &t->status, &t->signal);

	if (rc == 0)
		return;
	ui_unwatch(t->control);
	t->control = NULL;
	t->exit_known = rc == 1;
	/* With the connection lost no more output comes either. */
	if (t->output_over || rc < 0)
		finish(t);
	else
		t->grace = ui_timer_start(t->ui, GRACE_MS, 0, grace_cb, t);
}

static void attach(struct terminal *t)
{
	t->has_exec = true;
	t->state = TERMINAL_RUNNING;
	sock_nonblock(t->exec.fds[0], 1);
	pane_client_open(pane.client, t->seat, t->exec.fds[0], t->rows, t->cols, ring_bytes(), 0);
	if (t->exec.early)
		pane_client_feed(pane.client, t->seat, t->exec.early, t->exec.early_len);
	client_exec_resize(&t->exec, t->rows, t->cols);
	t->control = ui_watch_fd(t->ui, t->exec.control, UV_READABLE, control_cb, t);
	write_out(t);
}

static void free_job(struct terminal_job *j)
{
	mem_free(j->socket);
	mem_free(j->path);
	mem_free(j->exec_socket);
	mem_free(j);
}

static void open_work_cb(void *arg)
{
	struct terminal_job *j = arg;
	json_t *reply = NULL;
	const char *ticket, *socket;

	if (client_call(j->socket, "POST", j->path, j->body, &reply, &j->err) < 0)
		return;
	ticket = json_string_value(json_object_get(reply, "ticket"));
	socket = json_string_value(json_object_get(reply, "socket"));
	if (!ticket)
		err_set(&j->err, CL_FAILED, "terminal: the engine gave no ticket");
	else
		client_exec_open(&j->exec, socket ? socket : j->exec_socket, ticket, &j->err);
	json_decref(reply);
}

static void open_done_cb(void *arg)
{
	struct terminal_job *j = arg;
	struct terminal *t = j->terminal;

	if (!t) {
		if (!j->err.code)
			client_exec_close(&j->exec);
		free_job(j);
		return;
	}
	t->job = NULL;
	if (j->err.code) {
		t->state = TERMINAL_ENDED;
		ui_message_err(t->ui, &j->err);
	} else {
		t->exec = j->exec;
		attach(t);
	}
	t->changed(t);
	free_job(j);
}

/* "was-2 prod" */
static void put_instance(json_t *body, const char *s)
{
	char tier[8] = "", env[8] = "";
	int n = 0;
	const char *dash = s + strcspn(s, "- ");

	mem_copy_str(tier, (size_t)(dash - s) + 1 < sizeof(tier) ? (size_t)(dash - s) + 1 : sizeof(tier), s);
	if (*dash == '-')
		n = (int)strtol(dash + 1, NULL, 10);
	s = dash + strcspn(dash, " ");
	s += strspn(s, " ");
	mem_copy_str(env, sizeof(env), s);
	json_object_set_new(body, "shell", json_true());
	json_object_set_new(body, "tier", json_string(tier));
	if (n > 0 && n < 100)
		json_object_set_new(body, "n", json_integer(n));
	if (strcmp(env, "dev") == 0 || strcmp(env, "prod") == 0)
		json_object_set_new(body, "environment", json_string(env));
}

static void put_agent(json_t *body)
{
	const char *path = agent_path();

	if (path)
		json_object_set_new(json_object_get(body, "env"), "SSH_AUTH_SOCK", json_string(path));
}

static json_t *request(const struct terminal *t)
{
	json_t *body = json_pack("{s:b, s:i, s:i, s:{s:s, s:s, s:s}}", "tty", 1, "rows", t->rows,
	    "cols", t->cols, "env", "TERM", "xterm-256color", "COLORTERM", "truecolor", "LANG",
	    "C.UTF-8");

	if (strncmp(t->arg, "enter ", 6) != 0)
		put_agent(body);
	if (strcmp(t->arg, "run") == 0)
		json_object_set_new(body, "run", json_true());
	else if (strcmp(t->arg, "test") == 0 || strcmp(t->arg, "repl") == 0 ||
	    strcmp(t->arg, "debug") == 0)
		json_object_set_new(body, "task", json_string(t->arg));
	else if (strncmp(t->arg, "test ", 5) == 0)
		json_object_set_new(body, "command", json_string(t->arg));
	else if (strncmp(t->arg, "run ", 4) == 0)
		json_object_set_new(body, "command", json_string(t->arg + 4));
	else if (strncmp(t->arg, "enter ", 6) == 0)
		put_instance(body, t->arg + 6);
	else
		json_object_set_new(body, "shell", json_true());
	return body;
}

static void start(struct terminal *t)
{
	const struct ui_info *info = ui_info(t->ui);
	struct terminal_job *j = mem_alloc(sizeof(*j));

	j->terminal = t;
	j->ui = t->ui;
	j->socket = mem_strdup(info->socket);
	j->path = mem_printf("/v1/projects/%s/exec", info->project_ref);
	j->exec_socket = mem_strdup(info->exec_socket);
	j->body = request(t);
	t->job = j;
	t->state = TERMINAL_OPENING;
	t->output_over = t->exit_known = false;
	t->status = t->signal = 0;
	ui_work(t->ui, open_work_cb, open_done_cb, j);
}

static void hang_up(struct terminal *t)
{
	if (t->control)
		ui_unwatch(t->control);
	if (t->writer)
		ui_unwatch(t->writer);
	ui_timer_stop(t->grace);
	t->control = t->writer = NULL;
	t->grace = NULL;
	if (t->has_exec)
		client_exec_close(&t->exec);
	t->has_exec = false;
	buf_clear(&t->out);
}

/* ---- for the view ---- */

struct terminal *terminal_new(struct ui *ui, const char *arg, struct cl_err *err)
{
	static int numbers;
	struct terminal *t;
	int seat = 0;

	if (connect_pane(ui, err) < 0)
		return NULL;
	while (seat < PANE_TERMS && pane.seats[seat])
		seat++;
	if (seat == PANE_TERMS) {
		err_set(err, CL_QUOTA, "terminal: %d are open already", PANE_TERMS);
		err_hint(err, "close one (C-] x)");
		return NULL;
	}
	t = mem_alloc(sizeof(*t));
	t->ui = ui;
	t->arg = mem_strdup(arg);
	t->number = ++numbers;
	t->seat = seat;
	buf_init(&t->out, OUT_MAX);
	pane.seats[seat] = t;
	return t;
}

struct terminal *terminal_find_ended(const char *arg)
{
	for (int i = 0; i < PANE_TERMS && arg[0]; i++)
		if (pane.seats[i] && pane.seats[i]->state == TERMINAL_ENDED &&
		    strcmp(pane.seats[i]->arg, arg) == 0)
			return pane.seats[i];
	return NULL;
}

void terminal_free(struct terminal *t)
{
	if (!t)
		return;
	if (t->job)
		t->job->terminal = NULL;
	if (!pane.lost)
		pane_client_close(pane.client, t->seat);
	hang_up(t);
	pane.seats[t->seat] = NULL;
	terminal_drawn(NULL, NULL);
	mem_free(t->arg);
	mem_free(t);
}

void terminal_resize(struct terminal *t, int rows, int cols)
{
	rows = rows < PANE_ROWS_MIN ? PANE_ROWS_MIN : rows > PANE_ROWS_MAX ? PANE_ROWS_MAX : rows;
	cols = cols < PANE_COLS_MIN ? PANE_COLS_MIN : cols > PANE_COLS_MAX ? PANE_COLS_MAX : cols;
	if (rows == t->rows && cols == t->cols)
		return;
	t->rows = rows;
	t->cols = cols;
	if (t->state == TERMINAL_NEW) {
		start(t);
		return;
	}
	if (t->state == TERMINAL_OPENING)
		return;
	pane_client_resize(pane.client, t->seat, rows, cols);
	if (t->has_exec && t->state == TERMINAL_RUNNING)
		client_exec_resize(&t->exec, rows, cols);
}

void terminal_restart(struct terminal *t)
{
	if (t->state != TERMINAL_ENDED)
		return;
	hang_up(t);
	start(t);
	t->changed(t);
}

const void *terminal_area(const struct terminal *t)
{
	return t->has_exec ? pane_client_area(pane.client, t->seat) : NULL;
}

void terminal_label(const struct terminal *t, char *out, size_t size)
{
	char why[64];
	const char *what = t->arg[0] ? t->arg : "shell";

	if (t->state == TERMINAL_ENDED && t->has_exec)
		snprintf(out, size, "%d %.24s: %s", t->number, what, end_text(t, why, sizeof(why)));
	else
		snprintf(out, size, "%d %.24s", t->number, what);
}
