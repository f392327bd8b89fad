/*
 * The package proxy: a squid that opens TLS to package registries with an authority of this lab's
 * own, keeps what it fetches, and lets nothing else through.
 *
 *   container ── unix socket ── edge ──┬─ proxy.port      dev: registries from the cache, any other
 *                                      │                  public host passed through unread
 *                                      └─ proxy.port + 1  build: registries only
 *
 * Package files never change under their name and are kept for a year; what lists them is asked for
 * anew each time, and served stale when its registry does not answer.
 */
#include "engine/proxy_config.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/config.h"
#include "base/fetch_url.h"
#include "base/mem.h"

/* Nothing of the machine, its networks, or what a cloud answers to its machines only. */
static const char inside[] =
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24"
    " 192.168.0.0/16 198.18.0.0/15 224.0.0.0/3 ::/127 64:ff9b::/96 fc00::/7 fe80::/10 ff00::/8";

static void write_ports(FILE *f)
{
	static const char *const names[] = {"dev", "build"};
	const char *dir = config_str("proxy.dir");
	int port = (int)config_int("proxy.port");
	struct stat st;

	for (int i = 0; i < 2; i++)
		fprintf(f,
		    "http_port 127.0.0.1:%d name=%s ssl-bump tls-cert=%s/ca/ca.pem tls-key=%s/ca/key.pem"
		    " generate-host-certificates=on dynamic_cert_mem_cache_size=2MB\n",
		    port + i, names[i], dir, dir);
	fprintf(f,
	    "sslcrtd_program /usr/lib/squid/security_file_certgen -s %s/certs/db -M 4MB\n"
	    "sslcrtd_children 4 startup=1 idle=1\n"
	    "tls_outgoing_options min-version=1.2",
	    dir);
	if (stat(config_str("trust.bundle"), &st) == 0)
		fprintf(f, " cafile=%s", config_str("trust.bundle"));
	fprintf(f, "\n");
}

/* A host name, or a domain with a dot before it. */
static bool host_valid(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '.' && s[i] != '-')
			return false;
	return n > 0 && n < 254 && s[n - 1] != '.' && isalnum((unsigned char)s[n - 1]);
}

/* "acl NAME dstdomain HOST" for each of a list with commas.  Returns how many; names that are none are left
 * out, or with strict refused by -1. */
static int write_hosts(FILE *f, const char *name, const char *list, bool strict, struct cl_err *err)
{
	cl_autofree char *copy = mem_strdup(list);
	char *rest = copy, *host;
	int n = 0;

	while ((host = strsep(&rest, ", ")) != NULL) {
		if (host[0] && host_valid(host)) {
			fprintf(f, "acl %s dstdomain %s\n", name, host); /* lines of one name add up */
			n++;
		} else if (host[0] && strict) {
			return err_set(err, CL_USAGE, "build.registries: %.100s: not a host name", host);
		}
	}
	return n;
}

static int write_rules(FILE *f, struct cl_err *err)
{
	int extra;

	fprintf(f,
	    "external_acl_type learned ttl=10 negative_ttl=1 children-max=4 children-startup=1"
	    " children-idle=1 %%DST %s/images/proxy/registry-known %s/registries\n"
	    "acl stacks external learned\n",
	    config_str("share.dir"), config_str("proxy.dir"));
	extra = write_hosts(f, "extra", config_str("build.registries"), true, err);
	if (extra < 0)
		return -1;
	fprintf(f,
	    "acl registry any-of stacks%s\n"
	    "acl inside dst %s\n"
	    "acl web_port port 80 443\n"
	    "acl tls_port port 443\n"
	    "acl build myportname build\n"
	    "acl CONNECT method CONNECT\n"
	    "acl read method GET HEAD\n"
	    "acl audit_path urlpath_regex ^/-/npm/v1/security/\n"
	    "acl POST method POST\n",
	    extra ? " extra" : "", inside);
	return 0;
}

static void write_access(FILE *f)
{
	fprintf(f,
	    "http_access deny !web_port\n"
	    "http_access deny CONNECT !tls_port\n"
	    "http_access deny inside\n"
	    "http_access deny build !registry\n"
	    "http_access allow !build\n"
	    "http_access allow CONNECT\n"
	    "http_access allow read\n"
	    "http_access allow POST audit_path\n"
	    "http_access deny all\n"
	    "ssl_bump bump registry\n"
	    "ssl_bump splice all\n");
}

static void write_cache(FILE *f)
{
	fprintf(f,
	    "cache_dir aufs %s/cache %d 16 64\n"
	    "cache_mem 16 MB\n"
	    "maximum_object_size 1 GB\n"
	    "maximum_object_size_in_memory 64 KB\n"
	    "collapsed_forwarding on\n"
	    "max_stale 4 weeks\n"
	    "cache deny !registry\n"
	    "refresh_pattern -i (maven-metadata\\.xml|-SNAPSHOT|/@v/list|/dists/|specs\\.4\\.8) 0 0%% 0\n"
	    "refresh_pattern -i \\.(whl|gz|tgz|bz2|xz|zst|zip|jar|war|pom|aar|mod|info|gem|crate|deb|rpm"
	    "|phar|sha1|sha256|sha512|md5|asc|module|metadata)(\\?.*)?$ 525600 100%% 525600"
	    " override-expire override-lastmod ignore-reload ignore-no-store ignore-private\n"
	    "refresh_pattern /legacy\\.(zip|tar\\.gz)/[0-9a-f]{40}$ 525600 100%% 525600" /* composer's */
	    " override-expire override-lastmod ignore-reload ignore-no-store ignore-private\n"
	    "refresh_pattern . 0 0%% 0\n",
	    config_str("proxy.dir"), (int)config_int("proxy.cache_mb"));
}

static void write_rest(FILE *f)
{
	const char *dir = config_str("proxy.dir");

	fprintf(f,
	    "pid_filename none\n"
	    "cache_log %s/log/cache.log\n"
	    "acl refused http_status 400-599\n"
	    "access_log stdio:%s/log/refused.log refused\n"
	    "cache_store_log none\n"
	    "logfile_rotate 0\n"
	    "error_directory %s/errors\n"
	    "err_page_stylesheet none\n"
	    "pinger_enable off\n"
	    "icp_port 0\n"
	    "via off\n"
	    "forwarded_for delete\n"
	    "httpd_suppress_version_string on\n"
	    "visible_hostname codinglab\n"
	    "shutdown_lifetime 1 second\n"
	    "max_filedescriptors 4096\n"
	    "coredump_dir none\n"
	    "netdb_filename none\n",
	    dir, dir, dir);
}

static const char *environment(const char *upper, const char *lower)
{
	const char *s = getenv(upper);

	if (!s || !s[0])
		s = getenv(lower);
	return s ? s : "";
}

/* The machine's own way out.  One proxy serves both schemes: squid asks it to CONNECT for TLS. */
static int write_parent(FILE *f, struct cl_err *err)
{
	const char *text = environment("HTTPS_PROXY", "https_proxy");
	const char *except = environment("NO_PROXY", "no_proxy");
	struct fetch_url u;

	if (!text[0])
		text = environment("HTTP_PROXY", "http_proxy");
	if (!text[0])
		return 0;
	if (fetch_url_read(text, &u, err) < 0 || !host_valid(u.host) || strpbrk(u.user, " \t\r\n\"") ||
	    strpbrk(u.password, " \t\r\n\"")) {
		err_clear(err);
		err_set(err, CL_USAGE, "HTTPS_PROXY: not a proxy's URL that can be used");
		return err_hint(err, "http://[USER:PASSWORD@]HOST:PORT");
	}
	fprintf(f, "cache_peer %s parent %d 0 no-query no-digest default", u.host, u.port);
	if (u.user[0])
		fprintf(f, " login=%s:%s", u.user, u.password);
	if (strcmp(u.scheme, "https") == 0)
		fprintf(f, " tls");
	fprintf(f, "\n");
	if (write_hosts(f, "direct", except, false, err) > 0)
		fprintf(f, "always_direct allow direct\n");
	fprintf(f, "never_direct allow all\n");
	return 0;
}

int proxy_config_write(FILE *f, struct cl_err *err)
{
	fprintf(f, "# Written by the engine; do not edit.\n");
	write_ports(f);
	if (write_rules(f, err) < 0 || write_parent(f, err) < 0)
		return -1;
	write_access(f);
	write_cache(f);
	write_rest(f);
	return ferror(f) ? err_set(err, CL_FAILED, "proxy: writing the configuration") : 0;
}
