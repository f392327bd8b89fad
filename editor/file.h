/*
 * A file being edited: its text, what it was on disk, and saving it back.  Bytes that are not
 * understood (invalid UTF-8, CR LF, no newline at the end, a BOM) go back as they came.
 *
 * Saving never destroys: the new content is complete and synced beside the old one before it takes
 * its name; any failure leaves the old file and the text as they were.  A file that changed on
 * disk since it was read is not overwritten unless that is asked for.
 */
#ifndef EDITOR_FILE_H
#define EDITOR_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include "base/err.h"
#include "editor/text.h"

#define FILE_COPY_MAX ((size_t)8 << 20)    /* larger files stay on disk (source.h) */
#define FILE_SIZE_MAX ((uint64_t)16 << 30) /* larger files are refused */

struct file_id { /* what was on disk when it was read or written */
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
	uint64_t hash; /* of the whole content, by the file's key; 0 = not known (large) */
};

struct file {
	int root;          /* borrowed: path_root() of the tree it lives in */
	char *name;        /* owned: beneath root */
	struct text *text; /* owned */
	struct file_id id;
	uint64_t key;
	bool bom;      /* a UTF-8 byte order mark precedes the text */
	bool crlf;     /* its first line ends in CR LF */
	bool binary;   /* holds NUL bytes: shown, never written */
	bool readonly; /* binary, or no right to write */
};

enum file_state { FILE_SAME, FILE_CHANGED, FILE_GONE };

/* Also removes temps that a killed save left beside it. */
struct file *file_open(int root, const char *name, struct cl_err *err);
void file_free(struct file *f);
/* Look at the disk. FILE_SAME also when only time or inode changed but not the bytes (small files).
 */
enum file_state file_check(struct file *f);
/* Blocking.  force: overwrite what others wrote meanwhile; otherwise CL_CONFLICT and *state (may be
 * NULL) says what was found. */
int file_save(struct file *f, bool force, enum file_state *state, struct cl_err *err);
/* Read it again; the text is replaced by one undo step for small files, by a new text for large
 * ones (*fresh is then true: marks and listeners are gone). */
int file_reload(struct file *f, int64_t now_ms, bool *fresh, struct cl_err *err);

#endif
