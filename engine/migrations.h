/*
 * The schema of the store as numbered steps.  Step n brings a database of version n-1 to version n in
 * one transaction; PRAGMA user_version holds the number.  An old step is never edited once released:
 * add another.  Plain SQL text, no sqlite3 here: store.c runs it.
 */
#ifndef ENGINE_MIGRATIONS_H
#define ENGINE_MIGRATIONS_H

struct migrations_step {
	int version;       /* 1, 2, 3 ... without a gap */
	const char *what;  /* for the log */
	const char *sql;   /* one or more statements */
};

extern const struct migrations_step migrations_table[];
extern const int migrations_count; /* = the newest version */

#endif
