/* Agents of clients for terminals: see agent.h. */
#include "tui/agent.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

static struct {
	struct doors *doors;
	const char *project;
	struct door *holder;       /* who was asked to listen; may have gone */
	bool wanted;               /* a terminal knows the path */
	char path[DOOR_AGENT_MAX]; /* nobody can guess it, so no other member has it first */
} agent;

void agent_init(struct doors *doors, const char *project)
{
	agent.doors = doors;
	agent.project = project;
	agent.holder = NULL;
	agent.wanted = false;
	agent.path[0] = '\0';
}

static struct door *newest(void)
{
	struct door *found = NULL;

	for (struct door *d = NULL; (d = doors_next(agent.doors, d));)
		if (doors_info_of(d)->agent &&
		    (!found || doors_info_of(d)->since > doors_info_of(found)->since))
			found = d;
	return found;
}

static bool here(const struct door *door)
{
	struct door *d = NULL;

	while ((d = doors_next(agent.doors, d)) && d != door)
		;
	return d;
}

static void ask(void)
{
	struct door *d = newest();

	if (agent.holder && agent.holder != d && here(agent.holder))
		doors_agent(agent.holder, "", agent.project);
	agent.holder = d;
	if (d)
		doors_agent(d, agent.path, agent.project);
}

void agent_doors(void)
{
	if (agent.wanted)
		ask();
}

const char *agent_path(void)
{
	uint64_t r;

	if (!agent.wanted && !newest())
		return NULL;
	if (!agent.path[0]) {
		if (getrandom(&r, sizeof(r), 0) != sizeof(r))
			return NULL;
		snprintf(agent.path, sizeof(agent.path), "/tmp/codinglab-agent-%016" PRIx64 "/agent", r);
	}
	agent.wanted = true;
	ask();
	return agent.path;
}
