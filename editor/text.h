/*
 * The text being edited: a chain of pieces over bytes that never change.  An edit replaces a run
 * of pieces (old span) by another (new span); undo swaps them back.  Nothing is copied or moved.
 *
 *      original   "one three\n"          added   "two "
 *
 *      chain      [orig 0..4 "one "] [added 0..4 "two "] [orig 4..10 "three\n"]
 *      change     old: [orig 0..10]   new: the three pieces above
 *
 * Positions are byte offsets, 0..text_len().  The text is bytes: invalid UTF-8 is kept as it is.
 * One thread.  Pointers to bytes are borrowed until the next text_* call.
 */
#ifndef EDITOR_TEXT_H
#define EDITOR_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "editor/source.h"

#define TEXT_ADD_MAX ((size_t)256 << 20) /* bytes that may be typed or pasted into one text */
#define TEXT_STEP_MS 1000                /* a longer pause starts a new undo step */

enum text_kind {
	TEXT_TYPE,  /* characters typed one after the other: one step */
	TEXT_ERASE, /* Backspace or Delete, repeated: one step */
	TEXT_OTHER, /* paste, cut, replace: a step of its own */
};

struct text;
/* After a change: `del` bytes at pos went, `ins` bytes are there instead. */
typedef void text_change_cb(void *arg, size_t pos, size_t del, size_t ins);

struct text *text_new(struct source *original); /* owns original */
void text_free(struct text *t);
struct source *text_source(struct text *t);
size_t text_len(const struct text *t);
uint64_t text_version(const struct text *t);     /* another number after each change */
bool text_lost(const struct text *t);            /* as source_lost() */
void text_limit(struct text *t, size_t add_max); /* instead of TEXT_ADD_MAX */
/* Up to 4 listeners, for the whole life of the text or until text_unlisten(). */
void text_listen(struct text *t, text_change_cb *cb, void *arg);
void text_unlisten(struct text *t, text_change_cb *cb, void *arg);

/* Editing.  text_step() comes before the edits of one action and decides whether they start an
 * undo step of their own; edits without it join the open step. */
void text_step(struct text *t, enum text_kind kind, int64_t now_ms);
int text_insert(struct text *t, size_t pos, const void *data, size_t n, struct cl_err *err);
int text_delete(struct text *t, size_t pos, size_t n, struct cl_err *err);
/* One step back or forward: true if there was one; *pos gets where the cursor should go. */
bool text_undo(struct text *t, size_t *pos);
bool text_redo(struct text *t, size_t *pos);
bool text_modified(const struct text *t); /* since text_set_saved() or the beginning */
void text_set_saved(struct text *t);
void text_set_unsaved(struct text *t); /* modified, whatever undo does */

/* Reading: bytes that lie together from pos on, or that end before pos; 0 at the end. */
size_t text_span(struct text *t, size_t pos, const char **data);
size_t text_span_back(struct text *t, size_t pos, const char **data);
size_t text_copy(struct text *t, size_t pos, char *out, size_t n);  /* bytes copied */
char *text_take(struct text *t, size_t pos, size_t n, size_t *len); /* heap, NUL-terminated */

/* Marks move with the text.  after: an insertion right at the mark pushes it along. */
int text_mark_add(struct text *t, size_t pos, bool after);
size_t text_mark(const struct text *t, int mark);
void text_mark_set(struct text *t, int mark, size_t pos);
void text_mark_remove(struct text *t, int mark);

#endif
