/* Handing a descriptor to the runtime broker, over the socket where it waits for it. */
#ifndef ENGINE_BROKER_PTY_HAND_H
#define ENGINE_BROKER_PTY_HAND_H

#define HAND_FAILED 125 /* as container engines say of themselves */

/* Connect to a socket by its path; -1 with errno. */
int hand_connect(const char *path);
/* Send fd (SCM_RIGHTS) to the one at path; 0, or -1 with errno. */
int hand_over(const char *path, int fd);
/* There is none: say which error it was. */
int hand_failure(const char *path, int why);

#endif
