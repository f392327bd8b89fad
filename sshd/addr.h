/*
 * Who a connection comes from, as limits and penalties count it: an IPv4 address as a whole, an
 * IPv6 address by its /64 (one machine owns a /64 and could use a new address each time).
 */
#ifndef SSHD_ADDR_H
#define SSHD_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct addr {
	uint8_t ip[16];  /* IPv4 as ::ffff:a.b.c.d; IPv6 whole */
	uint8_t key[16]; /* what limits count: the lower half of IPv6 is zero */
	char text[46];
};

/* Other families than IPv4 and IPv6 become "local", all zero. */
void addr_set(struct addr *a, const struct sockaddr *sa);
bool addr_same(const struct addr *a, const struct addr *b); /* counted as one source? */
/* Of one network, as a flood is judged: an IPv4 /24, an IPv6 /48? */
bool addr_near(const struct addr *a, const struct addr *b);
/* Is it in one of the networks "10.0.0.0/8,fd00::/8"?  Malformed parts match nothing. */
bool addr_listed(const struct addr *a, const char *networks);

#endif
