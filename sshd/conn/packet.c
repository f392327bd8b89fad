/* What libssh did not read of a packet: see packet.h. */
#include "sshd/conn/packet.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <libssh/server.h>

#include "base/log.h"

#define PACKET_BUFFERS 6 /* of a new session: its socket's two, packets out and in, an agent's two */
#define PACKET_IN 3

/* numbers of messages */
#define PACKET_IGNORE 2
#define PACKET_UNIMPLEMENTED 3
#define PACKET_DEBUG 4
#define PACKET_KEXINIT 20
#define PACKET_NEWKEYS 21
#define PACKET_GLOBAL_REQUEST 80
#define PACKET_CHANNEL_OPEN 90

/* Ours, under the name of the library's function: its own calls come here. */
ssh_buffer packet_buffer_new(void) __asm__("ssh_buffer_new");
void *packet_buffer_get(ssh_buffer buffer) __asm__("ssh_buffer_get");
void packet_log(int level, const char *function, const char *format, ...) __asm__("_ssh_log")
    __attribute__((format(printf, 3, 4)));

static ssh_buffer packet_made[PACKET_BUFFERS];
static int packet_count;
static bool packet_watching;
static enum { PACKET_NOTHING, PACKET_OTHER, PACKET_EXCHANGE, PACKET_KEYS } packet_state;
static bool packet_strict;
static const char *packet_broken;
static const char *packet_opening; /* path of the channel that is being opened */

/* The library's own function of that name. */
static void *real_of(const char *name)
{
	void *at = dlsym(RTLD_NEXT, name);

	if (!at)
		log_fatal("libssh has no %s", name);
	return at;
}

ssh_buffer packet_buffer_new(void)
{
	static ssh_buffer (*real)(void);
	ssh_buffer made;
	void *at;

	if (!real) {
		at = real_of("ssh_buffer_new");
		memcpy(&real, &at, sizeof(real));
	}
	made = real();
	if (packet_watching && packet_count < PACKET_BUFFERS)
		packet_made[packet_count] = made;
	packet_count += packet_watching;
	return made;
}

ssh_session packet_session_new(void)
{
	ssh_session session;

	packet_count = 0;
	packet_state = PACKET_NOTHING;
	packet_strict = false;
	packet_broken = NULL;
	packet_watching = true;
	session = ssh_new();
	packet_watching = false;
	return session;
}

/* A string of the protocol at *p: its bytes, and *p after it; NULL when it does not lie before end. */
static const uint8_t *string(const uint8_t **p, const uint8_t *end, uint32_t *len)
{
	const uint8_t *at = *p + 4;

	if (end - *p < 4)
		return NULL;
	*len = (uint32_t)(*p)[0] << 24 | (uint32_t)(*p)[1] << 16 | (uint32_t)(*p)[2] << 8 | (*p)[3];
	if (*len > (uint64_t)(end - at))
		return NULL;
	*p = at + *len;
	return at;
}

bool packet_path(char text[PACKET_PATH_MAX + 1])
{
	ssh_buffer b = packet_count == PACKET_BUFFERS ? packet_made[PACKET_IN] : NULL;
	const uint8_t *p = b ? ssh_buffer_get(b) : NULL, *end, *path;
	uint32_t len, reserved;

	if (!p)
		return false;
	end = p + ssh_buffer_get_len(b);
	/* string path, string and number reserved, and no more */
	path = string(&p, end, &len);
	if (!path || len < 2 || len > PACKET_PATH_MAX || path[0] != '/' || memchr(path, 0, len) ||
	    !string(&p, end, &reserved) || end - p != 4)
		return false;
	memcpy(text, path, len);
	text[len] = '\0';
	return true;
}

/* --- what comes, before libssh handles it --- */

static bool is(const uint8_t *text, uint32_t len, const char *name)
{
	return text && len == strlen(name) && memcmp(text, name, len) == 0;
}

static void put(ssh_buffer b, const void *bytes, uint32_t len)
{
	const uint8_t head[4] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len};

	if (ssh_buffer_add_data(b, head, sizeof(head)) != SSH_OK || ssh_buffer_add_data(b, bytes, len) != SSH_OK)
		log_fatal("no memory for a packet");
}

/* A strict client sends nothing but the exchange until there are keys: what comes between, somebody
 * else put there, to have packets counted that were not sent (Terrapin). */
static void watch_exchange(int type, ssh_buffer b)
{
	static const char strict[] = "kex-strict-c-v00@openssh.com";

	if (type == PACKET_KEXINIT) {
		packet_strict = memmem(ssh_buffer_get(b), ssh_buffer_get_len(b), strict, sizeof(strict) - 1) != NULL;
		if (packet_strict && packet_state == PACKET_OTHER)
			packet_broken = "a message before a strict key exchange";
		packet_state = PACKET_EXCHANGE;
	} else if (type == PACKET_NEWKEYS) {
		packet_state = PACKET_KEYS;
	} else if (packet_state == PACKET_NOTHING) {
		packet_state = PACKET_OTHER;
	} else if (packet_strict && (type == PACKET_IGNORE || type == PACKET_UNIMPLEMENTED ||
	    type == PACKET_DEBUG)) {
		packet_broken = "a message inside a strict key exchange";
	}
}

/* streamlocal-forward@openssh.com, which libssh refuses by itself, as tcpip-forward: the path for an address. */
static void translate(ssh_buffer b)
{
	const uint8_t *p = ssh_buffer_get(b), *end = p + ssh_buffer_get_len(b), *name, *path;
	static const uint8_t port[4] = {0, 0, 0, PACKET_PORT};
	uint32_t n, len;
	uint8_t want;
	char text[PACKET_PATH_MAX];
	bool cancel;

	name = string(&p, end, &n);
	cancel = is(name, n, "cancel-streamlocal-forward@openssh.com");
	if ((!cancel && !is(name, n, "streamlocal-forward@openssh.com")) || p == end)
		return;
	want = *p++;
	path = string(&p, end, &len);
	if (!path || p != end || len < 2 || len > PACKET_PATH_MAX || path[0] != '/' || memchr(path, 0, len))
		return;
	memcpy(text, path, len);
	ssh_buffer_reinit(b);
	if (cancel)
		put(b, "cancel-tcpip-forward", 20);
	else
		put(b, "tcpip-forward", 13);
	ssh_buffer_add_data(b, &want, 1);
	put(b, text, len);
	ssh_buffer_add_data(b, port, sizeof(port));
}

/* libssh's own log goes nowhere, but its line before each packet is when that can be looked at. */
void packet_log(int level, const char *function, const char *format, ...)
{
	ssh_buffer b = packet_count == PACKET_BUFFERS ? packet_made[PACKET_IN] : NULL;
	va_list ap;
	int type;

	/* the letter first: a dozen lines for each packet come here */
	if (!b || format[0] != 'D' || strcmp(format, "Dispatching handler for packet type %d") != 0)
		return;
	va_start(ap, format);
	type = va_arg(ap, int);
	va_end(ap);
	if (packet_state != PACKET_KEYS)
		watch_exchange(type, b);
	else if (type == PACKET_GLOBAL_REQUEST)
		translate(b);
}

const char *packet_violation(void)
{
	return packet_broken;
}

/* --- what goes out, before libssh sends it --- */

/* "forwarded-tcpip" with two addresses becomes the other kind, with a path. */
static void rewrite(ssh_buffer b, const uint8_t *at, uint32_t len)
{
	const uint8_t *p = at + 1, *end = at + len, *name;
	static const char kind[] = "forwarded-streamlocal@openssh.com";
	const char *path = packet_opening;
	uint8_t kept[12], open = PACKET_CHANNEL_OPEN; /* channel, window, largest packet */
	uint32_t n;

	if (len < 2 || at[0] != PACKET_CHANNEL_OPEN)
		return;
	name = string(&p, end, &n);
	if (!is(name, n, "forwarded-tcpip") || end - p < (ptrdiff_t)sizeof(kept))
		return;
	memcpy(kept, p, sizeof(kept));
	packet_opening = NULL;
	ssh_buffer_reinit(b);
	ssh_buffer_add_data(b, &open, 1);
	put(b, kind, sizeof(kind) - 1);
	ssh_buffer_add_data(b, kept, sizeof(kept));
	put(b, path, (uint32_t)strlen(path));
	put(b, "", 0);
}

void *packet_buffer_get(ssh_buffer buffer)
{
	static void *(*real)(ssh_buffer b);
	void *at;

	if (!real) {
		at = real_of("ssh_buffer_get");
		memcpy(&real, &at, sizeof(real));
	}
	if (packet_opening)
		rewrite(buffer, real(buffer), ssh_buffer_get_len(buffer));
	return real(buffer);
}

int packet_open_path(ssh_channel channel, const char *path)
{
	int rc;

	packet_opening = path;
	rc = ssh_channel_open_reverse_forward(channel, path, PACKET_PORT, "", 0);
	packet_opening = NULL;
	return rc;
}
