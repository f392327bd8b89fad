/*
 * `codinglab-pty serve`: a program with everything that an execution promises, where the way into the
 * container is three streams and no more (a pod's exec: no signals, no end of input, no hang-up).
 * What shall run, input and control come in frames on stdin:
 *
 *   +------+------------------+---------+
 *   | type | length, 4, big e.| payload |
 *   +------+------------------+---------+
 *     'S'  first: fields, each ended by NUL: tty (0/1), rows, columns, folder ("" = as it is),
 *          variables, "" , words of the command, ""
 *     'D'  bytes of input;  'E' their end;  'W' rows, columns (2 + 2 bytes);  'K' a signal's number
 *
 * Output is the program's own on stdout and stderr (with a terminal: all on stdout).  The end of the
 * stream itself is a hang-up: SIGHUP to the program, SIGKILL to its session after 5 s.  Ends with the
 * program's status, 128 + n for a signal.
 */
#ifndef ENGINE_BROKER_PTY_SERVE_H
#define ENGINE_BROKER_PTY_SERVE_H

int serve_run(void);

#endif
