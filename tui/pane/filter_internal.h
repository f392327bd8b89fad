/* What the files of the filter share: filter.c (text, escapes), filter_csi.c, filter_str.c. */
#ifndef TUI_PANE_FILTER_INTERNAL_H
#define TUI_PANE_FILTER_INTERNAL_H

#include <stdint.h>

struct filter;
struct filter_item;

enum { FS_GROUND, FS_ESC, FS_CSI, FS_STRING, FS_STRING_ESC };

/* Give out the text collected so far, then the item. */
void filter_emit(struct filter *f, const struct filter_item *item);
/* A glyph or control for TEXT. */
void filter_add(struct filter *f, uint32_t cp);
/* A printed code point: TEXT, MARK or nothing. */
void filter_glyph(struct filter *f, uint32_t cp);

void filter_csi_begin(struct filter *f);
void filter_csi_byte(struct filter *f, uint8_t c);     /* 0x20..0x3f */
void filter_csi_final(struct filter *f, uint8_t c);

void filter_str_begin(struct filter *f, int kind);     /* ']' 'P' '_' '^' 'X' */
void filter_str_add(struct filter *f, uint32_t cp);
void filter_str_end(struct filter *f);
void filter_str_cancel(struct filter *f);

#endif
