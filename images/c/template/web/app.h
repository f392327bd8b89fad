/* What the web application answers, served by libmicrohttpd on a pool of threads. */
#ifndef APP_H
#define APP_H

#include "store.h"

struct app;

/* NULL when the port cannot be had; port 0 takes any, app_port() says which. */
struct app *app_start(struct store *s, int port, int threads);
int app_port(const struct app *a);
/* Takes no more connections, finishes the requests that were begun (20 s at most), ends. */
void app_stop(struct app *a);

#endif
