/*
 * Copying a stack's template into a workspace.  Runs as the user; files that are there already
 * are left alone, so a repeated call finishes a cut one.  In text files {{name}} is replaced.
 */
#ifndef ENGINE_BROKER_FILES_TEMPLATE_H
#define ENGINE_BROKER_FILES_TEMPLATE_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "engine/broker/spec.h"

int files_template_copy(const char *from, const char *to, const struct spec_vars *subst,
    struct cl_err *err);
/* Text with its {{name}}s replaced, appended to out; unknown names stay as they are. */
int files_template_expand(struct buf *out, const char *text, size_t len,
    const struct spec_vars *subst);

#endif
