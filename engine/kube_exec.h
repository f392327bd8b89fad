/*
 * Executions in pods: a thread with a loop of its own, which speaks engine/api/exec_proto.h with sessions
 * and verbs on kube.exec_socket and WebSockets with the cluster (kube_stream.h).  A ticket is prepared by
 * a worker (kube_ticket.h), taken by the uid that it is for, once, within 30 s.
 *
 *   client ══ descriptors ══ relay (kube_relay.c) ══ WebSocket ══ API server ── kubelet ── codinglab-pty ── program
 */
#ifndef ENGINE_KUBE_EXEC_H
#define ENGINE_KUBE_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "engine/backend.h"
#include "engine/kube_api.h"

struct kube_exec;

struct kube_exec_pod {
	char ns[80], pod[80], container[16];
	char uid[64];            /* of the pod: another one under the same name has no helper yet */
};

/* helper: the program codinglab-pty on this machine. */
struct kube_exec *kube_exec_new(const char *socket, const char *helper, struct cl_err *err);
void kube_exec_free(struct kube_exec *x);

#endif
