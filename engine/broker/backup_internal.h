/* Between backup.c and backup_read.c. */
#ifndef ENGINE_BROKER_BACKUP_INTERNAL_H
#define ENGINE_BROKER_BACKUP_INTERNAL_H

#include <stdint.h>

#include "engine/broker/tarball.h"
#include "engine/broker/tree.h"

#define BACKUP_FORMAT 1
#define BACKUP_HEAD "codinglab-backup"
#define BACKUP_END "codinglab-end"
#define BACKUP_COPY "codinglab.db" /* before its folder */

/* Accounts whose numbers differ from machine to machine; ends with NULL. */
extern const char *const backup_accounts[];

struct backup_sum {
	struct tree_digest digest;
	int64_t entries;
};
/* An entry's head; its bytes follow by tree_digest_add(). */
void backup_sum_entry(struct backup_sum *s, const struct tarball_entry *e);

#endif
