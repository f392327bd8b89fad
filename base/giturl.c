/* Where a project comes from: see giturl.h. */
#include "base/giturl.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const struct scheme {
	const char *prefix;
	enum giturl_kind kind;
	int port;
} schemes[] = {
    {"https://", GITURL_HTTPS, 443},
    {"http://", GITURL_HTTP, 80},
    {"ssh://", GITURL_SSH, 22},
    {"git+ssh://", GITURL_SSH, 22},
    {"file://", GITURL_FILE, 0},
};

static int refuse(struct cl_err *err, const char *why)
{
	err_set(err, CL_USAGE, "import: %s", why);
	return err_hint(err, "https://HOST/PATH, ssh://git@HOST/PATH, git@HOST:PATH, or a .zip or .tar.gz");
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
	    : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* %xx of a user name or password; control characters are refused. */
static int decode(const char *s, size_t n, char *out, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		int c = (unsigned char)s[i];

		if (c == '%') {
			if (i + 2 >= n || hex(s[i + 1]) < 0 || hex(s[i + 2]) < 0)
				return -1;
			c = hex(s[i + 1]) * 16 + hex(s[i + 2]);
			i += 2;
		}
		if (c < 0x20 || c == 0x7f || at + 1 >= size)
			return -1;
		out[at++] = (char)c;
	}
	out[at] = '\0';
	return 0;
}

static int take_user(const char *s, size_t n, struct giturl *u, struct cl_err *err)
{
	const char *colon = memchr(s, ':', n);
	size_t len = colon ? (size_t)(colon - s) : n;

	if (decode(s, len, u->user, sizeof(u->user)) < 0 || (colon &&
	    decode(colon + 1, n - len - 1, u->password, sizeof(u->password)) < 0))
		return refuse(err, "the user name or password in the URL is malformed");
	if (u->kind == GITURL_SSH && (u->password[0] || u->user[0] == '-' ||
	    strspn(u->user, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
	    strlen(u->user)))
		return refuse(err, "ssh takes a plain user name and no password");
	return 0;
}

static int take_port(const char *s, struct giturl *u, struct cl_err *err)
{
	char *end;
	long n = strtol(s, &end, 10);

	if (!isdigit((unsigned char)s[0]) || *end || n < 1 || n > 65535)
		return refuse(err, "the port of the URL is not one");
	u->port = (int)n;
	u->port_said = true;
	return 0;
}

/* "host", "host:port", "[v6]:port" */
static int take_host(const char *s, size_t n, struct giturl *u, struct cl_err *err)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789.-";
	char text[300];
	char *host = text, *port = NULL;
	bool six;

	if (n == 0 || n >= sizeof(text))
		return refuse(err, "the URL names no host");
	memcpy(text, s, n);
	text[n] = '\0';
	six = text[0] == '[';
	if (six) {
		host = text + 1;
		port = strchr(host, ']');
		if (!port || (port[1] && port[1] != ':'))
			return refuse(err, "the host of the URL is malformed");
		*port = '\0';
		port = port[1] ? port + 2 : NULL;
	} else if ((port = strchr(text, ':'))) {
		*port++ = '\0';
	}
	for (char *p = host; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (!host[0] || host[0] == '-' || mem_copy_str(u->host, sizeof(u->host), host) < 0 ||
	    strspn(host, six ? "0123456789abcdef:." : plain) != strlen(host))
		return refuse(err, "the host of the URL is malformed");
	return port ? take_port(port, u, err) : 0;
}

static int take_path(const char *s, struct giturl *u, struct cl_err *err)
{
	for (const char *p = s; *p; p++)
		if ((unsigned char)*p <= 0x20 || *p == 0x7f || *p == '\\' || *p == '"' || *p == '\'')
			return refuse(err, "the path of the URL has a character that does not belong");
	if (strlen(s) < 2 || mem_copy_str(u->path, sizeof(u->path), s) < 0)
		return refuse(err, "the URL names no repository");
	return 0;
}

static bool is_archive(const char *path)
{
	static const char *const ends[] = {".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tbz2",
	    ".tar.xz", ".txz", ".tar.zst"};
	size_t n = strcspn(path, "?#");

	for (size_t i = 0; i < CL_COUNT(ends); i++) {
		size_t len = strlen(ends[i]);

		if (n > len && strncmp(path + n - len, ends[i], len) == 0)
			return true;
	}
	return false;
}

/* user@host:path, as scp and git write it. */
static int parse_scp(const char *text, struct giturl *u, struct cl_err *err)
{
	const char *at = strchr(text, '@'), *colon = at ? strchr(at, ':') : NULL;
	cl_autofree char *path = NULL;

	if (!colon || !colon[1])
		return refuse(err, "this is no URL");
	u->kind = GITURL_SSH;
	u->port = 22;
	path = mem_printf("%s%s", colon[1] == '/' ? "" : "/", colon + 1);
	if (take_user(text, (size_t)(at - text), u, err) < 0 ||
	    take_host(at + 1, (size_t)(colon - at) - 1, u, err) < 0)
		return -1;
	return take_path(path, u, err);
}

static int parse_net(const char *rest, struct giturl *u, struct cl_err *err)
{
	size_t n = strcspn(rest, "/?#");
	const char *at = memrchr(rest, '@', n);

	if (strchr(rest + n, '#'))
		return refuse(err, "a URL with \"#\": name a branch by --branch");
	if (at && take_user(rest, (size_t)(at - rest), u, err) < 0)
		return -1;
	if (at) {
		n -= (size_t)(at - rest) + 1;
		rest = at + 1;
	}
	if (take_host(rest, n, u, err) < 0)
		return -1;
	return take_path(rest + n, u, err);
}

int giturl_parse(const char *text, struct giturl *u, struct cl_err *err)
{
	int rc;

	memset(u, 0, sizeof(*u));
	if (strlen(text) > 2000)
		return refuse(err, "the URL is too long");
	for (size_t i = 0; i < CL_COUNT(schemes); i++) {
		size_t n = strlen(schemes[i].prefix);

		if (strncasecmp(text, schemes[i].prefix, n) != 0)
			continue;
		u->kind = schemes[i].kind;
		u->port = schemes[i].port;
		rc = u->kind == GITURL_FILE ? take_path(text + n, u, err) : parse_net(text + n, u, err);
		if (rc == 0 && u->path[0] != '/')
			rc = refuse(err, "the path must be absolute");
		u->archive = rc == 0 && u->kind != GITURL_SSH && is_archive(u->path);
		return rc;
	}
	if (strstr(text, "://"))
		return refuse(err, "only http, https, ssh and file URLs are taken");
	if (text[0] == '/') {
		u->kind = GITURL_FILE;
		u->archive = is_archive(text);
		return take_path(text, u, err);
	}
	return parse_scp(text, u, err);
}

void giturl_print(const struct giturl *u, char *out, size_t size)
{
	static const char *const names[] = {"http", "https", "ssh", "file"};
	bool user = u->kind == GITURL_SSH && u->user[0], six = strchr(u->host, ':') != NULL;
	char port[16] = "";

	if (u->port_said)
		snprintf(port, sizeof(port), ":%d", u->port);
	snprintf(out, size, "%s://%s%s%s%s%s%s%.*s", names[u->kind], user ? u->user : "",
	    user ? "@" : "", six ? "[" : "", u->host, six ? "]" : "", port,
	    (int)strcspn(u->path, "?"), u->path);
}

bool giturl_secret(const struct giturl *u)
{
	return u->password[0] || (u->user[0] && u->kind != GITURL_SSH) || strchr(u->path, '?');
}

void giturl_wipe(struct giturl *u)
{
	mem_wipe(u, sizeof(*u));
}

bool giturl_like(const char *text)
{
	const char *at = strchr(text, '@'), *colon = at ? strchr(at, ':') : NULL;

	return strstr(text, "://") || (colon && colon > at + 1 && !strchr(text, ' ') &&
	    !memchr(text, '/', (size_t)(at - text)));
}
