/* Which handler serves which route: the lists that the route_*.c files export. */
#include "engine/route.h"

#include "base/mem.h"

extern const struct route_bind route_user_binds[], route_key_binds[], route_platform_binds[];
extern const struct route_bind route_project_binds[], route_member_binds[], route_chat_binds[];
extern const struct route_bind route_env_binds[], route_op_binds[], route_exec_binds[];
extern const struct route_bind route_status_binds[], route_import_binds[];
extern const struct route_bind route_save_binds[], route_stack_binds[];
extern const struct route_bind route_cluster_binds[], route_host_binds[], route_target_binds[];
extern const struct route_bind route_session_binds[];

static const struct route_bind *const lists[] = {
    route_user_binds,
    route_key_binds,
    route_platform_binds,
    route_project_binds,
    route_member_binds,
    route_chat_binds,
    route_env_binds,
    route_op_binds,
    route_exec_binds,
    route_status_binds,
    route_import_binds,
    route_save_binds,
    route_stack_binds,
    route_cluster_binds,
    route_host_binds,
    route_session_binds,
    route_target_binds,
};

route_handler *
route_bind_find(enum route_id id)
{
	for (size_t i = 0; i < CL_COUNT(lists); i++)
		for (const struct route_bind *b = lists[i]; b->handler != NULL; b++)
			if (b->id == id)
				return b->handler;
	return NULL;
}
