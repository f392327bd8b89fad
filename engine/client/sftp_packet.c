/* Messages of SFTP: see sftp_packet.h. */
#include "engine/client/sftp_packet.h"

#include <string.h>

#define PACKET_LENGTH 4

uint8_t sftp_packet_get_byte(struct sftp_in *in)
{
	if (in->left < 1) {
		in->bad = true;
		return 0;
	}
	in->left--;
	return *in->at++;
}

static uint32_t number(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

uint32_t sftp_packet_get_u32(struct sftp_in *in)
{
	uint32_t v;

	if (in->left < 4) {
		in->bad = true;
		in->left = 0;
		return 0;
	}
	v = number(in->at);
	in->at += 4;
	in->left -= 4;
	return v;
}

struct sftp_text sftp_packet_get(struct sftp_in *in)
{
	struct sftp_text t = {(const uint8_t *)"", sftp_packet_get_u32(in)};

	if (in->bad || t.len > in->left) {
		in->bad = true;
		in->left = 0;
		t.len = 0;
		return t;
	}
	t.bytes = in->at;
	in->at += t.len;
	in->left -= t.len;
	return t;
}

static void to_bytes(uint8_t out[4], uint32_t v)
{
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(v >> (24 - 8 * i));
}

void sftp_packet_put_u32(struct buf *b, uint32_t v)
{
	uint8_t bytes[4];

	to_bytes(bytes, v);
	buf_add(b, bytes, sizeof(bytes));
}

size_t sftp_packet_begin(struct buf *b, enum sftp_type type, uint32_t id)
{
	size_t mark = b->len;
	uint8_t byte = (uint8_t)type;

	sftp_packet_put_u32(b, 0);
	buf_add(b, &byte, 1);
	sftp_packet_put_u32(b, id);
	return mark;
}

void sftp_packet_put(struct buf *b, const void *bytes, size_t n)
{
	sftp_packet_put_u32(b, (uint32_t)n);
	buf_add(b, bytes, n);
}

void sftp_packet_put_text(struct buf *b, const char *text)
{
	sftp_packet_put(b, text, strlen(text));
}

void sftp_packet_end(struct buf *b, size_t mark)
{
	if (!b->full && b->len >= mark + PACKET_LENGTH)
		to_bytes((uint8_t *)b->data + mark, (uint32_t)(b->len - mark - PACKET_LENGTH));
}

void sftp_packet_status(struct buf *b, uint32_t id, enum sftp_status status, const char *why)
{
	size_t mark = sftp_packet_begin(b, SFTP_STATUS, id);

	sftp_packet_put_u32(b, status);
	sftp_packet_put_text(b, why);
	sftp_packet_put_text(b, "en");
	sftp_packet_end(b, mark);
}

long sftp_packet_whole(const struct buf *b)
{
	uint32_t n;

	if (b->len < PACKET_LENGTH)
		return 0;
	n = number((const uint8_t *)b->data);
	if (n == 0 || n > SFTP_PACKET_MAX)
		return -1;
	return b->len < n + PACKET_LENGTH ? 0 : (long)n + PACKET_LENGTH;
}
