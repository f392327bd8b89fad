/*
 * The original bytes of a file, never changed by editing.  Small files are copied to the heap.
 * Large ones stay on disk and are read through a few cached blocks, so a program that truncates
 * or rewrites the file meanwhile can neither kill us (there is no mapping to fault on) nor
 * change text silently: each block carries the checksum of its first reading, and a block that
 * cannot be read back as it was is shown as '?' and marks the source lost.
 *
 *      file   |  block 0  |  block 1  |  block 2  | ...     newline count and checksum of each,
 *      cache      [ 1 ][ 7 ][ 0 ] ...                       learned when it is first read
 */
#ifndef EDITOR_SOURCE_H
#define EDITOR_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOURCE_BLOCK 65536 /* bytes */
#define SOURCE_CACHE 64    /* blocks held of a file on disk: 4 MiB */

struct source;

/* data is owned by the source from now on (heap, may be NULL when len is 0). */
struct source *source_new_mem(char *data, size_t len);
/* fd is owned.  The text is bytes [skip, skip + len) of the file.  block and cache are sizes for
 * tests; 0 = the defaults above. */
struct source *source_new_fd(int fd, size_t skip, size_t len, size_t block, size_t cache);
void source_free(struct source *s);

size_t source_len(const struct source *s);
bool source_on_disk(const struct source *s);
/* Some bytes could not be read back as they were: '?' stands for them, saving must be refused. */
bool source_lost(const struct source *s);
/* The file behind it has another size or time than when it was opened (fstat). */
bool source_changed(const struct source *s);

/* Bytes that lie together from off on (0 at the end).  Borrowed until the next source call. */
size_t source_get(struct source *s, size_t off, const char **data);
/* Bytes that lie together and end before off. */
size_t source_get_back(struct source *s, size_t off, const char **data);

/*
 * Newlines in [off, off + len).  *budget falls by the bytes that had to be read; once it is used
 * up, returns -1: ask again later, the work done so far is kept.
 */
int64_t source_newlines(struct source *s, size_t off, size_t len, size_t *budget);
/* Offset just past the n-th (from 1) newline at or after off, which must exist before off + len. */
size_t source_newline(struct source *s, size_t off, size_t len, size_t n);

#endif
