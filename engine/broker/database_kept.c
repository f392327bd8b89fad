/* Dumps that came with a restore: see database.h. */
#include "engine/broker/database_kept.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void kept_path(const struct broker *b, const char *volume, char out[PLACE_PATH])
{
	snprintf(out, PLACE_PATH, "%s/" DATABASE_KEPT "/%s.sql", b->place.state, volume);
}

void database_kept_give(const struct broker *b, const struct spec *s, json_t *body)
{
	char path[PLACE_PATH];
	struct stat st;

	for (size_t i = 0; i < s->nmounts && strcmp(s->tier, "db") == 0; i++) {
		if (s->mounts[i].kind != BROKER_MOUNT_VOLUME)
			continue;
		kept_path(b, s->mounts[i].source, path);
		if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode) || lchown(path, s->uid, s->gid) < 0)
			continue;
		json_array_append_new(json_object_get(json_object_get(body, "HostConfig"), "Mounts"),
		    json_pack("{s:s, s:s, s:s, s:b}", "Type", "bind", "Source", path, "Target", DATABASE_FILE,
		    "ReadOnly", 1));
	}
}

void database_kept_forget(const struct broker *b, const char *volume)
{
	char path[PLACE_PATH];

	kept_path(b, volume, path);
	unlink(path);
}
