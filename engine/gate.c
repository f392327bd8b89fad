/* The gate in front of the HTTP server; see gate.h. */
#include "engine/gate.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

static enum gate_state
bad(struct gate *g, const char *reason)
{
	g->reason = reason;
	return GATE_BAD;
}

static bool
is_token(unsigned char c)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return true;
	return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool
is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool
known_method(const char *m)
{
	static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"};

	for (size_t i = 0; i < CL_COUNT(methods); i++)
		if (strcmp(m, methods[i]) == 0)
			return true;
	return false;
}

static bool
plain_target(const char *target, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)target[i] <= 0x20 || (unsigned char)target[i] >= 0x7f ||
		    target[i] == '#')
			return false;
		if (target[i] == '%' && (n - i < 3 || !is_hex(target[i + 1]) || !is_hex(target[i + 2])))
			return false;
	}
	return true;
}

static int
request_line(struct gate *g, const char *line, size_t n)
{
	const char *sp = memchr(line, ' ', n), *end = line + n, *target;
	size_t len;

	if (sp == NULL || sp == line || (size_t)(sp - line) >= sizeof g->method)
		return -1;
	memcpy(g->method, line, (size_t)(sp - line));
	g->method[sp - line] = '\0';
	if (strlen(g->method) != (size_t)(sp - line) || !known_method(g->method))
		return -1;
	target = sp + 1;
	if ((sp = memchr(target, ' ', (size_t)(end - target))) == NULL || *target != '/')
		return -1;
	len = (size_t)(sp - target);
	if (len > GATE_TARGET_MAX || !plain_target(target, len))
		return -1;
	memcpy(g->target, target, len);
	g->target[len] = '\0';
	sp++;
	return end - sp == 8 && memcmp(sp, "HTTP/1.", 7) == 0 && (sp[7] == '0' || sp[7] == '1') ?
	    0 : -1;
}

static void
copy_value(char *dst, size_t size, const char *value, size_t n)
{
	size_t len = n < size - 1 ? n : size - 1;

	memcpy(dst, value, len);
	dst[len] = '\0';
}

static bool
named(const char *line, size_t n, const char *name)
{
	return n == strlen(name) && strncasecmp(line, name, n) == 0;
}

/* NULL, or what is wrong with this header */
static const char *
known_header(struct gate *g, const char *name, size_t name_len, const char *value, size_t n)
{
	char digits[12];

	if (named(name, name_len, "transfer-encoding"))
		return "Transfer-Encoding is not accepted, send Content-Length";
	if (named(name, name_len, "upgrade"))
		return "Upgrade is not accepted";
	if (named(name, name_len, "idempotency-key"))
		copy_value(g->idem, sizeof g->idem, value, n);
	if (named(name, name_len, "last-event-id"))
		copy_value(g->last_event, sizeof g->last_event, value, n);
	if (!named(name, name_len, "content-length"))
		return NULL;
	if (g->length >= 0)
		return "Content-Length is given twice";
	if (n < 1 || n > 10)
		return "Content-Length is malformed";
	for (size_t i = 0; i < n; i++)
		if (value[i] < '0' || value[i] > '9')
			return "Content-Length is malformed";
	copy_value(digits, sizeof digits, value, n);
	g->length = strtoll(digits, NULL, 10);
	return NULL;
}

static const char *
header_line(struct gate *g, const char *line, size_t n)
{
	const char *colon = memchr(line, ':', n), *value, *end = line + n;

	if (colon == NULL || colon == line)
		return "a header line is malformed";
	for (const char *p = line; p < colon; p++)
		if (!is_token((unsigned char)*p))
			return "a header name is malformed";
	for (value = colon + 1; value < end; value++)
		if (((unsigned char)*value < 0x20 && *value != '\t') || *value == 0x7f)
			return "a header value holds control characters";
	value = colon + 1;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return known_header(g, line, (size_t)(colon - line), value, (size_t)(end - value));
}

enum gate_state
gate_check(const char *head, size_t n, struct gate *g)
{
	size_t max = n < GATE_HEAD_MAX ? n : GATE_HEAD_MAX, at = 0;
	const char *why, *lf;

	memset(g, 0, sizeof *g);
	g->length = -1;
	for (int line = 0; line <= GATE_HEADERS_MAX + 1; line++) {
		size_t len;

		if ((lf = memchr(head + at, '\n', max - at)) == NULL)
			return n >= GATE_HEAD_MAX ? bad(g, "the head is too long") : GATE_MORE;
		len = (size_t)(lf - (head + at));
		if (len == 0 || lf[-1] != '\r')
			return bad(g, "a line does not end with CR LF");
		len--;
		if (memchr(head + at, '\r', len) != NULL)
			return bad(g, "a bare CR");
		if (line == 0 && request_line(g, head + at, len) < 0)
			return bad(g, "the request line is malformed");
		if (line > 0 && len == 0)
			return n > at + 2 + (size_t)(g->length > 0 ? g->length : 0) ?
			    bad(g, "more bytes than the request has") : GATE_OK;
		if (line > 0 && (why = header_line(g, head + at, len)) != NULL)
			return bad(g, why);
		at += len + 2;
	}
	return bad(g, "too many headers");
}

static bool
plain_value(const char *value)
{
	for (; *value != '\0'; value++)
		if (((unsigned char)*value < 0x20 && *value != '\t') || *value == 0x7f)
			return false;
	return true;
}

enum gate_state
gate_fill(struct gate *g, const char *method, const char *target, const char *idem,
    const char *last_event, int64_t length)
{
	memset(g, 0, sizeof *g);
	g->length = length;
	if (!known_method(method) || *target != '/' || strlen(target) > GATE_TARGET_MAX ||
	    !plain_target(target, strlen(target)))
		return bad(g, "the request line is malformed");
	if (!plain_value(idem) || !plain_value(last_event))
		return bad(g, "a header value holds control characters");
	copy_value(g->method, sizeof g->method, method, strlen(method));
	copy_value(g->target, sizeof g->target, target, strlen(target));
	copy_value(g->idem, sizeof g->idem, idem, strlen(idem));
	copy_value(g->last_event, sizeof g->last_event, last_event, strlen(last_event));
	return GATE_OK;
}
