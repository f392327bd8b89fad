/*
 * Messages of SFTP version 3 (draft-ietf-secsh-filexfer-02) as bytes: a length, a type, then numbers and
 * strings.  Reading stops at the packet's end and remembers that it did (bad); what is read is
 * borrowed from the packet.
 */
#ifndef ENGINE_CLIENT_SFTP_PACKET_H
#define ENGINE_CLIENT_SFTP_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"

#define SFTP_PACKET_MAX (256u * 1024) /* without its length; OpenSSH's own */
#define SFTP_PACKET_DATA (255u * 1024) /* of one read or write */

enum sftp_type {
	SFTP_INIT = 1, SFTP_VERSION, SFTP_OPEN, SFTP_CLOSE, SFTP_READ, SFTP_WRITE, SFTP_LSTAT, SFTP_FSTAT,
	SFTP_SETSTAT, SFTP_FSETSTAT, SFTP_OPENDIR, SFTP_READDIR, SFTP_REMOVE, SFTP_MKDIR, SFTP_RMDIR,
	SFTP_REALPATH, SFTP_STAT, SFTP_RENAME, SFTP_READLINK, SFTP_SYMLINK,
	SFTP_STATUS = 101, SFTP_HANDLE, SFTP_DATA, SFTP_NAME, SFTP_ATTRS,
	SFTP_EXTENDED = 200, SFTP_EXTENDED_REPLY,
};

enum sftp_status {
	SFTP_EOF = 1, SFTP_NO_SUCH_FILE, SFTP_DENIED, SFTP_FAILURE, SFTP_BAD_MESSAGE, SFTP_UNSUPPORTED = 8,
};

struct sftp_in {
	const uint8_t *at;
	size_t left;
	bool bad;
};

struct sftp_text {
	const uint8_t *bytes;
	uint32_t len;
};

uint8_t sftp_packet_get_byte(struct sftp_in *in);
uint32_t sftp_packet_get_u32(struct sftp_in *in);
struct sftp_text sftp_packet_get(struct sftp_in *in); /* a string; empty when it is not whole */

/* Begin a packet at the end of b; the mark is for _end, which writes its length. */
size_t sftp_packet_begin(struct buf *b, enum sftp_type type, uint32_t id);
void sftp_packet_put_u32(struct buf *b, uint32_t v);
void sftp_packet_put(struct buf *b, const void *bytes, size_t n); /* a string */
void sftp_packet_put_text(struct buf *b, const char *text);
void sftp_packet_end(struct buf *b, size_t mark);
void sftp_packet_status(struct buf *b, uint32_t id, enum sftp_status status, const char *why);

/* The length of the whole packet at the front of b, its own 4 bytes included: 0 when it is not all
 * there, -1 when it is of a size that no packet has. */
long sftp_packet_whole(const struct buf *b);

#endif
