/*
 * What a name in a request may look like.  Everything that reaches the container engine, a path or
 * a label passes one of these first; the default is no.
 */
#ifndef ENGINE_BROKER_CHECK_H
#define ENGINE_BROKER_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHECK_ID_MAX 1000000       /* projects, operations */
#define CHECK_UID_MIN 1000         /* never root or a system account inside a container */
#define CHECK_UID_MAX 4294967293

bool check_name(const char *s);      /* container: [a-z][a-z0-9-]{0,78} */
bool check_word(const char *s);      /* env, tier: [a-z]{1,7} */
bool check_alias(const char *s);     /* DNS label: [a-z][a-z0-9-]{0,30} */
bool check_hostname(const char *s);  /* DNS labels joined by dots, <= 63 bytes */
bool check_image(const char *s);     /* our id ("python", "app/p12") or "sha256:<64 hex>" */
bool check_image_id(const char *s);  /* our id only */
bool check_image_ref(const char *s); /* as check_image(), or our id with ":tag" */
bool check_tag(const char *s);       /* [a-z0-9][a-z0-9._-]{0,62} */
bool check_digest(const char *s);    /* "sha256:<64 hex>" */
bool check_folder(const char *s);    /* one path part: [a-z][a-z0-9-]{0,30} */
bool check_file(const char *s);      /* "Containerfile" or "Containerfile.<word>" */
bool check_template(const char *s);  /* folder/folder[/folder...]; no dots */
/* A path inside a container: absolute, plain characters, no "." or ".." parts, not "/", not
 * beneath /proc, /sys or /dev. */
bool check_target(const char *s);
bool check_workdir(const char *s);   /* as target, or "/" */
bool check_env_name(const char *s);  /* [A-Za-z_][A-Za-z0-9_]{0,63} */
bool check_text(const char *s);      /* no control characters but TAB and newline, valid UTF-8 */
bool check_user(const char *s);      /* [a-z][a-z0-9-]{0,30} */
bool check_ticket(const char *s);    /* 64 hex digits */
bool check_subst(const char *s);     /* name of a template variable: [a-z_]{1,31} */
bool check_label(const char *s);     /* [a-z0-9._-]{1,63} */
/* name belongs to this project: "p<project>" or "p<project>-..." */
bool check_owned(const char *name, int64_t project);

#endif
