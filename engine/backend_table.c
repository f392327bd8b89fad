/* The backends; a row here and one struct backend_ops is all that another one needs. */
#include "engine/backend.h"
#include "engine/backend_kube.h"
#include "engine/backend_local.h"
#include "engine/backend_sim.h"

const struct backend_ops *const backend_table[] = {
	&backend_local_ops,
	&backend_sim_ops,
	&backend_kube_ops,
	&backend_kube_sim_ops,
	NULL,
};
