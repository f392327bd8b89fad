/* A text that grows; and text as the web writes it. */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text {
	char *data; /* NULL until something is added; whoever owns the struct frees it */
	size_t len;
};

void text_add(struct text *t, const char *s);
/* As HTML shows it: < becomes &lt; and so on. */
void text_add_html(struct text *t, const char *s);
/* Without white space at both ends; valid UTF-8 of 1 to max characters?  s is changed. */
char *text_trim(char *s);
bool text_is_name(const char *s, int max);
/* %40 becomes @, in place. */
void text_unescape(char *s);

#endif
