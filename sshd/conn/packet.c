/* What libssh did not read of a packet: see packet.h. */
#include "sshd/conn/packet.h"

#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

#include "base/log.h"

#define PACKET_BUFFERS 6 /* of a new session: its socket's two, packets out and in, an agent's two */
#define PACKET_IN 3

/* Ours, under the name of the library's function: its own calls come here. */
ssh_buffer packet_buffer_new(void) __asm__("ssh_buffer_new");

static ssh_buffer packet_made[PACKET_BUFFERS];
static int packet_count;
static bool packet_watching;

ssh_buffer packet_buffer_new(void)
{
	static ssh_buffer (*real)(void);
	ssh_buffer made;
	void *at;

	if (!real) {
		at = dlsym(RTLD_NEXT, "ssh_buffer_new");
		if (!at)
			log_fatal("libssh has no buffers");
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
