/*
 * Executing in a container: messages (base/ipc) between a client (session or verb) and the
 * runtime broker on ${run}/exec.sock (SOCK_SEQPACKET, mode 0666).  The client first asks the
 * engine (POST /v1/projects/{project}/exec), which checks policy, writes the audit row, prepares
 * the execution at the broker for exactly the caller's uid and answers with a single-use ticket
 * of 30 s.  The broker compares SO_PEERCRED with the uid it was told.
 *
 *   client --OPEN ticket--> broker
 *   client <--OPENED + fds-- broker       tty: 1 descriptor, both ways;  no tty: 3 (in, out, err)
 *                                         or none: the program has the three pipes of OPEN itself
 *   client --OPEN_SOCKET ticket--> broker   the same for a program that connects or listens for its
 *   client <--OPENED + fd-- broker          client: its socket comes out, where that can be
 *   client --RESIZE / SIGNAL--> broker
 *   client <--EXITED-- broker             after the streams' last byte was written
 *
 * Closing the control socket hangs up: SIGHUP to the program, SIGKILL after 5 s.
 */
#ifndef ENGINE_API_EXEC_PROTO_H
#define ENGINE_API_EXEC_PROTO_H

enum exec_type {
	EXEC_OPEN = 0x300,   /* str ticket; 0 or 3 fds: the client's own stdin, stdout and stderr, pipes
	                        that a program without a terminal may have whole */
	EXEC_RESIZE,         /* u32 rows; u32 cols */
	EXEC_SIGNAL,         /* str name without SIG: "INT", "TERM", ... */
	EXEC_OPEN_SOCKET,    /* str ticket */
	EXEC_OPENED = 0x380, /* u32 exec_how; bytes early (output that already came); fds by how */
	EXEC_EXITED,         /* u32 exit status 0..255; u32 signal number or 0 */
	EXEC_FAILED,         /* an error (ipc_put_err) */
};

enum exec_how {
	EXEC_PIPES, /* 3 fds: stdin, stdout, stderr */
	EXEC_TTY,   /* 1 fd, both ways */
	EXEC_GIVEN, /* no fd: the program has those of OPEN */
	EXEC_SOCKET, /* 1 fd: the socket that the program handed out */
};

#endif
