/* The inside of the editor view, shared by view_editor.c and the editor_*.c files. */
#ifndef TUI_EDITOR_INTERNAL_H
#define TUI_EDITOR_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include "editor/file.h"
#include "editor/search.h"
#include "editor/swap.h"
#include "tui/field.h"
#include "tui/ui.h"

#define EDITOR_NONE SIZE_MAX

/* A part of a row drawn in a style of its own; later spans win.  Syntax colouring adds its spans
 * in editor_draw.c's collect(), before matches and selection. */
struct editor_span {
	size_t start, end; /* positions in the text */
	struct term_style style;
};

enum editor_bar { EDITOR_BAR_NONE, EDITOR_BAR_FIND, EDITOR_BAR_REPLACE };

struct editor_find {
	enum editor_bar bar;     /* what is asked for at the bottom */
	bool on_with;            /* the second field has the focus */
	struct field pattern, with;
	unsigned flags;          /* enum search_flags */
	struct search *search;   /* of the pattern, NULL: none or malformed */
	struct search_scan scan; /* a search under way */
	bool running, wrapped;
	bool all;                /* replacing everything: count so far */
	size_t count;
	size_t origin;           /* the cursor when the search began */
	char note[600];          /* "3 replaced", what is wrong with the pattern */
};

struct editor {
	struct view view;        /* first */
	struct file *file;
	struct swap *swap;       /* NULL where there is no directory for it */
	int swap_dir;            /* -1: none */
	size_t cursor;
	size_t anchor;           /* other end of the selection, EDITOR_NONE: nothing selected */
	size_t want;             /* column that up and down keep to, EDITOR_NONE: the cursor's */
	size_t top;              /* start of the first row shown */
	size_t left;             /* first column shown */
	int height, width;
	int tab;                 /* cells of a TAB stop */
	bool spaces;             /* the Tab key gives spaces */
	bool indexed;            /* all lines are counted */
	bool follow;             /* before the next draw: scroll to the cursor */
	size_t go_line;          /* line to go to when it is indexed, EDITOR_NONE: none */
	struct editor_find find;
	struct ui_timer *index_timer, *find_timer, *swap_timer;
	int64_t synced_ms;
	bool asking;             /* a dialog about this file is open */
	bool saving;             /* a worker thread reads the text */
	bool dead;               /* freed while saving: the job frees the rest */
	bool close_after;        /* close when the save went well */
	bool swap_warned, gone;  /* said so already */
	struct timespec kept;    /* change on disk that the user chose to keep out */
	char title[300], status[400];
};

/* editor.c */
const char *editor_leaf(const char *name);          /* what follows the last slash */
void editor_moved(struct editor *e);                /* the cursor moved: scroll to it, draw */
bool editor_may_edit(struct editor *e);             /* or says why not */
/* Replace [pos, pos + del) and put the cursor after it; one part of an undo step. */
bool editor_replace(struct editor *e, size_t pos, size_t del, const char *ins, size_t n);
bool editor_selection(const struct editor *e, size_t *start, size_t *end);
void editor_index(struct editor *e);                /* go on counting lines in the background */
void editor_goto_line(struct editor *e, size_t line); /* from 0 */
void editor_listen(struct editor *e);               /* to e->file->text */
void editor_new_text(struct editor *e);             /* e->file->text is another one */
void editor_guess_indent(struct editor *e);         /* e->tab, e->spaces */

/* editor_draw.c */
void editor_draw_all(struct editor *e);
void editor_draw_follow(struct editor *e);          /* top and left so that the cursor is seen */
size_t editor_draw_pos(struct editor *e, int y, int x); /* position under a cell */

/* editor_key.c */
bool editor_key_press(struct editor *e, const struct term_key *k);
bool editor_key_paste(struct editor *e, const char *text, size_t n);
bool editor_key_mouse(struct editor *e, const struct term_mouse *m);
void editor_key_clip(struct editor *e, bool cut);

/* editor_find.c */
void editor_find_open(struct editor *e, enum editor_bar bar, const char *pattern);
void editor_find_step(struct editor *e, bool back); /* the next occurrence from the cursor */
bool editor_find_key(struct editor *e, const struct term_key *k); /* while the bar is open */
void editor_find_paste(struct editor *e, const char *text, size_t n);
void editor_find_close(struct editor *e);
void editor_find_draw(struct editor *e, int y);
/* Matches that touch [from, to), at most max. */
int editor_find_spans(struct editor *e, size_t from, size_t to, struct editor_span *out, int max);

/* editor_disk.c */
void editor_disk_open(struct editor *e);            /* swap journal; notices a dead one */
void editor_disk_save(struct editor *e, bool force);
void editor_disk_check(struct editor *e);           /* has the file changed? */
void editor_disk_changed(struct editor *e);         /* the text was edited: pace the journal */
bool editor_disk_closing(struct editor *e);
void editor_disk_free(struct editor *e);

#endif
