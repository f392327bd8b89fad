/* What text.c and lines.c share: the chain itself.  Include editor/text.h before it. */
#ifndef EDITOR_TEXT_INTERNAL_H
#define EDITOR_TEXT_INTERNAL_H

struct piece {
	struct piece *prev, *next; /* in the chain, or where it was when it was taken out */
	struct piece *made;        /* the one made before, for freeing */
	const char *data;          /* added bytes, or NULL: original bytes at off */
	size_t off;
	size_t len;
	int64_t newlines; /* -1 = not counted yet */
};

struct span {
	struct piece *start, *end; /* NULL, NULL: empty */
};

struct change {
	struct span old, new;
	size_t pos, del, ins;
	bool first; /* opens an undo step */
};

struct added {
	struct added *next;
	size_t len, cap;
	char data[];
};

struct mark {
	size_t pos;
	bool used, after;
};

struct listener {
	text_change_cb *cb;
	void *arg;
};

struct text {
	struct source *source;
	struct piece begin, end; /* ends of the chain, empty */
	struct piece *made;      /* every piece ever made */
	struct piece *hint;      /* last piece looked up, and where it starts */
	size_t hint_pos;
	size_t len;
	uint64_t version;
	struct added *added; /* newest first */
	size_t added_len, added_max;
	struct change *changes;
	size_t nchanges, done, cap; /* done of nchanges are applied; the rest is redo */
	size_t saved;               /* done when it was saved, SIZE_MAX = never */
	bool open;                  /* the next change joins the last one's step */
	enum text_kind kind;        /* of the open step */
	size_t last_pos;            /* where the last edit ended */
	int64_t step_ms, last_ms;
	struct piece *typing; /* piece that typing at typing_pos extends in place */
	size_t typing_pos;
	struct mark *marks;
	int nmarks;
	struct listener listeners[4];
};

#endif
