/* One stack.json: read, checked field by field, and turned into a struct stack. */
#ifndef IMAGES_STACK_FILE_H
#define IMAGES_STACK_FILE_H

#include "images/stack.h"

enum stack_file { STACK_FILE_OK, STACK_FILE_NONE, STACK_FILE_BAD };

/*
 * Read folder/stack.json into *s, whose id must be the one given.  NONE: the folder has no such
 * file, *err is as it was.  BAD: err says file, field and why.  stack_file_clear() after OK.
 */
enum stack_file stack_file_load(struct stack *s, const char *folder, const char *id,
    struct cl_err *err);
void stack_file_clear(struct stack *s);

#endif
