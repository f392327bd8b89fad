/* GET /v1/openapi.json: OpenAPI 3.1 printed from routes.def, schemas.def and err.def. */
#ifndef ENGINE_OPENAPI_H
#define ENGINE_OPENAPI_H

#include <jansson.h>

json_t *openapi_json(const char *version); /* a new value */

#endif
