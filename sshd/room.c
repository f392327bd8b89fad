/* Who gives up a place: see room.h. */
#include "sshd/room.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "sshd/peer.h"

#define ROOM_SILENT_WEIGHT 100000 /* more than any network holds */

static bool takes_place(const struct peer *p)
{
	return !p->phase.verified && !p->killed;
}

int room_near(const struct gateway *g, const struct addr *a)
{
	int n = 0;

	for (const struct peer *p = g->peers; p; p = p->next)
		n += takes_place(p) && addr_near(&p->addr, a);
	return n;
}

/* Has it had time to speak, and said nothing? */
static bool is_silent(const struct peer *p, int64_t now)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	return now - p->started >= ROOM_SILENT_MS && p->tcp >= 0 &&
	    getsockopt(p->tcp, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	    len > offsetof(struct tcp_info, tcpi_bytes_received) && info.tcpi_bytes_received == 0;
}

bool room_make(struct gateway *g)
{
	int64_t now = clock_ms();
	struct peer *victim = NULL;
	int most = 0;

	for (struct peer *p = g->peers; p; p = p->next) {
		int weight = takes_place(p) && !p->exempt ? room_near(g, &p->addr) : 0;

		if (weight && is_silent(p, now))
			weight += ROOM_SILENT_WEIGHT;
		/* the newest are first in the list, so the last of equals is the oldest */
		if (weight && weight >= most) {
			most = weight;
			victim = p;
		}
	}
	if (!victim || (most == 1 && now - victim->started < ROOM_LEAST_MS))
		return false;
	peer_kill(victim, "it made room for another network's login");
	return true;
}
