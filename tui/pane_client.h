/*
 * The session's end of the pane process (base/pane.h): opens terminals, tells which changed, and
 * gives the memory to read them from by tui/pane_grid.h.  One per session, main thread.
 */
#ifndef TUI_PANE_CLIENT_H
#define TUI_PANE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct pane_client;

struct pane_client_ops {
	void (*changed)(void *arg, uint32_t mask);  /* read them, then pane_client_looked() */
	void (*ended)(void *arg, int id);           /* the program's output is over, all of it is shown */
	void (*clipboard)(void *arg, int id, const char *base64, size_t n);
	void (*restarted)(void *arg);               /* open every terminal again, with keep */
	void (*lost)(void *arg);                    /* the pane process is gone */
};

/* sock and memfd stay the caller's.  Sizes the memory. */
struct pane_client *pane_client_new(int sock, int memfd, const struct pane_client_ops *ops, void *arg,
    struct cl_err *err);
void pane_client_free(struct pane_client *c);
/* Read what came; call when the socket is readable. */
void pane_client_read(struct pane_client *c);
/* The start of a terminal's part of the memory. */
const void *pane_client_area(const struct pane_client *c, int id);

/* fd is borrowed (it travels as a copy).  0 or -1: the pane is gone. */
int pane_client_open(struct pane_client *c, int id, int fd, int rows, int cols, uint32_t ring,
    uint32_t flags);
int pane_client_resize(struct pane_client *c, int id, int rows, int cols);
int pane_client_feed(struct pane_client *c, int id, const char *p, size_t n);
/* Closes the terminal and gives its memory back. */
void pane_client_close(struct pane_client *c, int id);
/* Everything of the last `changed` was read (or is not shown): the pane may write again. */
void pane_client_looked(struct pane_client *c);

#endif
