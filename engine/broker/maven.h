/*
 * Maven for image builds: the option images.maven_repositories, a list of URLs (https://, http://)
 * and folders of this machine (file:///FOLDER), as what a build context gets for it:
 *
 *   maven/settings.xml     every repository, in the option's order, before Maven's own
 *   maven/N/...            the N-th repository's files, when it is a folder
 *
 * In the image they lie at /usr/share/codinglab/maven, which the settings name for the folders.
 */
#ifndef ENGINE_BROKER_MAVEN_H
#define ENGINE_BROKER_MAVEN_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"
#include "engine/broker/pack.h"

#define MAVEN_MAX 16 /* repositories */
#define MAVEN_URL 512

struct maven {
	struct pack_item items[MAVEN_MAX + 1]; /* for pack_folder(); what they point at is ours */
	size_t n;
	char *settings;
	char names[MAVEN_MAX][16];
	char dirs[MAVEN_MAX][MAVEN_URL];
};

/* From the option's text (commas or blanks between; "" = Maven's own repositories only).  On
 * failure nothing is held; the error names what stands there wrongly. */
int maven_init(struct maven *m, const char *list, struct cl_err *err);
void maven_clear(struct maven *m);
/* Does this recipe take Maven's settings (a line "COPY maven/ ...")? */
bool maven_is_wanted(const char *recipe);

#endif
