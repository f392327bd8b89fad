/* Frames of stdout and stderr: see mux.h. */
#include "engine/broker/mux.h"

#include <string.h>

void mux_init(struct mux *m)
{
	memset(m, 0, sizeof(*m));
}

/* Take header bytes; returns how many were used. */
static size_t head(struct mux *m, const char *data, size_t n)
{
	size_t want = sizeof(m->head) - m->have, use = n < want ? n : want;

	memcpy(m->head + m->have, data, use);
	m->have += use;
	if (m->have < sizeof(m->head))
		return use;
	if (m->head[0] > 2 || m->head[1] || m->head[2] || m->head[3])
		m->bad = true;
	m->left = (uint32_t)m->head[4] << 24 | (uint32_t)m->head[5] << 16 |
	    (uint32_t)m->head[6] << 8 | m->head[7];
	if (m->left == 0)
		m->have = 0;
	return use;
}

int mux_feed(struct mux *m, const char *data, size_t n, mux_cb *cb, void *arg)
{
	while (n > 0 && !m->bad) {
		size_t use;

		if (m->have < sizeof(m->head)) {
			use = head(m, data, n);
		} else {
			use = n < m->left ? n : m->left;
			cb(arg, m->head[0] == 2 ? 2 : 1, data, use);
			m->left -= (uint32_t)use;
			if (m->left == 0)
				m->have = 0;
		}
		data += use;
		n -= use;
	}
	return m->bad ? -1 : 0;
}
