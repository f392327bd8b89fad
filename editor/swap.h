/*
 * The swap journal: unsaved edits, written beside (never into) the project, so that a session that
 * is killed at any moment loses no more than its last fraction of a second.
 *
 *      header   magic, tree, name, identity of the file on disk           } each followed by a
 *      record   snapshot of a small text after its first edit, or         } checksum that chains
 *      record   edit: position, bytes deleted, bytes inserted; ...        } from the one before
 *
 * A torn tail ends the replay at the last whole record.  The journal is locked while its session
 * lives: a journal that can be locked is what a dead one left.  One directory holds the journals
 * of one user; files are 0600.  A journal has a ceiling: past it, no more is recorded and
 * swap_full() says so.
 */
#ifndef EDITOR_SWAP_H
#define EDITOR_SWAP_H

#include <stdbool.h>
#include "base/err.h"
#include "editor/file.h"

#define SWAP_MAX ((size_t)32 << 20)         /* bytes of a journal */
#define SWAP_SNAPSHOT_MAX ((size_t)1 << 20) /* larger texts are journalled without snapshot */
#define SWAP_SLOTS 4                        /* sessions that may edit one file */

struct swap;
enum swap_found { SWAP_NONE, SWAP_DEAD, SWAP_ALIVE };

/* Is there a journal for this file that a dead session left, or that another one is writing? */
enum swap_found swap_find(int dir, const struct file *f);
/* Replay the dead journal into the text, as one undo step.  CL_CONFLICT when the file on disk is
 * not the one it belongs to (only for texts too large for a snapshot). */
int swap_recover(int dir, struct file *f, int64_t now_ms, struct cl_err *err);
void swap_discard(int dir, const struct file *f); /* remove the dead journals of this file */

/* Record the edits of f->text from now on; nothing is written before the first.  dir and f are
 * borrowed and must outlive it. */
struct swap *swap_new(int dir, struct file *f);
/* Write what is pending; call some 200 ms after an edit.  -1: could not be written (full disk). */
int swap_write(struct swap *s, struct cl_err *err);
bool swap_pending(const struct swap *s);
/* A descriptor to fdatasync() about once a second, or -1; it stays the swap's. */
int swap_fd(const struct swap *s);
bool swap_full(const struct swap *s);
/* The text was saved: the journal is removed, and begins anew with the next edit. */
void swap_saved(struct swap *s);
/* f->text was replaced by another object (file_reload with *fresh). */
void swap_renew(struct swap *s);
void swap_free(struct swap *s, bool keep); /* keep: leave the journal on disk */

/* Names of all files beneath the tree `root` that have a dead journal, sorted by nothing. */
typedef void swap_list_cb(void *arg, const char *name);
void swap_list(int dir, int root, swap_list_cb *cb, void *arg);

#endif
