/*
 * Logging in: see login.h.  libssh has no limits of its own: it lets a client try passwords for
 * ever, send junk for ever and answer never.  So attempts, bytes and time are counted here, and the
 * listener holds a clock of its own beside.  A key offer only asks whether it may be used; nothing
 * but a verified signature or a password makes an identity, and the listener sets it, not we.
 */
#include "sshd/conn/login.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "sshd/conn/conn.h"
#include "sshd/conn/link.h"
#include "sshd/conn/packet.h"
#include "sshd/conn/request.h"

#define LOGIN_KEX "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256," \
	"ecdh-sha2-nistp384,ecdh-sha2-nistp521"
#define LOGIN_CIPHERS "chacha20-poly1305@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr"
#define LOGIN_MACS "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256," \
	"hmac-sha2-512"
#define LOGIN_KEYS "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521," \
	"sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256"
#define LOGIN_KEX_TIMEOUT 10 /* seconds for the key exchange, inside the grace time */
#define LOGIN_OFFERS 20      /* keys a client may offer: agents hold several */

static struct ssh_server_callbacks_struct login_callbacks;

static void bind_set(enum ssh_bind_options_e option, const void *value)
{
	if (ssh_bind_options_set(conn.bind, option, value) != SSH_OK)
		log_fatal("libssh option %d: %s", (int)option, ssh_get_error(conn.bind));
}

/* The host key, from memory that the listener sealed; the copy read here is wiped. */
static ssh_key host_key(void)
{
	char *text = mem_alloc(65536 + 1);
	ssh_key key = NULL;
	ssize_t n = pread(CONN_KEY_FD, text, 65536, 0);

	if (n <= 0 || ssh_pki_import_privkey_base64(text, NULL, NULL, NULL, &key) != SSH_OK)
		log_fatal("the host key cannot be read");
	mem_wipe(text, (size_t)n);
	mem_free(text);
	close(CONN_KEY_FD);
	return key;
}

static void session_set(enum ssh_options_e option, const void *value)
{
	if (ssh_options_set(conn.session, option, value) != SSH_OK)
		log_fatal("libssh option %d: %s", (int)option, ssh_get_error(conn.session));
}

/* A client that breaks the protocol before it is logged in: RFC 4252 6 says to disconnect. */
static void violate(const char *what)
{
	if (!conn.violation)
		conn.violation = what;
}

static int password_cb(ssh_session session, const char *user, const char *password, void *arg)
{
	bool ok;

	conn.questions++;
	if (conn.over || !user || !password || strlen(user) > MONITOR_USER_MAX ||
	    strlen(password) > MONITOR_PASSWORD_MAX) {
		violate(user && strlen(user) > MONITOR_USER_MAX ? "user name too long" : NULL);
		conn.failures++;
		return SSH_AUTH_DENIED;
	}
	ok = link_ask_password(user, password);
	conn.failures += !ok;
	conn.authed = ok;
	return ok ? SSH_AUTH_SUCCESS : SSH_AUTH_DENIED;
}

/* "type base64"; false if it is of a kind or size that nobody registers. */
static bool key_text(ssh_key key, char *out, size_t size)
{
	enum ssh_keytypes_e type = ssh_key_type(key);
	const char *name = ssh_key_type_to_char(type);
	char *base64 = NULL;
	bool ok;

	if (type == SSH_KEYTYPE_ECDSA_P256 || type == SSH_KEYTYPE_ECDSA_P384 ||
	    type == SSH_KEYTYPE_ECDSA_P521)
		name = ssh_pki_key_ecdsa_name(key);
	if (!name || ssh_pki_export_pubkey_base64(key, &base64) != SSH_OK)
		return false;
	ok = (size_t)snprintf(out, size, "%s %s", name, base64) < size;
	mem_free(base64);
	return ok;
}

static int key_cb(ssh_session session, const char *user, struct ssh_key_struct *key, char state,
    void *arg)
{
	static char text[MONITOR_KEY_MAX + 1];
	bool is_signed = state == SSH_PUBLICKEY_STATE_VALID, ok;

	conn.questions++;
	if (conn.over || (state != SSH_PUBLICKEY_STATE_NONE && !is_signed) || !user ||
	    !key_text(key, text, sizeof(text))) {
		conn.failures++;
		return SSH_AUTH_DENIED;
	}
	if (strlen(user) > MONITOR_USER_MAX) {
		violate("user name too long");
		return SSH_AUTH_DENIED;
	}
	ok = link_ask_key(user, text, is_signed);
	conn.failures += !ok && is_signed;
	if (ok && is_signed)
		conn.authed = true;
	return ok ? SSH_AUTH_SUCCESS : SSH_AUTH_DENIED;
}

/* Clients ask this first to learn the methods; it costs them nothing but a question. */
static int none_cb(ssh_session session, const char *user, void *arg)
{
	conn.questions++;
	if (user && strlen(user) > MONITOR_USER_MAX)
		violate("user name too long");
	return SSH_AUTH_DENIED;
}

void login_prepare(void)
{
	bool no = false;
	long timeout = LOGIN_KEX_TIMEOUT;
	int rsa_bits = 2048;

	if (ssh_init() != SSH_OK)
		log_fatal("libssh does not start");
	conn.bind = ssh_bind_new();
	conn.session = packet_session_new();
	if (!conn.bind || !conn.session)
		log_fatal("libssh gives no session");
	bind_set(SSH_BIND_OPTIONS_PROCESS_CONFIG, &no);
	bind_set(SSH_BIND_OPTIONS_IMPORT_KEY, host_key());
	bind_set(SSH_BIND_OPTIONS_BANNER, "CodingLab");
	bind_set(SSH_BIND_OPTIONS_KEY_EXCHANGE, LOGIN_KEX);
	bind_set(SSH_BIND_OPTIONS_CIPHERS_C_S, LOGIN_CIPHERS);
	bind_set(SSH_BIND_OPTIONS_CIPHERS_S_C, LOGIN_CIPHERS);
	bind_set(SSH_BIND_OPTIONS_HMAC_C_S, LOGIN_MACS);
	bind_set(SSH_BIND_OPTIONS_HMAC_S_C, LOGIN_MACS);
	bind_set(SSH_BIND_OPTIONS_PUBKEY_ACCEPTED_KEY_TYPES, LOGIN_KEYS);
	bind_set(SSH_BIND_OPTIONS_RSA_MIN_SIZE, &rsa_bits);
	session_set(SSH_OPTIONS_PROCESS_CONFIG, &no);
	session_set(SSH_OPTIONS_TIMEOUT, &timeout);
	if (ssh_bind_accept_fd(conn.bind, conn.session, CONN_TCP_FD) != SSH_OK)
		log_fatal("libssh does not take the socket: %s", ssh_get_error(conn.bind));
	/* Before the accept this is ignored, so that is where it goes. */
	session_set(SSH_OPTIONS_COMPRESSION_C_S, "none");
	session_set(SSH_OPTIONS_COMPRESSION_S_C, "none");
	login_callbacks.auth_password_function = password_cb;
	login_callbacks.auth_pubkey_function = key_cb;
	login_callbacks.auth_none_function = none_cb;
	login_callbacks.channel_open_request_session_function = request_open_cb;
	ssh_callbacks_init(&login_callbacks);
	ssh_set_server_callbacks(conn.session, &login_callbacks);
	ssh_set_message_callback(conn.session, request_message_cb, NULL);
	ssh_set_auth_methods(conn.session, SSH_AUTH_METHOD_PUBLICKEY | SSH_AUTH_METHOD_PASSWORD);
	ssh_set_counters(conn.session, &conn.counter, NULL);
	ssh_set_blocking(conn.session, 0);
}

/* Wait for the client or the listener, at most until the grace time is over. */
static int wait_for_client(void)
{
	int64_t left = conn.started + conn.grace_ms - clock_ms();
	struct pollfd p[2] = {{.fd = CONN_TCP_FD, .events = POLLIN},
	    {.fd = CONN_MON_FD, .events = POLLIN}};

	if (left <= 0)
		return -1;
	if (ssh_get_poll_flags(conn.session) & SSH_WRITE_PENDING)
		p[0].events |= POLLOUT;
	if (poll(p, 2, (int)left) < 0 && errno != EINTR)
		return -1;
	if (p[1].revents)
		link_ready();
	return conn.over ? -1 : 0;
}

/* Is it still worth talking to?  What it did wrong is told to the listener once. */
static int check(void)
{
	static char text[128];

	if (conn.counter.in_bytes > CONN_PREAUTH_BYTES)
		violate("too many bytes before authentication");
	violate(packet_violation());
	if (ssh_get_error_code(conn.session) == SSH_FATAL && !conn.violation) {
		snprintf(text, sizeof(text), "%.100s", ssh_get_error(conn.session));
		/* libssh's filter names messages that have no place before authentication. */
		if (strncmp(text, "Packet filter", 13) == 0)
			violate(text);
		else
			return -1;
	}
	if (conn.violation) {
		link_note(conn.violation);
		return -1;
	}
	if (conn.over || conn.failures >= conn.tries || conn.questions >= conn.tries + LOGIN_OFFERS)
		return -1;
	return 0;
}

static int key_exchange(void)
{
	int64_t end = clock_ms() + LOGIN_KEX_TIMEOUT * 1000;
	int rc;

	while ((rc = ssh_handle_key_exchange(conn.session)) == SSH_AGAIN) {
		if (check() < 0 || clock_ms() >= end || wait_for_client() < 0)
			return -1;
	}
	return check() == 0 && rc == SSH_OK ? 0 : -1;
}

/* libssh tells how far a key exchange is: 0.6 when it begins, 1 at its end. */
static void exchange_cb(void *arg, float status)
{
	if (status >= 1.0f)
		rekey_end(&conn.rekey);
	else if (!conn.rekey.under_way)
		rekey_begin(&conn.rekey, clock_ms(), conn.counter.in_bytes + conn.counter.out_bytes);
}

static void watch_exchanges(void)
{
	static struct ssh_callbacks_struct callbacks;

	callbacks.connect_status_function = exchange_cb;
	ssh_callbacks_init(&callbacks);
	if (ssh_set_callbacks(conn.session, &callbacks) != SSH_OK)
		log_fatal("libssh takes no callbacks");
	rekey_init(&conn.rekey, clock_ms(), conn.counter.in_bytes + conn.counter.out_bytes);
}

/* The smaller limit held while anybody could send; a known user may need more. */
static void raise_limit(void)
{
#ifndef CL_SANITIZE
	struct rlimit rl = {CONN_AS_AFTER, CONN_AS_AFTER};

	if (setrlimit(RLIMIT_AS, &rl) < 0)
		log_fatal("setrlimit: %s", strerror(errno));
#endif
}

int login_run(void)
{
	if (key_exchange() < 0)
		return -1;
	conn.kex_done = true;
	watch_exchanges();
	conn.event = ssh_event_new();
	if (!conn.event || ssh_event_add_session(conn.event, conn.session) != SSH_OK)
		log_fatal("libssh gives no event loop");
	while (!conn.authed) {
		if (ssh_event_dopoll(conn.event, 0) == SSH_ERROR) {
			check();
			return -1;
		}
		if (conn.authed)
			break;
		if (check() < 0 || wait_for_client() < 0)
			return -1;
	}
	raise_limit();
	return 0;
}
