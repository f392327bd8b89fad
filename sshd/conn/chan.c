/* Channels from their opening to their end: see chan.h.  Nothing is freed inside a callback. */
#include "sshd/conn/chan.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sock.h"
#include "sshd/conn/door.h"
#include "sshd/conn/link.h"
#include "sshd/conn/pump.h"

#define CHAN_NOTES 5           /* refusals of forwarding that are logged */
#define CHAN_RESTARTS 3        /* of a session that dies, within ... */
#define CHAN_RESTART_MS 60000

/* Leave the other screen, show the cursor, no mouse, no bracketed paste, plain colours. */
#define CHAN_RESTORE "\033[?1049l\033[?25h\033[?1000l\033[?1002l\033[?1003l\033[?1006l" \
	"\033[?2004l\033[?1004l\033[0m\r"

static const char chan_help[] =
    "codinglab: a screen needs a terminal.\n"
    "  ssh -t USER@HOST                 opens the IDE\n"
    "  ssh USER@HOST VERB [ARGS]        runs one verb, for scripts: see `ssh USER@HOST help`\n"
    "  ssh USER+PROJECT@HOST COMMAND    runs a command in the project's container\n";

struct chan chan_all[MONITOR_CHANNELS];

static void close_fds(struct chan *c)
{
	if (c->in >= 0)
		close(c->in);
	if (c->out >= 0 && c->out != c->in)
		close(c->out);
	if (c->err >= 0)
		close(c->err);
	c->in = c->out = c->err = -1;
}

void chan_finish(struct chan *c, int code, const char *text)
{
	size_t n = strlen(text), len = 0;
	char *out;

	if (c->ending || c->state == CHAN_FREE || c->state == CHAN_GONE)
		return;
	close_fds(c);
	c->ending = true;
	c->code = code;
	out = mem_resize(NULL, c->out_len + sizeof(CHAN_RESTORE) + 2 * n + 4, 1);
	if (c->out_len) { /* what it said before */
		memcpy(out, c->out_buf + c->out_off, c->out_len);
		len = c->out_len;
	} else {
		c->out_is_err = !c->pty;
	}
	if (c->drew) {
		memcpy(out + len, CHAN_RESTORE, sizeof(CHAN_RESTORE) - 1);
		len += sizeof(CHAN_RESTORE) - 1;
	}
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\n' && c->pty)
			out[len++] = '\r';
		out[len++] = text[i];
	}
	if (n && text[n - 1] != '\n') {
		if (c->pty)
			out[len++] = '\r';
		out[len++] = '\n';
	}
	mem_free(c->out_buf);
	c->out_buf = out;
	c->out_off = 0;
	c->out_len = len;
}

static void release(struct chan *c)
{
	close_fds(c);
	if (c->ssh) {
		ssh_remove_channel_callbacks(c->ssh, &c->callbacks);
		ssh_channel_free(c->ssh);
	}
	if (c->answered)
		link_forget(c->id);
	for (int i = 0; i < c->nenv; i++)
		mem_free(c->env[i]);
	mem_free(c->in_buf);
	mem_free(c->out_buf);
	memset(c, 0, sizeof(*c));
	c->in = c->out = c->err = -1;
}

/* The client is gone from this channel, but the listener's answer is still on its way. */
static void abandon(struct chan *c)
{
	ssh_remove_channel_callbacks(c->ssh, &c->callbacks);
	ssh_channel_free(c->ssh);
	c->ssh = NULL;
	c->state = CHAN_GONE;
}

static void send_status(struct chan *c)
{
	if (c->no_status || (c->client_closed && !c->eof_sent))
		return;
	if (c->sig && monitor_signal_name(c->sig))
		ssh_channel_request_send_exit_signal(c->ssh, monitor_signal_name(c->sig), 0, "", "");
	else
		ssh_channel_request_send_exit_status(c->ssh, c->code);
	ssh_channel_send_eof(c->ssh);
	ssh_channel_close(c->ssh);
}

/* A program is over when it has exited and all that it wrote was passed on. */
static bool program_over(const struct chan *c)
{
	return c->state == CHAN_PROGRAM && c->out < 0 && c->err < 0 && c->out_len == 0 &&
	    (c->exited || conn.orphan);
}

/* A client that saw the end of the output may close at once; the status must still reach it. */
static bool awaits_status(const struct chan *c)
{
	return c->state == CHAN_PROGRAM && c->eof_sent && !c->ending && !conn.orphan;
}

int chan_sweep(void)
{
	int left = 0;

	for (struct chan *c = chan_all; c < chan_all + MONITOR_CHANNELS; c++) {
		if (c->state == CHAN_FREE || c->state == CHAN_GONE)
			continue;
		if (!c->ending && program_over(c)) {
			c->ending = true;
			c->no_status = !c->exited;
		}
		if (c->client_closed && c->state == CHAN_ASKED) {
			abandon(c);
			continue;
		}
		if ((c->client_closed && !awaits_status(c)) ||
		    (c->ending && c->out_len == 0 && c->state != CHAN_ASKED)) {
			send_status(c);
			release(c);
			continue;
		}
		left++;
	}
	return left;
}

static void ask(struct chan *c, bool exec, const char *line)
{
	c->state = CHAN_ASKED;
	link_open(c->id, exec, line, c->pty, c->rows, c->cols, c->term, (const char *const *)c->env,
	    c->nenv);
	if (conn.orphan) {
		c->state = CHAN_IDLE;
		chan_finish(c, 75, "codinglab: the gateway was restarted. Connect again");
	}
}

void chan_reopen(struct chan *c)
{
	int64_t now = clock_ms();

	close_fds(c);
	c->ack_due = false;
	if (now - c->restarted_at > CHAN_RESTART_MS) {
		c->restarts = 0;
		c->restarted_at = now;
	}
	if (++c->restarts > CHAN_RESTARTS) {
		chan_finish(c, 1, "codinglab: the session ended unexpectedly. Connect again");
		return;
	}
	ask(c, false, "");
}

void chan_granted(uint32_t id, bool door, bool pty, const int fds[3])
{
	struct chan *c = &chan_all[id];

	c->answered = true;
	c->in = c->out = fds[0];
	c->err = -1;
	if (!door && !pty) {
		c->out = fds[1];
		c->err = fds[2];
	}
	if (c->state != CHAN_ASKED || c->ending) {
		close_fds(c);
		if (c->state == CHAN_GONE)
			release(c);
		else
			c->state = CHAN_PROGRAM; /* and its end follows */
		return;
	}
	sock_nonblock(c->in, 1);
	sock_nonblock(c->out, 1);
	if (c->err >= 0)
		sock_nonblock(c->err, 1);
	c->state = door ? CHAN_DOOR : CHAN_PROGRAM;
	if (door)
		door_hello(c);
	pump_in(c);
}

void chan_refused(uint32_t id, int code, const char *text)
{
	struct chan *c = &chan_all[id];

	c->answered = true;
	if (c->state == CHAN_GONE) {
		release(c);
	} else if (c->state == CHAN_ASKED) {
		c->state = CHAN_IDLE;
		chan_finish(c, code, text);
	}
}

void chan_exited(uint32_t id, int code, int sig)
{
	struct chan *c = &chan_all[id];

	if (c->state != CHAN_PROGRAM || c->ending)
		return;
	c->exited = true;
	c->code = code;
	c->sig = sig;
}

void chan_close_all(const char *reason)
{
	for (struct chan *c = chan_all; c < chan_all + MONITOR_CHANNELS; c++) {
		if (c->state == CHAN_ASKED)
			c->state = CHAN_IDLE; /* no answer will come */
		chan_finish(c, 255, reason);
	}
	conn.closing = true;
}

/* --- requests of the client --- */

static int pty_cb(ssh_session session, ssh_channel channel, const char *term, int cols, int rows,
    int px, int py, void *arg)
{
	struct chan *c = arg;

	if (c->state != CHAN_IDLE || c->ending)
		return -1;
	c->pty = true;
	c->rows = rows;
	c->cols = cols;
	monitor_size(&c->rows, &c->cols);
	monitor_term(c->term, term);
	return 0;
}

static int window_change_cb(ssh_session session, ssh_channel channel, int cols, int rows, int px,
    int py, void *arg)
{
	struct chan *c = arg;

	if (!c->pty)
		return -1;
	c->rows = rows;
	c->cols = cols;
	monitor_size(&c->rows, &c->cols);
	c->resize_due = true; /* however many come, one goes on per turn of the loop */
	return 0;
}

static int shell_cb(ssh_session session, ssh_channel channel, void *arg)
{
	struct chan *c = arg;

	if (c->state != CHAN_IDLE || c->ending)
		return 1;
	if (c->pty)
		ask(c, false, "");
	else
		chan_finish(c, 2, chan_help);
	return 0;
}

static int exec_cb(ssh_session session, ssh_channel channel, const char *command, void *arg)
{
	struct chan *c = arg;

	if (c->state != CHAN_IDLE || c->ending || !command)
		return 1;
	if (strlen(command) > MONITOR_LINE_MAX)
		chan_finish(c, 2, "codinglab: the command is too long. Send long input on stdin");
	else
		ask(c, true, command);
	return 0;
}

static int env_cb(ssh_session session, ssh_channel channel, const char *name, const char *value,
    void *arg)
{
	char text[MONITOR_ENV_SIZE + 1];
	struct chan *c = arg;
	size_t n = name && value ? strlen(name) : 0;

	if (c->state != CHAN_IDLE || n == 0 || strchr(name, '=') || c->nenv == MONITOR_ENV_MAX ||
	    n + 1 + strlen(value) > MONITOR_ENV_SIZE)
		return 1;
	memcpy(text, name, n);
	text[n] = '=';
	mem_copy_str(text + n + 1, sizeof(text) - n - 1, value);
	if (!monitor_env_allowed(text))
		return 1;
	c->env[c->nenv++] = mem_strdup(text);
	return 0;
}

static int subsystem_cb(ssh_session session, ssh_channel channel, const char *name, void *arg)
{
	struct chan *c = arg;

	if (c->state != CHAN_IDLE || c->ending || !name || strcmp(name, "sftp") != 0)
		return 1;
	chan_finish(c, 10, "codinglab: sftp: not implemented. "
	    "`ssh USER+PROJECT@HOST 'cat > FILE'` copies a file until it is");
	return 0;
}

static void signal_cb(ssh_session session, ssh_channel channel, const char *name, void *arg)
{
	struct chan *c = arg;
	int number = monitor_signal(name);

	if (number && c->state == CHAN_PROGRAM && c->answered && !c->exited)
		link_signal(c->id, number);
}

static void eof_cb(ssh_session session, ssh_channel channel, void *arg)
{
	struct chan *c = arg;

	c->client_eof = true;
	pump_in_end(c);
}

static void close_cb(ssh_session session, ssh_channel channel, void *arg)
{
	struct chan *c = arg;

	c->client_closed = true;
}

static int data_cb(ssh_session session, ssh_channel channel, void *data, uint32_t len, int is_stderr,
    void *arg)
{
	return is_stderr ? (int)len : pump_data(arg, data, len);
}

ssh_channel chan_open_cb(ssh_session session, void *arg)
{
	struct chan *c = chan_all;

	while (c < chan_all + MONITOR_CHANNELS && c->state != CHAN_FREE)
		c++;
	if (!conn.authed || conn.closing || c == chan_all + MONITOR_CHANNELS)
		return NULL;
	memset(c, 0, sizeof(*c));
	c->in = c->out = c->err = -1;
	c->id = (uint32_t)(c - chan_all);
	c->rows = 24;
	c->cols = 80;
	c->ssh = ssh_channel_new(session);
	if (!c->ssh)
		return NULL;
	c->callbacks = (struct ssh_channel_callbacks_struct){
	    .userdata = c,
	    .channel_data_function = data_cb,
	    .channel_eof_function = eof_cb,
	    .channel_close_function = close_cb,
	    .channel_signal_function = signal_cb,
	    .channel_pty_request_function = pty_cb,
	    .channel_shell_request_function = shell_cb,
	    .channel_pty_window_change_function = window_change_cb,
	    .channel_exec_request_function = exec_cb,
	    .channel_env_request_function = env_cb,
	    .channel_subsystem_request_function = subsystem_cb,
	};
	ssh_callbacks_init(&c->callbacks);
	ssh_set_channel_callbacks(c->ssh, &c->callbacks);
	c->state = CHAN_IDLE;
	return c->ssh;
}

int chan_message_cb(ssh_session session, ssh_message msg, void *arg)
{
	static int notes;
	int type = ssh_message_type(msg), sub = ssh_message_subtype(msg);
	const char *what = NULL;

	if (type == SSH_REQUEST_AUTH)
		conn.questions++; /* a method that is not offered */
	else if (type == SSH_REQUEST_CHANNEL_OPEN)
		what = sub == SSH_CHANNEL_DIRECT_TCPIP ? "forwarding (-L, -D)" : "this kind of channel";
	else if (type == SSH_REQUEST_GLOBAL && sub == SSH_GLOBAL_REQUEST_TCPIP_FORWARD)
		what = "forwarding (-R)";
	if (what && conn.authed) {
		char text[96] = "codinglab: not implemented: ";

		mem_copy_str(text + strlen(text), sizeof(text) - strlen(text), what);
		ssh_send_debug(session, text, 1);
		if (notes++ < CHAN_NOTES)
			link_note(text);
	}
	return 1; /* libssh sends its refusal */
}
