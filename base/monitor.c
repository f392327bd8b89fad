/*
 * The monitor's messages: see monitor.h.  What a client chooses (TERM, variables, sizes, signals)
 * is judged here by both ends: the connection keeps junk from ever leaving it, the listener
 * does not trust the connection to have done so.
 */
#include "base/monitor.h"

#include <signal.h>
#include <string.h>

#include "base/door.h"
#include "base/mem.h"

static const struct {
	const char *name;
	int number;
	bool send; /* a client may send it */
} monitor_signals[] = {
    {"HUP", SIGHUP, true},    {"INT", SIGINT, true},    {"QUIT", SIGQUIT, true},
    {"TERM", SIGTERM, true},  {"KILL", SIGKILL, true},  {"USR1", SIGUSR1, true},
    {"USR2", SIGUSR2, true},  {"ABRT", SIGABRT, true},  {"ALRM", SIGALRM, true},
    {"PIPE", SIGPIPE, false}, {"SEGV", SIGSEGV, false}, {"FPE", SIGFPE, false},
    {"ILL", SIGILL, false},
};

/* Set by the listener for its children; a client's value must not come first. */
static const char *const monitor_reserved[] = {
    "CODINGLAB_SOCKET", "CODINGLAB_PROJECT", "CODINGLAB_TARGET_TIER", "CODINGLAB_TARGET_N",
    "CODINGLAB_STATE",  "CODINGLAB_RUN",     "CODINGLAB_CONF",        "CODINGLAB_BIN",
};
static const char *const monitor_known[] = {"LANG", "TERM", "COLORTERM", "NO_COLOR", "TZ"};

static void get_open(struct monitor_msg *m, struct ipc_in *in)
{
	m->channel = (uint32_t)ipc_get_range(in, 0, MONITOR_CHANNELS - 1);
	m->exec = ipc_get_range(in, 0, 1) != 0;
	ipc_get_str(in, m->line, sizeof(m->line));
	m->pty = ipc_get_range(in, 0, 1) != 0;
	m->rows = (int)ipc_get_range(in, DOOR_ROWS_MIN, DOOR_ROWS_MAX);
	m->cols = (int)ipc_get_range(in, DOOR_COLS_MIN, DOOR_COLS_MAX);
	ipc_get_str(in, m->term, sizeof(m->term));
	m->nenv = (int)ipc_get_range(in, 0, MONITOR_ENV_MAX);
	for (int i = 0; i < m->nenv; i++) {
		ipc_get_str(in, m->env[i], sizeof(m->env[i]));
		if (!monitor_env_allowed(m->env[i]))
			in->bad = true;
	}
}

static void get_password(struct monitor_msg *m, struct ipc_in *in)
{
	const void *p;

	ipc_get_str(in, m->user, sizeof(m->user));
	p = ipc_get_bytes(in, &m->password_len, sizeof(m->password));
	if (p && m->password_len <= sizeof(m->password))
		memcpy(m->password, p, m->password_len);
	else
		m->password_len = 0;
}

int monitor_decode(struct monitor_msg *m, struct ipc_in *in)
{
	m->type = in->type;
	m->channel = 0;
	m->nenv = 0;
	switch (in->type) {
	case MONITOR_KEY:
		ipc_get_str(in, m->user, sizeof(m->user));
		ipc_get_str(in, m->key, sizeof(m->key));
		m->is_signed = ipc_get_range(in, 0, 1) != 0;
		break;
	case MONITOR_PASSWORD:
		get_password(m, in);
		break;
	case MONITOR_OPEN:
		get_open(m, in);
		break;
	case MONITOR_SWITCH:
		m->channel = (uint32_t)ipc_get_range(in, 0, MONITOR_CHANNELS - 1);
		ipc_get_str(in, m->text, sizeof(m->text));
		break;
	case MONITOR_SIGNAL:
		m->channel = (uint32_t)ipc_get_range(in, 0, MONITOR_CHANNELS - 1);
		m->number = (uint32_t)ipc_get_range(in, 1, 64);
		if (!monitor_signal(monitor_signal_name((int)m->number)))
			in->bad = true;
		break;
	case MONITOR_FORGET:
		m->channel = (uint32_t)ipc_get_range(in, 0, MONITOR_CHANNELS - 1);
		break;
	case MONITOR_PONG:
		m->number = ipc_get_u32(in);
		break;
	case MONITOR_NOTE:
		ipc_get_str(in, m->text, sizeof(m->text));
		break;
	default:
		in->bad = true;
	}
	return ipc_end(in);
}

/* Upper case, digits and '_', not beginning with a digit; a value without control characters. */
static bool plain(const char *assignment, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char c = assignment[i];

		if (!((c >= 'A' && c <= 'Z') || c == '_' || (i && c >= '0' && c <= '9')))
			return false;
	}
	for (const char *p = assignment + n; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return true;
}

static bool listed(const char *const *names, size_t count, const char *name, size_t n)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(names[i]) == n && memcmp(name, names[i], n) == 0)
			return true;
	return false;
}

bool monitor_env_allowed(const char *assignment)
{
	size_t n = strcspn(assignment, "=");

	if (assignment[n] != '=' || n == 0 || strlen(assignment) > MONITOR_ENV_SIZE ||
	    !plain(assignment, n) ||
	    listed(monitor_reserved, CL_COUNT(monitor_reserved), assignment, n))
		return false;
	return listed(monitor_known, CL_COUNT(monitor_known), assignment, n) ||
	    (n > 3 && memcmp(assignment, "LC_", 3) == 0) ||
	    (n > 10 && memcmp(assignment, "CODINGLAB_", 10) == 0);
}

void monitor_term(char out[MONITOR_TERM_MAX + 1], const char *term)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+";
	size_t n = term ? strlen(term) : 0;

	if (n == 0 || n > MONITOR_TERM_MAX || strspn(term, ok) != n || term[0] == '.' || term[0] == '-')
		term = "xterm";
	mem_copy_str(out, MONITOR_TERM_MAX + 1, term);
}

static int clamp(int v, int fallback, int lo, int hi)
{
	if (v == 0)
		return fallback;
	return v < lo ? lo : v > hi ? hi : v;
}

void monitor_size(int *rows, int *cols)
{
	*rows = clamp(*rows, 24, DOOR_ROWS_MIN, DOOR_ROWS_MAX);
	*cols = clamp(*cols, 80, DOOR_COLS_MIN, DOOR_COLS_MAX);
}

int monitor_signal(const char *name)
{
	for (size_t i = 0; name && i < CL_COUNT(monitor_signals); i++)
		if (monitor_signals[i].send && strcmp(monitor_signals[i].name, name) == 0)
			return monitor_signals[i].number;
	return 0;
}

const char *monitor_signal_name(int number)
{
	for (size_t i = 0; i < CL_COUNT(monitor_signals); i++)
		if (monitor_signals[i].number == number)
			return monitor_signals[i].name;
	return NULL;
}
