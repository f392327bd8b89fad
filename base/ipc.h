/*
 * Typed messages between our own processes over SOCK_SEQPACKET unix sockets: one packet is one
 * message, a message is a 32-bit type and fields written in order.  The reader has a hard end:
 * a wrong type, a cut field, a value out of range or leftover bytes make ipc_end() fail, and
 * the peer is then treated as compromised.  File descriptors travel beside the bytes.
 *
 *   +------+-----+-------+-----+---------------+
 *   | type | u32 | len|b | ... |  (fds: <= 4)  |     integers little-endian, strings len-prefixed
 *   +------+-----+-------+-----+---------------+
 */
#ifndef BASE_IPC_H
#define BASE_IPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define IPC_MAX 65536      /* bytes of one message */
#define IPC_DATA_MAX 32768 /* bytes of payload that a data message may carry */
#define IPC_FDS 4

struct ipc_out {
	size_t len;
	int nfds;
	int fds[IPC_FDS]; /* borrowed: the caller still owns and closes them */
	bool bad;         /* a field did not fit */
	uint8_t data[IPC_MAX];
};

struct ipc_in {
	uint32_t type;
	size_t len, pos;
	int nfds, fdpos;
	int fds[IPC_FDS]; /* owned by the message until ipc_get_fd() */
	bool bad;
	uint8_t data[IPC_MAX];
};

/* A connected pair, close-on-exec, 256 KiB send buffers. */
int ipc_pair(int fds[2], struct cl_err *err);

void ipc_begin(struct ipc_out *m, uint32_t type);
void ipc_put_u32(struct ipc_out *m, uint32_t v);
void ipc_put_i32(struct ipc_out *m, int32_t v);
void ipc_put_i64(struct ipc_out *m, int64_t v);
void ipc_put_bytes(struct ipc_out *m, const void *p, size_t n);
void ipc_put_str(struct ipc_out *m, const char *s); /* NULL is sent as "" */
void ipc_put_fd(struct ipc_out *m, int fd);
/* 0; -1 with errno (EAGAIN on a full non-blocking socket, EMSGSIZE for a bad message, EPIPE). */
int ipc_send(int sock, const struct ipc_out *m);

/* 1 message, 0 peer closed, -1 errno (EAGAIN; EPROTO for a malformed packet, fds closed). */
int ipc_recv(int sock, struct ipc_in *m);
uint32_t ipc_get_u32(struct ipc_in *m);
int32_t ipc_get_i32(struct ipc_in *m);
int64_t ipc_get_i64(struct ipc_in *m);
/* A number that must lie in [lo, hi]; out of range marks the message bad and gives lo. */
int64_t ipc_get_range(struct ipc_in *m, int64_t lo, int64_t hi);
/* Borrowed until the next ipc_recv(); *n <= max or the message is bad. */
const void *ipc_get_bytes(struct ipc_in *m, size_t *n, size_t max);
/* NUL-free string of < size bytes into out; otherwise bad and out = "". */
void ipc_get_str(struct ipc_in *m, char *out, size_t size);
int ipc_get_fd(struct ipc_in *m);   /* caller owns it; -1 and bad when there is none */
/* 0 when every byte and descriptor was read and none was bad; otherwise -1.  Closes leftovers. */
int ipc_end(struct ipc_in *m);
void ipc_close_fds(struct ipc_in *m);

/* Errors across a socket. */
void ipc_put_err(struct ipc_out *m, const struct cl_err *err);
void ipc_get_err(struct ipc_in *m, struct cl_err *err);

#endif
