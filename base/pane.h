/*
 * The pane process (codinglab-pane) and its session: messages over a SOCK_SEQPACKET pair
 * (base/ipc) and the layout of the memory they share (a memfd made by the listener, sized by the
 * session to PANE_SHARED_SIZE before its first OPEN, sparse: only touched pages cost memory).
 *
 *   session --OPEN + fd--> pane      the worker reads the program's output from fd itself
 *   session --RESIZE, CLOSE, FEED--> pane
 *   pane --NOTE--> session           something changed; one in flight until the session looked
 *   session --LOOKED--> pane         only when head.want is set
 *   pane --ENDED, CLIPBOARD, RESTARTED--> session
 *
 * Keys do not pass here: the session writes to the descriptor itself, encoding them by the modes
 * that the pane publishes, so a key has no further process in its way and Ctrl-C still works
 * when the emulator hangs.  A hostile value of a mode can only choose between fixed encodings.
 *
 * Shared memory: the pane writes, the session reads it as untrusted data (tui/pane_grid.c).
 * Exception: slot and want of the head are written by both.
 *
 *   | head, 1 page | term 0 | term 1 | ... | term 7 |
 *   term: | struct pane_term, 1 page | marks | cells, rows * cols, row by row | ring of lines |
 *
 * The grid of a term is a snapshot, made whole between two notes: seq is odd while it is written.
 *
 * The ring holds lines that scrolled off: offsets only grow, a byte of offset o lies at o mod
 * ring_cap, whole records lie in [ring_tail, ring_head).  A record:
 *
 *   | u16 n | body of n bytes | u16 n |       body: u8 flags (PANE_LINE_*), then UTF-8 text with
 *                                             0x01 + struct pane_pen (10 bytes, packed) where
 *                                             the pen changes; a line starts with the plain pen
 */
#ifndef BASE_PANE_H
#define BASE_PANE_H

#include <stdatomic.h>
#include <stdint.h>

#define PANE_TERMS 8
#define PANE_ROWS_MIN 2
#define PANE_ROWS_MAX 500
#define PANE_COLS_MIN 4
#define PANE_COLS_MAX 1000
#define PANE_MARKS 1024        /* entries of the table of combining marks; 0 is "none" */
#define PANE_MARK_LEN 8        /* code points of an entry, 0-terminated if fewer */
#define PANE_TITLE_SIZE 256
#define PANE_RING_MAX (4u << 20)
#define PANE_RING_MIN 4096u
#define PANE_LINE_MAX 16000u   /* bytes of a record's body */
#define PANE_MAGIC 0x70616e65u
#define PANE_PAGE 4096u

enum pane_type {
	PANE_OPEN = 0x500, /* u32 id; u32 rows; u32 cols; u32 ring bytes; u32 flags (PANE_OPEN_*); fd */
	PANE_RESIZE,       /* u32 id; u32 rows; u32 cols */
	PANE_CLOSE,        /* u32 id */
	PANE_FEED,         /* u32 id; bytes (<= IPC_DATA_MAX): output that came before OPEN */
	PANE_LOOKED,       /* - */
	PANE_TEST,         /* u32 what (enum pane_test): obeyed only with --test */
	PANE_NOTE = 0x580, /* u32 mask of changed terms */
	PANE_ENDED,        /* u32 id: the program's output ended */
	PANE_CLIPBOARD,    /* u32 id; bytes: base64 of an OSC 52 write, only if PANE_OPEN_CLIPBOARD */
	PANE_RESTARTED,    /* u32 signal that ended the worker, 0 = it hung: send every OPEN again */
};

enum pane_test { PANE_TEST_SPIN = 1, PANE_TEST_CRASH };

enum pane_open_flags {
	PANE_OPEN_KEEP = 1,      /* after RESTARTED: keep the lines in the ring */
	PANE_OPEN_CLIPBOARD = 2, /* policy: pass OSC 52 writes on as a request */
};

enum pane_attr {
	PANE_BOLD = 1 << 0,
	PANE_DIM = 1 << 1,
	PANE_ITALIC = 1 << 2,
	PANE_BLINK = 1 << 3,
	PANE_REVERSE = 1 << 4,
	PANE_CONCEAL = 1 << 5,
	PANE_STRIKE = 1 << 6,
	PANE_UNDER_SHIFT = 7,    /* two bits: 0 none, 1 single, 2 double, 3 curly */
	PANE_UNDER_MASK = 3 << 7,
};

/* A colour: kind in the top byte, value below: palette index or 0xRRGGBB. */
#define PANE_COLOR_DEFAULT 0u
#define PANE_COLOR_INDEX (1u << 24)
#define PANE_COLOR_RGB (2u << 24)

/* ch: code point in bits 0-20 (0 = blank), PANE_CELL_* above. */
#define PANE_CELL_CP 0x1fffffu
#define PANE_CELL_WIDE (1u << 21)  /* left half of a two-cell glyph */
#define PANE_CELL_TAIL (1u << 22)  /* its right half */

struct pane_cell {
	uint32_t ch;
	uint16_t mark; /* index into marks, 0 none */
	uint16_t attr;
	uint32_t fg, bg;
};

struct pane_pen {
	uint32_t fg, bg;
	uint16_t attr;
} __attribute__((packed));

enum pane_line_flags { PANE_LINE_WRAPPED = 1 }; /* goes on in the next line */
#define PANE_LINE_PEN 0x01

enum pane_mode {
	PANE_MODE_CURSOR_KEYS = 1 << 0, /* DECCKM */
	PANE_MODE_KEYPAD = 1 << 1,
	PANE_MODE_PASTE = 1 << 2,       /* bracketed paste */
	PANE_MODE_FOCUS = 1 << 3,
	PANE_MODE_MOUSE_CLICK = 1 << 4,
	PANE_MODE_MOUSE_DRAG = 1 << 5,
	PANE_MODE_MOUSE_MOVE = 1 << 6,
	PANE_MODE_MOUSE_SGR = 1 << 7,
	PANE_MODE_ALT = 1 << 8,
	PANE_MODE_CURSOR_HIDDEN = 1 << 9,
	PANE_MODE_CURSOR_BLINK = 1 << 10,
	PANE_MODE_REVERSE = 1 << 11,    /* DECSCNM */
	PANE_MODE_NEWLINE = 1 << 12,    /* LNM: Enter sends CR LF */
};

struct pane_term {
	_Atomic uint32_t seq;
	uint32_t rows, cols;
	uint32_t cur_row, cur_col;
	uint32_t modes;              /* enum pane_mode */
	uint32_t shape;              /* DECSCUSR: 0 block, 1 underline, 2 bar */
	uint32_t bells;              /* counts up */
	uint32_t titles;             /* counts up */
	uint32_t stamp;              /* counts up with each snapshot */
	char title[PANE_TITLE_SIZE]; /* UTF-8, NUL-terminated */
	_Atomic uint64_t ring_head, ring_tail;
	_Atomic uint64_t ring_lines; /* records ever written */
	uint32_t ring_cap;
	uint32_t row_stamp[PANE_ROWS_MAX]; /* stamp of the snapshot that changed the row last */
	uint8_t row_flags[PANE_ROWS_MAX];  /* PANE_LINE_* */
};

struct pane_head {
	uint32_t magic;
	_Atomic uint32_t slot;       /* 1: a NOTE is out, the session has not looked */
	_Atomic uint32_t want;       /* 1: there is more to publish, tell me when you looked */
};

#define PANE_MARKS_SIZE (PANE_MARKS * PANE_MARK_LEN * 4u)
#define PANE_CELLS_SIZE 8003584u     /* 500 * 1000 * 16, to whole pages */
#define PANE_OFF_MARKS PANE_PAGE
#define PANE_OFF_CELLS (PANE_OFF_MARKS + PANE_MARKS_SIZE)
#define PANE_OFF_RING (PANE_OFF_CELLS + PANE_CELLS_SIZE)
#define PANE_TERM_SIZE (PANE_OFF_RING + PANE_RING_MAX)
#define PANE_SHARED_SIZE (PANE_PAGE + (uint64_t)PANE_TERMS * PANE_TERM_SIZE)

_Static_assert(sizeof(struct pane_cell) == 16, "a cell is 16 bytes");
_Static_assert(sizeof(struct pane_term) <= PANE_PAGE, "the head of a term is one page");

#endif
