/* Who is it?  Key exchange, authentication, and the limits on both. */
#ifndef SSHD_CONN_LOGIN_H
#define SSHD_CONN_LOGIN_H

/* Build the libssh server for the socket; the rights of root are still there (files are read). */
void login_prepare(void);
/* Key exchange and authentication; 0 when somebody is logged in, -1 when the client is to go. */
int login_run(void);

#endif
