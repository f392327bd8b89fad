/*
 * The parts of packets that libssh 0.10 does not read or write.  It knows no channels to sockets by their path
 * (direct-streamlocal@openssh.com) and drops what they say.  While its message callback runs, the buffer of
 * the packet still holds the rest, and reading a buffer is in its interface; only finding that buffer is
 * not.  So this process has ssh_buffer_new() itself, which calls libssh's, and knows the ones that a new session
 * makes: its socket's two, those of packets out and in, its agent's two.  A library that makes more or
 * fewer is noticed, and such channels are refused as they were.
 *
 * In the same way this process has _ssh_log(), which libssh calls before it handles a packet, and
 * ssh_buffer_get(), which it calls before it sends one:
 *
 *   streamlocal-forward@openssh.com  becomes tcpip-forward, with the path for an address (-R /path:...)
 *   forwarded-tcpip                  becomes forwarded-streamlocal@openssh.com, for what connects there
 *   strict key exchange              is what the word says: nothing else in it (libssh 0.10 lets IGNORE pass)
 */
#ifndef SSHD_CONN_PACKET_H
#define SSHD_CONN_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <libssh/libssh.h>

#define PACKET_PORT 1 /* stands beside a path where libssh wants a port */
#define PACKET_PATH_MAX 107 /* of a socket, as the kernel takes it */

/* ssh_new(), with its buffers known. */
ssh_session packet_session_new(void);
/* Within a message callback for a channel of unknown kind: is it to a socket by its path?  text is
 * terminated, and whole. */
bool packet_path(char text[PACKET_PATH_MAX + 1]);
/* What the client did in the first key exchange that no client does, or NULL. */
const char *packet_violation(void);
/* Offer the client a connection that came to the socket at that path; as ssh_channel_open_reverse_forward(). */
int packet_open_path(ssh_channel channel, const char *path);

#endif
