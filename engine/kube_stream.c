/*
 * WebSockets of executions: see kube_stream.h.
 *
 * libwebsockets keeps certificates with a virtual host: there is one for each identity that we had, made
 * when it is first used.  Its TLS context is made here, for the library reads one certificate only where
 * a kubeconfig may hold a chain or several authorities.
 */
#include "engine/kube_stream.h"

#include <libwebsockets.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "engine/kube_frame.h"

#define PIECE 65536
#define PING_S 20
#define LOST_S 45
#define SEND_MAX (8u << 20)

struct identity {
	struct identity *next;
	struct lws_vhost *vhost;
	SSL_CTX *tls;
	char *ca, *cert, *key;   /* as they were given, to know it again */
};

struct kube_streams {
	struct lws_context *context;
	uv_loop_t *loop;
	struct identity *identities;
	unsigned made;
};

struct message {
	struct message *next;
	size_t len;              /* with the channel */
	unsigned char data[];    /* LWS_PRE bytes before */
};

struct kube_stream {
	struct kube_streams *all;
	struct lws *wsi;         /* NULL: over */
	struct kube_stream_hooks hooks;
	void *arg;
	char *header;
	struct message *first, **last;
	size_t waiting;
	int channel;             /* of the message being read; -1: its first byte is to come */
	bool opening;            /* within kube_stream_open() */
	struct cl_err why;
};

static int stream_cb(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
    size_t len);

static const struct lws_protocols protocols[] = {
	{ .name = "v4.channel.k8s.io", .callback = stream_cb, .rx_buffer_size = PIECE },
	{ .name = "v5.channel.k8s.io", .callback = stream_cb, .rx_buffer_size = PIECE },
	{ 0 },
};

static const lws_retry_bo_t idle = { .secs_since_valid_ping = PING_S,
	.secs_since_valid_hangup = LOST_S };

/* --- the library ------------------------------------------------------------------------------ */

static void info_begin(struct lws_context_creation_info *info, void **loops)
{
	memset(info, 0, sizeof(*info));
	info->port = CONTEXT_PORT_NO_LISTEN;
	info->options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
	    LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
	info->protocols = protocols;
	info->foreign_loops = loops;
	info->gid = (gid_t)-1;
	info->uid = (uid_t)-1;
	info->max_http_header_data = 16384;
	info->pt_serv_buf_size = 2 * PIECE;
	info->timeout_secs = 15;
}

struct kube_streams *kube_stream_begin(uv_loop_t *loop, struct cl_err *err)
{
	struct kube_streams *l = mem_alloc(sizeof(*l));
	struct lws_context_creation_info info;
	void *loops[1] = { loop };

	info_begin(&info, loops);
	lws_set_log_level(0, NULL);
	l->loop = loop;
	l->context = lws_create_context(&info);
	if (l->context)
		return l;
	mem_free(l);
	err_set(err, CL_FAILED, "execution: libwebsockets did not start");
	return NULL;
}

void kube_stream_end(struct kube_streams *l)
{
	struct identity *next;

	if (!l)
		return;
	lws_context_destroy(l->context);
	for (struct identity *i = l->identities; i; i = next) {
		next = i->next;
		SSL_CTX_free(i->tls);
		mem_free(i->ca);
		mem_free(i->cert);
		if (i->key)
			mem_wipe(i->key, strlen(i->key));
		mem_free(i->key);
		mem_free(i);
	}
	mem_free(l);
}

/* --- TLS -------------------------------------------------------------------------------------- */

static int trust(SSL_CTX *tls, const char *pem)
{
	BIO *b = BIO_new_mem_buf(pem, (int)strlen(pem));
	X509_STORE *store = SSL_CTX_get_cert_store(tls);
	X509 *c;
	int n = 0;

	while (b && (c = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL) {
		n += X509_STORE_add_cert(store, c);
		X509_free(c);
	}
	BIO_free(b);
	return n;
}

static int present(SSL_CTX *tls, const char *cert, const char *key)
{
	BIO *b = BIO_new_mem_buf(cert, (int)strlen(cert)), *k = BIO_new_mem_buf(key, (int)strlen(key));
	EVP_PKEY *p = PEM_read_bio_PrivateKey(k, NULL, NULL, NULL);
	X509 *c = PEM_read_bio_X509(b, NULL, NULL, NULL);
	bool good = c && p && SSL_CTX_use_certificate(tls, c) == 1 && SSL_CTX_use_PrivateKey(tls, p) == 1;

	X509_free(c);
	while (good && (c = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL)
		if (SSL_CTX_add_extra_chain_cert(tls, c) != 1)
			X509_free(c);
	EVP_PKEY_free(p);
	BIO_free(b);
	BIO_free(k);
	return good;
}

static SSL_CTX *tls_new(const struct kube_api_who *who, struct cl_err *err)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
	bool good = tls && SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) == 1;

	if (good)
		SSL_CTX_set_verify(tls, who->any_server ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	if (good && who->ca)
		good = trust(tls, who->ca) > 0;
	else if (good)
		good = SSL_CTX_set_default_verify_paths(tls) == 1;
	if (good && who->cert)
		good = present(tls, who->cert, who->key);
	if (good)
		return tls;
	SSL_CTX_free(tls);
	err_set(err, CL_FAILED, "execution: the cluster's certificates or ours cannot be used");
	return NULL;
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static struct identity *identity_of(struct kube_streams *l, const struct kube_api_who *who,
    struct cl_err *err)
{
	struct lws_context_creation_info info;
	void *loops[1] = { l->loop };
	struct identity *i;
	char name[32];
	SSL_CTX *tls;

	for (i = l->identities; i; i = i->next)
		if (same(i->ca, who->ca) && same(i->cert, who->cert) && same(i->key, who->key))
			return i;
	tls = tls_new(who, err);
	if (!tls)
		return NULL;
	info_begin(&info, loops);
	(void)snprintf(name, sizeof(name), "cluster-%u", l->made++);
	info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
	info.vhost_name = name;
	info.provided_client_ssl_ctx = tls;
	i = mem_alloc(sizeof(*i));
	i->tls = tls;
	i->vhost = lws_create_vhost(l->context, &info);
	i->ca = mem_strdup(who->ca);
	i->cert = mem_strdup(who->cert);
	i->key = mem_strdup(who->key);
	i->next = l->identities;
	l->identities = i;
	if (!i->vhost)
		err_set(err, CL_FAILED, "execution: libwebsockets made no virtual host");
	return i->vhost ? i : NULL;
}

/* --- one connection --------------------------------------------------------------------------- */

/* "https://HOST:PORT" or "http://...", HOST maybe in brackets. */
static int split_server(const char *server, char *host, size_t size, int *port, bool *tls)
{
	const char *at = strstr(server, "://"), *end;

	if (!at)
		return -1;
	*tls = strncmp(server, "https", 5) == 0;
	at += 3;
	end = *at == '[' ? strchr(at, ']') : at + strcspn(at, ":/");
	if (!end)
		return -1;
	at += *at == '[';
	if ((size_t)snprintf(host, size, "%.*s", (int)(end - at), at) >= size)
		return -1;
	end += *end == ']';
	*port = *end == ':' ? (int)strtol(end + 1, NULL, 10) : *tls ? 443 : 80;
	return *port > 0 && *port < 65536 ? 0 : -1;
}

static struct lws *connect_to(struct kube_stream *s, const struct kube_api_who *who, const char *path,
    struct cl_err *err)
{
	struct identity *id = identity_of(s->all, who, err);
	struct lws_client_connect_info i = { .context = s->all->context, .path = path,
		.protocol = KUBE_FRAME_PROTOCOLS, .ietf_version_or_minus_one = -1, .userdata = s,
		.pwsi = &s->wsi, .alpn = "http/1.1", .retry_and_idle_policy = &idle };
	char host[256];
	bool tls;

	if (!id)
		return NULL;
	if (split_server(who->server, host, sizeof(host), &i.port, &tls) != 0) {
		err_set(err, CL_USAGE, "execution: %.100s is no address of a cluster", who->server);
		return NULL;
	}
	i.vhost = id->vhost;
	i.address = host;
	i.host = host; /* its name is checked against the certificate */
	if (tls)
		i.ssl_connection = LCCSCF_USE_SSL | (who->any_server ? LCCSCF_ALLOW_SELFSIGNED |
		    LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK | LCCSCF_ALLOW_INSECURE : 0);
	return lws_client_connect_via_info(&i);
}

struct kube_stream *kube_stream_open(struct kube_streams *l, const struct kube_api_who *who,
    const char *path, const struct kube_stream_hooks *hooks, void *arg, struct cl_err *err)
{
	struct kube_stream *s = mem_alloc(sizeof(*s));

	s->all = l;
	s->hooks = *hooks;
	s->arg = arg;
	s->last = &s->first;
	s->channel = -1;
	s->header = mem_strdup(who->header ? strchr(who->header, ' ') + 1 : NULL);
	s->opening = true;
	if (connect_to(s, who, path, err) && s->wsi && s->why.code == CL_OK) {
		s->opening = false;
		return s;
	}
	if (s->why.code != CL_OK && err->code == CL_OK)
		*err = s->why;
	err_set(err, CL_UNAVAILABLE, "execution: the cluster cannot be reached");
	kube_stream_close(s);
	return NULL;
}

void kube_stream_send(struct kube_stream *s, int channel, const void *p, size_t n)
{
	struct message *m;

	if (!s->wsi || s->waiting + n > SEND_MAX)
		return;
	m = mem_alloc(sizeof(*m) + LWS_PRE + 1 + n);
	m->len = n + 1;
	m->data[LWS_PRE] = (unsigned char)channel;
	if (n > 0)
		memcpy(m->data + LWS_PRE + 1, p, n);
	*s->last = m;
	s->last = &m->next;
	s->waiting += n;
	lws_callback_on_writable(s->wsi);
}

size_t kube_stream_waiting(const struct kube_stream *s)
{
	return s->waiting;
}

void kube_stream_hold(struct kube_stream *s, bool held)
{
	if (s->wsi)
		(void)lws_rx_flow_control(s->wsi, held ? 0 : 1);
}

void kube_stream_close(struct kube_stream *s)
{
	struct message *next;

	if (!s)
		return;
	if (s->wsi) {
		lws_set_wsi_user(s->wsi, NULL);
		lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
	}
	for (struct message *m = s->first; m; m = next) {
		next = m->next;
		mem_free(m);
	}
	if (s->header)
		mem_wipe(s->header, strlen(s->header));
	mem_free(s->header);
	mem_free(s);
}

/* --- what the library tells ------------------------------------------------------------------- */

static void over(struct kube_stream *s, struct lws *wsi, const char *why, size_t len)
{
	lws_set_wsi_user(wsi, NULL);
	s->wsi = NULL;
	err_set(&s->why, CL_UNAVAILABLE, "execution: the connection to the pod was cut%s%.*s",
	    len ? ": " : "", (int)len, why ? why : "");
	if (!s->opening)
		s->hooks.closed(s->arg, &s->why);
}

static int send_one(struct kube_stream *s)
{
	struct message *m = s->first;
	bool last;

	if (!m)
		return 0;
	if (lws_write(s->wsi, m->data + LWS_PRE, m->len, LWS_WRITE_BINARY) < (int)m->len)
		return -1;
	s->first = m->next;
	last = !s->first;
	if (last)
		s->last = &s->first;
	s->waiting -= m->len - 1;
	mem_free(m);
	if (!last)
		lws_callback_on_writable(s->wsi);
	else
		s->hooks.drained(s->arg);
	return 0;
}

static void received(struct kube_stream *s, struct lws *wsi, const char *p, size_t n)
{
	bool final = lws_is_final_fragment(wsi) != 0;

	if (s->channel < 0 && n > 0) {
		s->channel = (unsigned char)p[0];
		p++;
		n--;
	}
	if (n > 0)
		s->hooks.data(s->arg, s->channel, p, n);
	/* the hook may have closed it */
	if (final && lws_wsi_user(wsi))
		s->channel = -1;
}

static int authorize(struct kube_stream *s, struct lws *wsi, void *in, size_t len)
{
	unsigned char **p = in, *end = *p + len;

	if (!s->header)
		return 0;
	return lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_AUTHORIZATION,
	    (unsigned char *)s->header, (int)strlen(s->header), p, end);
}

static int stream_cb(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
    size_t len)
{
	struct kube_stream *s = user;

	/* closed by us, or of the library itself */
	if (!s)
		return reason == LWS_CALLBACK_CLIENT_WRITEABLE || reason == LWS_CALLBACK_CLIENT_RECEIVE ?
		    -1 : 0;
	switch ((int)reason) {
	case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
		return authorize(s, wsi, in, len);
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		s->hooks.opened(s->arg, lws_get_protocol(wsi)->name[1] == '5');
		break;
	case LWS_CALLBACK_CLIENT_RECEIVE:
		received(s, wsi, in, len);
		break;
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		return send_one(s);
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		over(s, wsi, in, in ? len : 0);
		break;
	case LWS_CALLBACK_CLIENT_CLOSED:
	case LWS_CALLBACK_WSI_DESTROY:
		over(s, wsi, NULL, 0);
		break;
	default:
		break;
	}
	return 0;
}
