/* Output as lines: see line.h. */
#include "engine/broker/line.h"

#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/ipc.h"

void line_init(struct line *l, int sock)
{
	memset(l->len, 0, sizeof(l->len));
	l->sock = sock;
	l->keep = NULL;
}

void line_keep(struct line *l, struct buf *keep)
{
	line_init(l, -1);
	l->keep = keep;
}

void line_text(int sock, const char *s, size_t n)
{
	struct ipc_out m;

	ipc_begin(&m, BROKER_LINE);
	ipc_put_bytes(&m, s, n);
	if (ipc_send(sock, &m) < 0)
		_exit(1); /* nobody listens any more; the supervisor cleans up */
}

static void put(struct line *l, int stream)
{
	size_t n = l->len[stream];

	if (n && l->part[stream][n - 1] == '\r')
		n--;
	if (l->keep) /* what is over its ceiling is cut off */
		(void)(buf_add(l->keep, l->part[stream], n) == 0 && buf_add(l->keep, "\n", 1) == 0);
	else
		line_text(l->sock, l->part[stream], n);
	l->len[stream] = 0;
}

void line_add(void *arg, int stream, const char *data, size_t n)
{
	struct line *l = arg;

	while (n > 0) {
		const char *end = memchr(data, '\n', n);
		size_t room = sizeof(l->part[0]) - l->len[stream];
		size_t use = end ? (size_t)(end - data) : n;

		if (use > room) {
			use = room;
			end = NULL;
		}
		memcpy(l->part[stream] + l->len[stream], data, use);
		l->len[stream] += use;
		if (end)
			use++;
		if (end || l->len[stream] == sizeof(l->part[0]))
			put(l, stream);
		data += use;
		n -= use;
	}
}

void line_flush(struct line *l)
{
	for (int i = 0; i < 3; i++)
		if (l->len[i])
			put(l, i);
}
