/*
 * The part of a packet that libssh 0.10 does not read: it knows no channels to sockets by their path
 * (direct-streamlocal@openssh.com) and drops what they say.  While its message callback runs, the buffer of
 * the packet still holds the rest, and reading a buffer is in its interface; only finding that buffer is
 * not.  So this process has ssh_buffer_new() itself, which calls libssh's, and knows the ones that a new session
 * makes: its socket's two, those of packets out and in, its agent's two.  A library that makes more or
 * fewer is noticed, and such channels are refused as they were.
 */
#ifndef SSHD_CONN_PACKET_H
#define SSHD_CONN_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <libssh/libssh.h>

#define PACKET_PATH_MAX 107 /* of a socket, as the kernel takes it */

/* ssh_new(), with its buffers known. */
ssh_session packet_session_new(void);
/* Within a message callback for a channel of unknown kind: is it to a socket by its path?  text is
 * terminated, and whole. */
bool packet_path(char text[PACKET_PATH_MAX + 1]);

#endif
