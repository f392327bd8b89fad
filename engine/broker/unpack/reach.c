/* Addresses that an import may talk to: see reach.h. */
#include "engine/broker/unpack/reach.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct net {
	const char *text;
	int bits;
};

/* What is not the public Internet (IANA's special-purpose registry). */
static const struct net closed4[] = {
    {"0.0.0.0", 8}, {"10.0.0.0", 8}, {"100.64.0.0", 10}, {"127.0.0.0", 8}, {"169.254.0.0", 16},
    {"172.16.0.0", 12}, {"192.0.0.0", 24}, {"192.0.2.0", 24}, {"192.88.99.0", 24},
    {"192.168.0.0", 16}, {"198.18.0.0", 15}, {"198.51.100.0", 24}, {"203.0.113.0", 24},
    {"224.0.0.0", 3},
};
/* Of IPv6 only 2000::/3 is public, without what wraps other addresses or is for documents. */
static const struct net closed6[] = {
    {"2001::", 23}, {"2001:db8::", 32}, {"2002::", 16}, {"3fff::", 20},
};
static const struct net link_local[] = {{"169.254.0.0", 16}, {"fe80::", 10}};

static bool within(const uint8_t *address, const uint8_t *net, int bits)
{
	int whole = bits / 8, rest = bits % 8;

	if (memcmp(address, net, (size_t)whole) != 0)
		return false;
	return !rest || (address[whole] ^ net[whole]) >> (8 - rest) == 0;
}

static bool in_net(int family, const uint8_t *address, const char *text, int bits)
{
	uint8_t net[16];

	return bits >= 0 && bits <= (family == AF_INET ? 32 : 128) &&
	    inet_pton(family, text, net) == 1 && within(address, net, bits);
}

static bool in_any(int family, const uint8_t *address, const struct net *nets, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (in_net(family, address, nets[i].text, nets[i].bits))
			return true;
	return false;
}

/* "10.1.0.0/16,192.168.7.5" */
static bool in_list(int family, const uint8_t *address, const char *list)
{
	for (const char *p = list; *p; p += strspn(p, ", ")) {
		size_t n = strcspn(p, ", ");
		char text[64], *slash;
		int bits = family == AF_INET ? 32 : 128;

		snprintf(text, sizeof(text), "%.*s", (int)n, p);
		slash = strchr(text, '/');
		if (slash) {
			*slash = '\0';
			bits = (int)strtol(slash + 1, NULL, 10);
		}
		if (n < sizeof(text) && in_net(family, address, text, bits))
			return true;
		p += n;
	}
	return false;
}

bool reach_allowed(const struct sockaddr *sa, const char *networks)
{
	int family = sa->sa_family;
	const uint8_t *a = family == AF_INET
	    ? (const void *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr
	    : (const void *)&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;

	if (family != AF_INET && family != AF_INET6)
		return false;
	if (family == AF_INET6 && in_net(AF_INET6, a, "::ffff:0:0", 96)) {
		family = AF_INET; /* an IPv4 address in its longer form */
		a += 12;
	}
	if (in_any(family, a, link_local, CL_COUNT(link_local)))
		return false;
	if (in_list(family, a, networks))
		return true;
	if (family == AF_INET)
		return !in_any(AF_INET, a, closed4, CL_COUNT(closed4));
	return in_net(AF_INET6, a, "2000::", 3) && !in_any(AF_INET6, a, closed6, CL_COUNT(closed6));
}

static int add(struct reach *out, const struct addrinfo *ai)
{
	char text[NI_MAXHOST];

	if (out->n == REACH_ADDRESSES)
		return 0;
	if (getnameinfo(ai->ai_addr, ai->ai_addrlen, text, sizeof(text), NULL, 0,
	    NI_NUMERICHOST) != 0)
		return -1;
	snprintf(out->address[out->n++], REACH_TEXT, ai->ai_family == AF_INET6 ? "[%.50s]" : "%.50s",
	    text);
	return 0;
}

int reach_resolve(const char *host, const char *networks, struct reach *out, struct cl_err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list, *ai;
	int rc = getaddrinfo(host, NULL, &hints, &list);

	memset(out, 0, sizeof(*out));
	if (rc == EAI_ADDRFAMILY || rc == EAI_NODATA) {
		hints.ai_flags = 0;
		rc = getaddrinfo(host, NULL, &hints, &list);
	}
	if (rc != 0)
		return err_set(err, CL_FAILED, "import: host %.200s: %s", host, gai_strerror(rc));
	for (ai = list; ai; ai = ai->ai_next) {
		if (!reach_allowed(ai->ai_addr, networks)) {
			freeaddrinfo(list);
			err_set(err, CL_FORBIDDEN, "import: host %.200s is not on the public Internet",
			    host);
			return err_hint(err, "An operator allows networks of their own by import.private");
		}
		add(out, ai);
	}
	freeaddrinfo(list);
	return out->n ? 0 : err_set(err, CL_FAILED, "import: host %.200s has no address", host);
}

void reach_pin(const struct reach *r, const char *host, int port, char *out, size_t size)
{
	bool six = strchr(host, ':') != NULL;
	size_t n = (size_t)snprintf(out, size, "%s%s%s:%d:", six ? "[" : "", host, six ? "]" : "", port);

	for (int i = 0; i < r->n && n < size; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s", i ? "," : "", r->address[i]);
}
