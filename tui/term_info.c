/*
 * A compiled terminfo entry (term(5)): six short numbers, then names, flags, a pad byte to an even
 * offset, numbers, and an array of offsets of strings.  An offset of -1 says "cannot".
 *
 *     | magic | names | flags | numbers | strings | table |  12 bytes, little-endian
 */
#include "tui/term_info.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"

#define ENTRY_MAX 32768
#define MAGIC_SHORT 0432  /* numbers of 2 bytes */
#define MAGIC_LONG 01036  /* of 4 */

/* Places of the capabilities in the array of strings, fixed by the format. */
enum {
	INFO_BACK_TAB = 0,
	INFO_CHANGE_SCROLL_REGION = 3,
	INFO_PARM_INDEX = 109,
	INFO_PARM_RINDEX = 113,
	INFO_REPEAT_CHAR = 121,
	INFO_TAB = 134,
};

static int number(const unsigned char *p)
{
	return p[0] | p[1] << 8;
}

static size_t read_entry(const char *name, unsigned char *data)
{
	static const char *const places[] = { "/etc/terminfo", "/lib/terminfo",
					      "/usr/share/terminfo" };
	char path[128];
	ssize_t n = -1;

	for (size_t i = 0; i < CL_COUNT(places) && n < 0; i++) {
		cl_autoclose int fd = -1;
		snprintf(path, sizeof(path), "%s/%c/%s", places[i], name[0], name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			n = read(fd, data, ENTRY_MAX);
	}
	return n > 0 ? (size_t)n : 0;
}

/* false: not an entry as described above. */
static bool drop(unsigned char *data, size_t n)
{
	static const int gone[] = { INFO_BACK_TAB,    INFO_CHANGE_SCROLL_REGION,
				    INFO_PARM_INDEX,  INFO_PARM_RINDEX,
				    INFO_REPEAT_CHAR, INFO_TAB };
	int magic, wide, strings;
	size_t at;

	if (n < 12)
		return false;
	magic = number(data);
	if (magic != MAGIC_SHORT && magic != MAGIC_LONG)
		return false;
	wide = magic == MAGIC_LONG ? 4 : 2;
	strings = number(data + 8);
	at = 12 + (size_t)number(data + 2) + (size_t)number(data + 4);
	at = (at + 1) / 2 * 2 + (size_t)(number(data + 6) * wide);
	if (at + (size_t)strings * 2 > n)
		return false;
	for (size_t i = 0; i < CL_COUNT(gone); i++)
		if (gone[i] < strings)
			data[at + (size_t)gone[i] * 2] = data[at + (size_t)gone[i] * 2 + 1] = 0xff;
	return true;
}

static char *base64(const unsigned char *data, size_t n)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *out = mem_alloc(n / 3 * 4 + 12), *o = out;

	memcpy(o, "b64:", 4);
	o += 4;
	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)data[i] << 16;
		v |= i + 1 < n ? (unsigned)data[i + 1] << 8 : 0;
		v |= i + 2 < n ? data[i + 2] : 0;
		*o++ = digits[v >> 18];
		*o++ = digits[v >> 12 & 63];
		*o++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
		*o++ = i + 2 < n ? digits[v & 63] : '=';
	}
	*o = 0;
	return out;
}

void term_info_trim(const char *name)
{
	cl_autofree unsigned char *data = mem_alloc(ENTRY_MAX);
	cl_autofree char *text = NULL;
	size_t n = read_entry(name, data);

	if (!drop(data, n))
		return;
	text = base64(data, n);
	setenv("TERMINFO", text, 1);
}
