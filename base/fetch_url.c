/* The parts of a URL, by libcurl's own parser. */
#include "base/fetch_url.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* 0, also for a part that is absent and may be; -1 when it does not fit. */
static int part(CURLU *u, CURLUPart what, unsigned flags, char *out, size_t size)
{
	char *text = NULL;
	CURLUcode code = curl_url_get(u, what, &text, flags);
	int rc = 0;

	out[0] = '\0';
	if (code == CURLUE_OK && text)
		rc = mem_copy_str(out, size, text);
	else if (code == CURLUE_URLDECODE) /* control characters, encoded */
		rc = -1;
	curl_free(text);
	return rc;
}

int fetch_url_read(const char *text, struct fetch_url *out, struct cl_err *err)
{
	char port[8];
	CURLU *u = curl_url();
	int rc = -1;

	memset(out, 0, sizeof(*out));
	if (u && curl_url_set(u, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
	    part(u, CURLUPART_SCHEME, 0, out->scheme, sizeof(out->scheme)) == 0 &&
	    part(u, CURLUPART_HOST, 0, out->host, sizeof(out->host)) == 0 &&
	    part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof(port)) == 0 &&
	    part(u, CURLUPART_USER, CURLU_URLDECODE, out->user, sizeof(out->user)) == 0 &&
	    part(u, CURLUPART_PASSWORD, CURLU_URLDECODE, out->password, sizeof(out->password)) == 0) {
		out->port = (int)strtol(port, NULL, 10);
		rc = out->host[0] ? 0 : -1;
	}
	curl_url_cleanup(u);
	return rc < 0 ? err_set(err, CL_USAGE, "not a URL with a host") : 0;
}
