/*
 * HTTP client: see fetch.h.  libcurl speaks all the HTTP there is; an upgrade takes the socket away from it
 * once it has read the headers.
 */
#include "base/fetch.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#define FETCH_REPLY_MAX (16u << 20)
#define FETCH_CONNECT_MS 5000
#define KEPT_S 60L /* shorter than servers have patience: Go's own is 90 s */

/* Handles at rest, each with the connection that it used last. */
struct fetch_pool {
	pthread_mutex_t lock;
	size_t most, count;
	CURL *idle[];
};

/* One curl handle and what it collects. */
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
};

static void global_init(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		log_fatal("libcurl does not start");
}

/* ---- connections that are kept ---- */

struct fetch_pool *fetch_pool_new(size_t most)
{
	struct fetch_pool *p = mem_alloc(sizeof(*p) + most * sizeof(p->idle[0]));

	pthread_mutex_init(&p->lock, NULL);
	p->most = most;
	return p;
}

void fetch_pool_free(struct fetch_pool *p)
{
	if (!p)
		return;
	while (p->count)
		curl_easy_cleanup(p->idle[--p->count]);
	pthread_mutex_destroy(&p->lock);
	mem_free(p);
}

static CURL *pool_take(struct fetch_pool *p)
{
	CURL *easy = NULL;

	if (p) {
		pthread_mutex_lock(&p->lock);
		if (p->count)
			easy = p->idle[--p->count];
		pthread_mutex_unlock(&p->lock);
	}
	return easy ? easy : curl_easy_init();
}

static void pool_put(struct fetch_pool *p, CURL *easy)
{
	curl_easy_reset(easy); /* all but its connections */
	pthread_mutex_lock(&p->lock);
	if (p->count < p->most) {
		p->idle[p->count++] = easy;
		easy = NULL;
	}
	pthread_mutex_unlock(&p->lock);
	curl_easy_cleanup(easy);
}

/* ---- one request ---- */

static size_t write_cb(char *data, size_t size, size_t n, void *arg)
{
	struct fetch_job *job = arg;
	long status = 0;

	n *= size;
	curl_easy_getinfo(job->easy, CURLINFO_RESPONSE_CODE, &status);
	if (job->req.data_cb && status >= 200 && status < 300) {
		job->aborted = job->req.data_cb(job->req.arg, data, n) != 0;
		return job->aborted ? 0 : n;
	}
	job->too_large = buf_add(&job->reply.body, data, n) < 0;
	return job->too_large ? 0 : n;
}

static size_t read_cb(char *data, size_t size, size_t n, void *arg)
{
	struct fetch_job *job = arg;
	size_t got = job->req.read_cb(job->req.arg, data, size * n);

	job->aborted = got == (size_t)-1;
	return job->aborted ? CURL_READFUNC_ABORT : got;
}

static size_t header_cb(char *data, size_t size, size_t n, void *arg)
{
	struct fetch_job *job = arg;
	size_t at = 5, all = n * size;
	long status = 0;

	n = all;
	curl_easy_getinfo(job->easy, CURLINFO_RESPONSE_CODE, &status);
	if (n <= 2 && (status == 101 || status >= 200))
		job->headers_done = true;
	if (n > 5 && strncasecmp(data, "ETag:", 5) == 0) {
		while (at < n && data[at] == ' ')
			at++;
		while (n > at && (data[n - 1] == '\r' || data[n - 1] == '\n' || data[n - 1] == ' '))
			n--;
		if (n - at < sizeof(job->reply.etag)) {
			memcpy(job->reply.etag, data + at, n - at);
			job->reply.etag[n - at] = '\0';
		}
	}
	return all;
}

static int progress_cb(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct fetch_job *job = arg;

	if (job->req.cancelled && *job->req.cancelled)
		job->aborted = true;
	if (job->req.stop_cb && job->req.stop_cb(job->req.arg))
		job->aborted = true;
	return job->aborted;
}

#define SET(job, option, value) curl_easy_setopt((job)->easy, CURLOPT_##option, value)

static void set_body(struct fetch_job *job, const struct fetch_request *req)
{
	if (req->read_cb) {
		SET(job, UPLOAD, 1L);
		SET(job, READFUNCTION, read_cb);
		SET(job, READDATA, job);
	} else if (req->body || strcmp(req->method, "POST") == 0 || strcmp(req->method, "PUT") == 0) {
		SET(job, POST, 1L);
		SET(job, POSTFIELDSIZE_LARGE, (curl_off_t)req->body_len);
		SET(job, COPYPOSTFIELDS, req->body ? req->body : "");
	} else if (strcmp(req->method, "HEAD") == 0) {
		SET(job, NOBODY, 1L);
	}
	SET(job, CUSTOMREQUEST, req->method);
}

static void set_headers(struct fetch_job *job, const struct fetch_request *req)
{
	bool typed = false;

	for (const char *const *h = req->headers; h && *h; h++) {
		job->headers = curl_slist_append(job->headers, *h);
		typed = typed || strncasecmp(*h, "Content-Type:", 13) == 0;
	}
	if (!typed)
		job->headers = curl_slist_append(job->headers, "Content-Type:");
	job->headers = curl_slist_append(job->headers, "Expect:");
	SET(job, HTTPHEADER, job->headers);
}

static void set_pem(struct fetch_job *job, CURLoption option, const char *pem)
{
	struct curl_blob blob = { .flags = CURL_BLOB_COPY };

	if (!pem)
		return;
	blob.data = (void *)(uintptr_t)pem;
	blob.len = strlen(pem);
	curl_easy_setopt(job->easy, option, &blob);
}

/* Where to go, whom to trust, who we are: for requests to servers of strangers. */
static void set_peer(struct fetch_job *job, const struct fetch_request *req)
{
	if (req->resolve) {
		job->resolve = curl_slist_append(NULL, req->resolve);
		SET(job, RESOLVE, job->resolve);
		SET(job, PROXY, "");
	}
	if (req->ca_file)
		SET(job, CAINFO, req->ca_file);
	set_pem(job, CURLOPT_CAINFO_BLOB, req->ca_pem);
	set_pem(job, CURLOPT_SSLCERT_BLOB, req->cert_pem);
	set_pem(job, CURLOPT_SSLKEY_BLOB, req->key_pem);
	if (req->any_server) {
		SET(job, SSL_VERIFYPEER, 0L);
		SET(job, SSL_VERIFYHOST, 0L);
	}
	if (req->user || req->password) {
		SET(job, HTTPAUTH, (long)CURLAUTH_BASIC);
		SET(job, USERNAME, req->user ? req->user : "");
		SET(job, PASSWORD, req->password ? req->password : "");
	}
}

static void init(struct fetch_job *job, const struct fetch_request *req)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, global_init);
	memset(job, 0, sizeof(*job));
	job->req = *req;
	mem_copy_str(job->where, sizeof(job->where), req->unix_path ? req->unix_path : req->url);
	buf_init(&job->reply.body, req->max_reply ? req->max_reply : FETCH_REPLY_MAX);
	job->easy = pool_take(req->pool);
	if (!job->easy)
		log_fatal("libcurl: out of memory");
	SET(job, URL, req->url);
	SET(job, MAXCONNECTS, 1L);
	SET(job, MAXAGE_CONN, KEPT_S);
	SET(job, NOSIGNAL, 1L);
	SET(job, PROTOCOLS_STR, "http,https");
	SET(job, HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(job, ERRORBUFFER, job->error);
	SET(job, WRITEFUNCTION, write_cb);
	SET(job, WRITEDATA, job);
	SET(job, HEADERFUNCTION, header_cb);
	SET(job, HEADERDATA, job);
	SET(job, XFERINFOFUNCTION, progress_cb);
	SET(job, XFERINFODATA, job);
	SET(job, NOPROGRESS, 0L);
	SET(job, PRIVATE, job);
	SET(job, TIMEOUT_MS, req->timeout_ms);
	SET(job, CONNECTTIMEOUT_MS, req->connect_timeout_ms ? req->connect_timeout_ms
	    : (long)FETCH_CONNECT_MS);
	if (req->unix_path) {
		SET(job, UNIX_SOCKET_PATH, req->unix_path);
		SET(job, PROXY, "");
	}
	set_peer(job, req);
	set_body(job, req);
	set_headers(job, req);
}

static int finish(struct fetch_job *job, CURLcode code, struct cl_err *err)
{
	const char *where = job->where;
	const char *why = job->error[0] ? job->error : curl_easy_strerror(code);
	char *redirect = NULL;
	curl_off_t after = 0;
	long status = 0;

	curl_easy_getinfo(job->easy, CURLINFO_RESPONSE_CODE, &status);
	job->reply.status = (int)status;
	curl_easy_getinfo(job->easy, CURLINFO_RETRY_AFTER, &after);
	job->reply.retry_after_s = after > 0 && after < 3600 ? (int)after : 0;
	curl_easy_getinfo(job->easy, CURLINFO_REDIRECT_URL, &redirect);
	if (redirect && mem_copy_str(job->reply.redirect, sizeof(job->reply.redirect), redirect) < 0)
		job->reply.redirect[0] = '\0';
	if (code == CURLE_OK && status > 0)
		return 0;
	if (job->too_large)
		return err_set(err, CL_TOO_LARGE, "%s: the reply is larger than %zu bytes", where,
		    job->reply.body.max);
	if (job->aborted)
		return err_set(err, CL_FAILED, "%s: interrupted", where);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return err_set(err, CL_TIMEOUT, "%s: no answer in time", where);
	return err_set(err, CL_UNAVAILABLE, "%s: %s", where, why);
}

static void clear(struct fetch_job *job)
{
	if (job->req.pool)
		pool_put(job->req.pool, job->easy);
	else
		curl_easy_cleanup(job->easy);
	curl_slist_free_all(job->headers);
	curl_slist_free_all(job->resolve);
	buf_clear(&job->reply.body);
	job->easy = NULL;
	job->headers = job->resolve = NULL;
}

int fetch_run(const struct fetch_request *req, struct fetch_reply *reply, struct cl_err *err)
{
	struct fetch_job job;
	int rc;

	init(&job, req);
	rc = finish(&job, curl_easy_perform(job.easy), err);
	*reply = job.reply;
	buf_init(&job.reply.body, 0);
	if (rc < 0)
		buf_clear(&reply->body);
	clear(&job);
	return rc;
}

/* curl asks for a socket: keep a second descriptor of it, which outlives curl's. */
static curl_socket_t open_socket_cb(void *arg, curlsocktype purpose, struct curl_sockaddr *sa)
{
	int *kept = arg;
	int fd = socket(sa->family, sa->socktype | SOCK_CLOEXEC, sa->protocol);

	if (fd < 0)
		return CURL_SOCKET_BAD;
	if (*kept >= 0)
		close(*kept);
	*kept = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return fd;
}

/* Run until the reply is whole, or its headers are and promise a stream. */
static CURLcode run_upgrade(struct fetch_job *job, CURLM *multi, int *status)
{
	CURLMsg *msg;
	int running = 1, left;
	long code;

	while (running) {
		if (curl_multi_perform(multi, &running) != CURLM_OK)
			return CURLE_FAILED_INIT;
		curl_easy_getinfo(job->easy, CURLINFO_RESPONSE_CODE, &code);
		*status = (int)code;
		if (job->headers_done && (code == 101 || code == 200))
			return CURLE_OK;
		if (running)
			curl_multi_poll(multi, NULL, 0, 1000, NULL);
	}
	msg = curl_multi_info_read(multi, &left);
	return msg && msg->msg == CURLMSG_DONE ? msg->data.result : CURLE_RECV_ERROR;
}

int fetch_upgrade(const struct fetch_request *req, struct buf *early, int *status,
    struct cl_err *err)
{
	struct fetch_request own = *req;
	struct fetch_job job;
	int fd = -1, rc;
	CURLcode code;
	CURLM *multi;

	*status = 0;
	own.pool = NULL; /* the connection leaves curl */
	init(&job, &own);
	multi = curl_multi_init();
	if (!multi)
		log_fatal("libcurl: out of memory");
	SET(&job, OPENSOCKETFUNCTION, open_socket_cb);
	SET(&job, OPENSOCKETDATA, &fd);
	SET(&job, FORBID_REUSE, 1L);
	curl_multi_add_handle(multi, job.easy);
	code = run_upgrade(&job, multi, status);
	rc = finish(&job, code, err);
	curl_multi_remove_handle(multi, job.easy);
	if (rc == 0 && *status != 101 && *status != 200)
		rc = err_set(err, *status == 404 ? CL_NOT_FOUND : CL_FAILED, "%s",
		    job.reply.body.len ? job.reply.body.data : "the server refused the upgrade");
	if (rc == 0 && job.reply.body.len)
		rc = buf_add(early, job.reply.body.data, job.reply.body.len) < 0
		    ? err_set(err, CL_TOO_LARGE, "upgrade: more came than fits") : 0;
	clear(&job);
	curl_multi_cleanup(multi);
	if (rc == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}
