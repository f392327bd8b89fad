/* The client's requests: see request.h.  Nothing is freed inside a callback. */
#include "sshd/conn/request.h"

#include <string.h>

#include "base/mem.h"
#include "sshd/conn/ask.h"
#include "sshd/conn/back.h"
#include "sshd/conn/chan.h"
#include "sshd/conn/forward.h"
#include "sshd/conn/link.h"
#include "sshd/conn/packet.h"
#include "sshd/conn/pump.h"

#define REQUEST_SFTP "sftp-server" /* the verb program runs it in the project's container */
#define REQUEST_NOTES 5 /* refusals of forwarding that are logged */

static const char request_help[] =
    "codinglab: a screen needs a terminal.\n"
    "  ssh -t USER@HOST                 opens the IDE\n"
    "  ssh USER@HOST VERB [ARGS]        runs one verb, for scripts: see `ssh USER@HOST help`\n"
    "  ssh USER+PROJECT@HOST COMMAND    runs a command in the project's container\n";

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
	if (c->pty && (!c->term[0] || strcmp(c->term, "dumb") == 0))
		ask_open(c, true, "menu"); /* a terminal that cannot show the IDE */
	else if (c->pty)
		ask_open(c, false, "");
	else
		chan_finish(c, 2, request_help);
	return 0;
}

static int exec_cb(ssh_session session, ssh_channel channel, const char *command, void *arg)
{
	struct chan *c = arg;

	if (c->state != CHAN_IDLE || c->ending || !command || c->later)
		return 1;
	if (strlen(command) > MONITOR_LINE_MAX)
		chan_finish(c, 2, "codinglab: the command is too long. Send long input on stdin");
	else if (c->agent)
		back_agent_exec(c, command);
	else
		ask_open(c, true, command);
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
	ask_open(c, true, REQUEST_SFTP);
	return 0;
}

static void signal_cb(ssh_session session, ssh_channel channel, const char *name, void *arg)
{
	struct chan *c = arg;
	int number = monitor_signal(name);

	if (number && c->state == CHAN_PROGRAM && c->answered && !c->exited)
		link_signal(c->id, number);
}

static void agent_cb(ssh_session session, ssh_channel channel, void *arg)
{
	struct chan *c = arg;

	if (c->state == CHAN_IDLE && !conn.closing)
		c->agent = true;
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

void request_listen(struct chan *c)
{
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
	    .channel_auth_agent_req_function = agent_cb,
	};
	ssh_callbacks_init(&c->callbacks);
	ssh_set_channel_callbacks(c->ssh, &c->callbacks);
}

ssh_channel request_open_cb(ssh_session session, void *arg)
{
	struct chan *c = conn.authed && !conn.closing ? chan_new(false) : NULL;

	if (!c)
		return NULL;
	c->ssh = ssh_channel_new(session);
	if (!c->ssh)
		return NULL;
	request_listen(c);
	c->state = CHAN_IDLE;
	return c->ssh;
}

int request_message_cb(ssh_session session, ssh_message msg, void *arg)
{
	static int notes;
	int type = ssh_message_type(msg), sub = ssh_message_subtype(msg);
	bool usable = conn.authed && !conn.closing;
	char path[PACKET_PATH_MAX + 1];
	const char *what = NULL;

	if (type == SSH_REQUEST_AUTH)
		conn.questions++; /* a method that is not offered */
	else if (type == SSH_REQUEST_CHANNEL_OPEN && sub == SSH_CHANNEL_DIRECT_TCPIP)
		return !usable || !forward_ask(session, msg, request_listen);
	else if (type == SSH_REQUEST_CHANNEL_OPEN && sub == SSH_CHANNEL_UNKNOWN && usable && packet_path(path))
		return !forward_ask_path(msg, path, request_listen);
	else if (type == SSH_REQUEST_GLOBAL && usable)
		return !back_ask(msg, sub == SSH_GLOBAL_REQUEST_CANCEL_TCPIP_FORWARD);
	else if (type == SSH_REQUEST_CHANNEL_OPEN)
		what = "this kind of channel";
	if (what && conn.authed) {
		char text[96] = "codinglab: not implemented: ";

		mem_copy_str(text + strlen(text), sizeof(text) - strlen(text), what);
		ssh_send_debug(session, text, 1);
		if (notes++ < REQUEST_NOTES)
			link_note(text);
	}
	return 1; /* libssh sends its refusal */
}
