/*
 * Memory: allocation that cannot fail (out of memory ends the process with a log line), and
 * cleanup by attribute so that an error path is a plain `return`.  No other file calls malloc.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

void *mem_alloc(size_t size);                             /* zeroed */
void *mem_array(size_t count, size_t size);               /* zeroed, overflow ends the process */
void *mem_resize(void *p, size_t count, size_t size);     /* new part is not zeroed */
char *mem_strdup(const char *s);                          /* NULL stays NULL */
char *mem_strndup(const char *s, size_t n);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *mem_vprintf(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
void *mem_dup(const void *p, size_t size);
void mem_free(void *p);                                   /* NULL is fine */
void mem_wipe(void *p, size_t size);                      /* explicit_bzero */

/* Copy with truncation and NUL; returns 0, or -1 if it did not fit (dst is then truncated). */
int mem_copy_str(char *dst, size_t size, const char *src);

void mem_cleanup_free(void *pp);   /* for the attributes below */
void mem_cleanup_fd(int *fd);
void mem_cleanup_file(FILE **f);
#define cl_autofree __attribute__((cleanup(mem_cleanup_free)))
#define cl_autoclose __attribute__((cleanup(mem_cleanup_fd)))
#define cl_autofclose __attribute__((cleanup(mem_cleanup_file)))

#define CL_COUNT(a) (sizeof(a) / sizeof((a)[0]))

#endif
