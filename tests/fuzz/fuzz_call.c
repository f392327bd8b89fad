/* link: cl_engine cl_client cl_images cl_base */
/*
 * Calls as messages, both ends.  A record of the input is one byte of who reads it and what is done
 * to it, a u16 length, and that many bytes, a whole packet:
 *
 *   bit 0: the client reads it, else the engine        bit 1: descriptors come with it
 *
 * What the engine takes as a call is written again from what it understood and must be understood
 * the same; the client never takes more than an answer announced.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ipc.h"
#include "engine/api/call_proto.h"
#include "engine/client/client_wire.h"
#include "engine/server_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ipc_in in;
static struct ipc_out out;
static int pair[2] = {-1, -1};

static void
must(int ok)
{
	if (!ok)
		abort();
}

/* The packet as the kernel would deliver it; false when ipc refuses it. */
static bool
deliver(const uint8_t *data, size_t n, bool fds)
{
	must(n <= sizeof out.data);
	memcpy(out.data, data, n);
	out.len = n;
	out.bad = false;
	out.nfds = 0;
	if (fds)
		ipc_put_fd(&out, 0);
	return ipc_send(pair[0], &out) == 0 && ipc_recv(pair[1], &in) == 1;
}

static void
as_engine(void)
{
	static struct gate g, again;
	static uint8_t first[IPC_DATA_MAX];
	const void *body;
	size_t n, m;
	int64_t length;

	if (server_call_head(&in, &g, &body, &n) < 0)
		return;
	length = g.length;
	must(length >= 0 && (int64_t)n <= length && n <= IPC_DATA_MAX);
	if (g.reason != NULL)
		return;
	must(g.target[0] == '/' && strlen(g.target) <= GATE_TARGET_MAX && strchr(g.target, ' ') == NULL);
	must(strpbrk(g.idem, "\r\n") == NULL && strpbrk(g.last_event, "\r\n") == NULL);
	memcpy(first, body, n);
	ipc_begin(&out, CALL_BEGIN);
	ipc_put_str(&out, g.method);
	ipc_put_str(&out, g.target);
	ipc_put_str(&out, g.idem);
	ipc_put_str(&out, g.last_event);
	ipc_put_u32(&out, (uint32_t)length);
	ipc_put_bytes(&out, first, n);
	must(ipc_send(pair[0], &out) == 0 && ipc_recv(pair[1], &in) == 1);
	must(server_call_head(&in, &again, &body, &m) == 0 && again.reason == NULL && m == n);
	must(strcmp(g.method, again.method) == 0 && strcmp(g.target, again.target) == 0 &&
	    strcmp(g.idem, again.idem) == 0 && strcmp(g.last_event, again.last_event) == 0 &&
	    again.length == length && memcmp(first, body, n) == 0);
}

static void
as_client(struct client_wire_head *h)
{
	struct client_wire_head was = *h;
	const void *data;
	size_t n;

	if (client_wire_take(h, &in, &data, &n) < 0) {
		*h = was; /* a client ends here; the fuzzer goes on */
		return;
	}
	must(h->begun && h->status >= 100 && h->status <= 599 && n <= IPC_DATA_MAX);
	must(h->got == was.got + n && (h->length == CALL_STREAM || h->got <= h->length));
	must(!was.begun || (n > 0 && h->status == was.status && h->length == was.length));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct client_wire_head h = {0};

	if (pair[0] < 0)
		must(ipc_pair(pair, NULL) == 0);
	while (size >= 3) {
		size_t n = (size_t)(data[1] | data[2] << 8);
		uint8_t how = data[0];

		data += 3;
		size -= 3;
		n = n < size ? n : size;
		if (n >= 4 && deliver(data, n, (how & 2) != 0)) {
			if ((how & 1) != 0)
				as_client(&h);
			else
				as_engine();
		}
		data += n;
		size -= n;
	}
	return 0;
}
