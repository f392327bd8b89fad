/* Server-sent events: see client_sse.h. */
#include "engine/client/client_sse.h"

#include <string.h>

#include "base/mem.h"

void client_sse_init(struct client_sse *s, client_sse_cb *event, void *arg)
{
	memset(s, 0, sizeof(*s));
	buf_init(&s->line, CLIENT_SSE_MAX);
	buf_init(&s->data, CLIENT_SSE_MAX);
	s->event = event;
	s->arg = arg;
}

static void dispatch(struct client_sse *s)
{
	if (s->skip) {
		s->dropped++;
	} else if (s->data.len) {
		/* Every data line added an LF; the last one is not part of the data. */
		s->data.data[s->data.len - 1] = '\0';
		s->event(s->arg, s->type[0] ? s->type : "message", s->id, s->data.data);
	}
	buf_drop(&s->data, s->data.len);
	s->type[0] = '\0';
	s->skip = false;
}

static void take_line(struct client_sse *s, char *line, size_t n)
{
	char *value = memchr(line, ':', n);

	if (n == 0) {
		dispatch(s);
		return;
	}
	if (line[0] == ':')
		return;
	if (value) {
		*value++ = '\0';
		if (*value == ' ')
			value++;
	} else {
		value = line + n;
	}
	if (strcmp(line, "data") == 0) {
		if (buf_add(&s->data, value, n - (size_t)(value - line)) < 0 ||
		    buf_add(&s->data, "\n", 1) < 0)
			s->skip = true;
	} else if (strcmp(line, "event") == 0) {
		mem_copy_str(s->type, sizeof(s->type), value);
	} else if (strcmp(line, "id") == 0) {
		if (mem_copy_str(s->id, sizeof(s->id), value) < 0)
			s->id[0] = '\0';
	}
}

void client_sse_feed(struct client_sse *s, const char *data, size_t n)
{
	size_t k;

	while (n) {
		if (s->after_cr && *data == '\n') {
			data++;
			n--;
		}
		s->after_cr = false;
		for (k = 0; k < n && data[k] != '\n' && data[k] != '\r'; k++)
			;
		if (buf_add(&s->line, data, k) < 0)
			s->skip = true;
		if (k == n)
			return;
		s->after_cr = data[k] == '\r';
		take_line(s, s->line.data ? s->line.data : (char[]){0}, s->line.len);
		buf_drop(&s->line, s->line.len);
		data += k + 1;
		n -= k + 1;
	}
}

void client_sse_reset(struct client_sse *s)
{
	buf_drop(&s->line, s->line.len);
	buf_drop(&s->data, s->data.len);
	s->type[0] = '\0';
	s->after_cr = s->skip = false;
}

void client_sse_clear(struct client_sse *s)
{
	buf_clear(&s->line);
	buf_clear(&s->data);
}
