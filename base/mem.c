/*
 * Memory that cannot fail: see mem.h.  The only file that calls malloc and its relatives; memory
 * that a library hands over to be released by free() also goes through mem_free().
 */
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Written here and not by log.h, which needs memory itself. */
static void out_of_memory(size_t size)
{
	dprintf(STDERR_FILENO, "codinglab: out of memory (%zu bytes)\n", size);
	_exit(1);
}

static void *need(void *p, size_t size)
{
	if (!p)
		out_of_memory(size);
	return p;
}

void *mem_alloc(size_t size)
{
	return need(calloc(1, size ? size : 1), size);
}

void *mem_array(size_t count, size_t size)
{
	if (size && count > SIZE_MAX / size)
		out_of_memory(SIZE_MAX);
	return mem_alloc(count * size);
}

void *mem_resize(void *p, size_t count, size_t size)
{
	size_t all;

	if (size && count > SIZE_MAX / size)
		out_of_memory(SIZE_MAX);
	all = count * size;
	return need(realloc(p, all ? all : 1), all);
}

char *mem_strdup(const char *s)
{
	return s ? mem_strndup(s, strlen(s)) : NULL;
}

char *mem_strndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = mem_alloc(len + 1);

	memcpy(p, s, len);
	return p;
}

char *mem_printf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = mem_vprintf(fmt, ap);
	va_end(ap);
	return s;
}

char *mem_vprintf(const char *fmt, va_list ap)
{
	char *s;

	if (vasprintf(&s, fmt, ap) < 0)
		out_of_memory(0);
	return s;
}

void *mem_dup(const void *p, size_t size)
{
	void *copy = mem_alloc(size);

	if (size)
		memcpy(copy, p, size);
	return copy;
}

void mem_free(void *p)
{
	free(p);
}

void mem_wipe(void *p, size_t size)
{
	if (p && size)
		explicit_bzero(p, size);
}

int mem_copy_str(char *dst, size_t size, const char *src)
{
	size_t n = strlen(src);
	int cut = 0;

	if (size == 0)
		return -1;
	if (n >= size) {
		n = size - 1;
		cut = -1;
	}
	memmove(dst, src, n);
	dst[n] = '\0';
	return cut;
}

void mem_cleanup_free(void *pp)
{
	void *p;

	/* pp is the address of a pointer of any type: copied, not read through void **. */
	memcpy(&p, pp, sizeof(p));
	free(p);
}

void mem_cleanup_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

void mem_cleanup_file(FILE **f)
{
	if (*f)
		fclose(*f);
}
