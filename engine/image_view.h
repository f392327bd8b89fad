/* What GET /v1/images?all=1 answers: every image, here and in the repository, and what uses it. */
#ifndef ENGINE_IMAGE_VIEW_H
#define ENGINE_IMAGE_VIEW_H

#include "base/err.h"
#include "engine/engine.h"
#include "engine/reply.h"
#include "engine/request.h"

int image_view_begin(struct engine *e, struct request *r, struct reply *p, struct cl_err *err);

#endif
