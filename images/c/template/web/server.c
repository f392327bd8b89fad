/* The web application: serves on $PORT until SIGTERM.  `server migrate` migrates the database and ends. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"

int main(int argc, char **argv)
{
	const char *port = getenv("PORT"), *threads = getenv("WEB_CONCURRENCY");
	struct store *store = store_new(getenv("DATABASE_URL"));
	struct app *app;
	sigset_t stop;
	int signal;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!store)
		return 1;
	if (argc > 1 && strcmp(argv[1], "migrate") == 0)
		return store_migrate(store) ? 0 : 1;
	/* a fresh app.db has no tables; a deployment migrates before it serves */
	if (!getenv("DATABASE_URL") && !store_migrate(store))
		return 1;
	/* before any thread starts, so that none of them takes the signals */
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	pthread_sigmask(SIG_BLOCK, &stop, NULL);
	app = app_start(store, port ? (int)strtol(port, NULL, 10) : 8080,
	    threads && strtol(threads, NULL, 10) > 1 ? (int)strtol(threads, NULL, 10) : 8);
	if (!app) {
		fprintf(stderr, "port %s cannot be had\n", port ? port : "8080");
		return 1;
	}
	printf("serving on http://0.0.0.0:%d/\n", app_port(app));
	sigwait(&stop, &signal);
	app_stop(app);
	store_free(store);
	return 0;
}
