/*
 * What blocking and event-driven requests share: one curl handle and what it collects.
 * Include base/fetch.h before it.
 */
#ifndef BASE_FETCH_INTERNAL_H
#define BASE_FETCH_INTERNAL_H

#include <curl/curl.h>

struct fetch_job {
	CURL *easy;
	struct curl_slist *headers, *resolve;
	struct fetch_request req;      /* only its callbacks are used: strings may be gone */
	char where[128];               /* socket or URL, for messages */
	struct fetch_reply reply;
	char error[CURL_ERROR_SIZE];
	bool too_large;                /* the reply passed its ceiling */
	bool aborted;                  /* a callback of ours said so */
	bool headers_done;             /* of the final reply */
	/* for fetch_async */
	struct fetch_async *owner;
	struct fetch_job *next;
	uint64_t id;
	fetch_done_cb *done;
	void *done_arg;
	bool cancelled;
	bool waiting;                  /* to be given to curl when it has returned */
};

/* Set the handle up; the job is cleared by fetch_internal_clear(). */
void fetch_internal_init(struct fetch_job *job, const struct fetch_request *req);
/* The reply, or the failure of code, put into job->reply.status and err. 0 or -1. */
int fetch_internal_finish(struct fetch_job *job, CURLcode code, struct cl_err *err);
void fetch_internal_clear(struct fetch_job *job);

#endif
