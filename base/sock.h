/* Unix sockets: listen, connect, who is at the other end. */
#ifndef BASE_SOCK_H
#define BASE_SOCK_H

#include <sys/types.h>
#include "base/err.h"

/* Listen on path (an old socket file of a dead listener is replaced; a live one is CL_CONFLICT).
 * type: SOCK_STREAM or SOCK_SEQPACKET.  The fd is close-on-exec and non-blocking. */
int sock_listen(const char *path, int type, mode_t mode, struct cl_err *err);
int sock_connect(const char *path, int type, struct cl_err *err); /* blocking, close-on-exec */
/* Non-blocking, at once: -1 with errno; EAGAIN when the listener's queue is full. */
int sock_dial(const char *path, int type);
int sock_accept(int fd);                                         /* non-blocking, close-on-exec */
int sock_peer(int fd, uid_t *uid, gid_t *gid, pid_t *pid);        /* SO_PEERCRED; 0 or -1 */
int sock_nonblock(int fd, int on);
#define SOCK_FDS 4
/* One byte, and 1 to SOCK_FDS descriptors beside it (borrowed). 0, or -1 with errno. */
int sock_send_fds(int fd, char byte, const int *given, size_t n);
int sock_send_fd(int fd, char byte, int given);
/* One byte, and the descriptor that may come with it (*given is the caller's; -1: none).  Also from a
 * pipe, where none can come.  As read(2): 1, 0 at the end, -1 with errno. */
int sock_recv_fd(int fd, char *byte, int *given);

#endif
