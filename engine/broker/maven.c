/* The settings of Maven in images: see maven.h. */
#include "engine/broker/maven.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"

#define OPTION "images.maven_repositories"
#define SETTINGS_MAX (64u << 10)
#define FOLDER "file://"
#define IN_IMAGE "file:///usr/share/codinglab/maven/"

static bool starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* URLs go into XML as they are: nothing in them may mean anything there, or to Maven (${...}). */
static bool is_plain(const char *s)
{
	return s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			   "-._~:/?#[]@!()*+;=%")] == '\0';
}

static int check_url(const char *url, struct cl_err *err)
{
	if (starts(url, "https://") || starts(url, "http://"))
		return is_plain(url) ? 0
		    : err_set(err, CL_USAGE, OPTION ": %s: a sign that no repository's URL has", url);
	if (starts(url, FOLDER "/"))
		return 0;
	return err_set(err, CL_USAGE,
	    OPTION ": %s: neither https://, http:// nor file:///FOLDER", url);
}

static int add_folder(struct maven *m, size_t number, const char *path, struct cl_err *err)
{
	struct stat st;
	size_t i = m->n - 1;

	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(err, CL_PRECONDITION,
		    OPTION ": %s: there is no such folder on this machine", path);
	snprintf(m->names[i], sizeof(m->names[i]), "maven/%zu", number);
	snprintf(m->dirs[i], sizeof(m->dirs[i]), "%s", path);
	m->items[m->n++] = (struct pack_item){.name = m->names[i], .dir = m->dirs[i]};
	return 0;
}

static void add_repository(struct buf *out, const char *tag, size_t number, const char *url)
{
	cl_autofree char *text = mem_printf(
	    "\t\t\t\t<%s>\n\t\t\t\t\t<id>codinglab-%zu</id>\n\t\t\t\t\t<url>%s</url>\n"
	    "\t\t\t\t\t<snapshots><enabled>false</enabled></snapshots>\n\t\t\t\t</%s>\n",
	    tag, number, url, tag);

	buf_add_str(out, text);
}

static void add_all(struct buf *out, const char *tag, char urls[][MAVEN_URL], size_t n)
{
	buf_add_str(out, "\t\t\t<");
	buf_add_str(out, strcmp(tag, "repository") == 0 ? "repositories" : "pluginRepositories");
	buf_add_str(out, ">\n");
	for (size_t i = 0; i < n; i++)
		add_repository(out, tag, i + 1, urls[i]);
	buf_add_str(out, "\t\t\t</");
	buf_add_str(out, strcmp(tag, "repository") == 0 ? "repositories" : "pluginRepositories");
	buf_add_str(out, ">\n");
}

/* Maven refuses plain HTTP; the operator's word counts for the repositories that say it. */
static void add_blocker(struct buf *out, char urls[][MAVEN_URL], size_t n)
{
	char name[32];

	buf_add_str(out, "\t<mirrors>\n\t\t<mirror>\n\t\t\t<id>no-plain-http</id>\n"
			 "\t\t\t<mirrorOf>external:http:*");
	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), ",!codinglab-%zu", i + 1);
		if (starts(urls[i], "http://"))
			buf_add_str(out, name);
	}
	buf_add_str(out, "</mirrorOf>\n\t\t\t<url>http://0.0.0.0/</url>\n"
			 "\t\t\t<blocked>true</blocked>\n\t\t</mirror>\n\t</mirrors>\n");
}

static char *make_settings(char urls[][MAVEN_URL], size_t n)
{
	struct buf out;
	char *text;

	buf_init(&out, SETTINGS_MAX);
	buf_add_str(&out,
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	    "<!-- From the option " OPTION "; your own settings: ~/.m2/settings.xml. -->\n"
	    "<settings>\n");
	add_blocker(&out, urls, n);
	if (n) {
		buf_add_str(&out, "\t<profiles>\n\t\t<profile>\n\t\t\t<id>codinglab</id>\n");
		add_all(&out, "repository", urls, n);
		add_all(&out, "pluginRepository", urls, n);
		buf_add_str(&out, "\t\t</profile>\n\t</profiles>\n\t<activeProfiles>\n"
				  "\t\t<activeProfile>codinglab</activeProfile>\n\t</activeProfiles>\n");
	}
	buf_add_str(&out, "</settings>\n");
	text = mem_strndup(out.data, out.len);
	buf_clear(&out);
	return text;
}

/* One repository of the list: urls[*n], and its folder into the context. */
static int take(struct maven *m, const char *url, size_t len, char urls[][MAVEN_URL], size_t *n,
    struct cl_err *err)
{
	char *slot = urls[*n];

	if (len >= MAVEN_URL || *n == MAVEN_MAX)
		return err_set(err, CL_USAGE, OPTION ": at most %d of at most %d bytes", MAVEN_MAX,
		    MAVEN_URL - 1);
	snprintf(slot, MAVEN_URL, "%.*s", (int)len, url);
	if (check_url(slot, err) < 0)
		return -1;
	if (starts(slot, FOLDER)) {
		if (add_folder(m, *n + 1, slot + strlen(FOLDER), err) < 0)
			return -1;
		snprintf(slot, MAVEN_URL, IN_IMAGE "%zu", *n + 1);
	}
	(*n)++;
	return 0;
}

int maven_init(struct maven *m, const char *list, struct cl_err *err)
{
	char urls[MAVEN_MAX + 1][MAVEN_URL];
	size_t n = 0, len;

	memset(m, 0, sizeof(*m));
	m->items[m->n++].name = "maven/settings.xml";
	for (list += strspn(list, ", \t"); *list; list += strspn(list, ", \t")) {
		len = strcspn(list, ", \t");
		if (take(m, list, len, urls, &n, err) < 0)
			return -1;
		list += len;
	}
	m->settings = make_settings(urls, n);
	m->items[0].text = m->settings;
	return 0;
}

void maven_clear(struct maven *m)
{
	mem_free(m->settings);
	m->settings = NULL;
	m->n = 0;
}

bool maven_is_wanted(const char *recipe)
{
	return strstr(recipe, "\nCOPY maven/ ") != NULL;
}
