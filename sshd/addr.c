/* Addresses of clients: see addr.h. */
#include "sshd/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/mem.h"

static void from_v4(uint8_t ip[16], const void *four)
{
	memset(ip, 0, 10);
	ip[10] = ip[11] = 0xff;
	memcpy(ip + 12, four, 4);
}

static bool is_v4(const uint8_t ip[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(ip, mapped, sizeof(mapped)) == 0;
}

void addr_set(struct addr *a, const struct sockaddr *sa)
{
	memset(a, 0, sizeof(*a));
	if (sa->sa_family == AF_INET)
		from_v4(a->ip, &((const struct sockaddr_in *)(const void *)sa)->sin_addr);
	else if (sa->sa_family == AF_INET6)
		memcpy(a->ip, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
	else {
		mem_copy_str(a->text, sizeof(a->text), "local");
		return;
	}
	memcpy(a->key, a->ip, 16);
	if (is_v4(a->ip)) {
		inet_ntop(AF_INET, a->ip + 12, a->text, sizeof(a->text));
	} else {
		memset(a->key + 8, 0, 8);
		inet_ntop(AF_INET6, a->ip, a->text, sizeof(a->text));
	}
}

bool addr_same(const struct addr *a, const struct addr *b)
{
	return memcmp(a->key, b->key, sizeof(a->key)) == 0;
}

bool addr_near(const struct addr *a, const struct addr *b)
{
	return is_v4(a->ip) == is_v4(b->ip) && memcmp(a->ip, b->ip, is_v4(a->ip) ? 15 : 6) == 0;
}

static bool in_network(const uint8_t ip[16], const uint8_t net[16], int bits)
{
	int bytes = bits / 8, rest = bits % 8;

	if (memcmp(ip, net, (size_t)bytes) != 0)
		return false;
	return rest == 0 || (ip[bytes] ^ net[bytes]) >> (8 - rest) == 0;
}

/* One "address/bits"; without bits the whole address. */
static bool matches(const uint8_t ip[16], char *network)
{
	char *slash = strchr(network, '/');
	uint8_t net[16], four[4];
	int bits = 0, most = 128;

	if (slash)
		*slash++ = '\0';
	if (inet_pton(AF_INET, network, four) == 1) {
		from_v4(net, four);
		most = 32;
	} else if (inet_pton(AF_INET6, network, net) != 1) {
		return false;
	}
	if ((most == 32) != is_v4(ip))
		return false;
	if (!slash)
		return in_network(ip, net, 128);
	if (!*slash)
		return false;
	for (; *slash >= '0' && *slash <= '9' && bits <= most; slash++)
		bits = bits * 10 + (*slash - '0');
	if (*slash || bits > most)
		return false;
	return in_network(ip, net, bits + 128 - most);
}

bool addr_listed(const struct addr *a, const char *networks)
{
	char part[64];

	while (*networks) {
		size_t n = strcspn(networks, ", ");

		if (n && n < sizeof(part)) {
			memcpy(part, networks, n);
			part[n] = '\0';
			if (matches(a->ip, part))
				return true;
		}
		networks += n;
		networks += strspn(networks, ", ");
	}
	return false;
}
