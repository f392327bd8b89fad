/* link: cl_base */
/*
 * Z14: the configuration file.  What is accepted is read a second time in the plainest way, line by
 * line: an option has the value of the last line that says so, never one out of the middle of a long
 * line, and every number, word and path is one that the table allows.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/config.h"
#include "base/mem.h"

static void must(int ok)
{
	if (!ok)
		abort();
}

static void check_table(void)
{
	for (int i = 0; i < config_table_count; i++) {
		const struct config_option *o = &config_table[i];
		const char *text;

		if (o->type == CONFIG_INT) {
			must(config_int(o->name) >= o->min && config_int(o->name) <= o->max);
			continue;
		}
		if (o->type == CONFIG_BOOL)
			continue;
		text = config_str(o->name);
		must(o->type != CONFIG_PATH || text[0] == '/');
		must(strchr(text, '\n') == NULL);
		must(o->type != CONFIG_WORD || (text[0] && strstr(o->words, text)));
	}
}

/* The blanks that isspace() knows, cut off at both ends. */
static char *plain(char *s)
{
	static const char blanks[] = " \t\r\v\f";
	size_t n;

	s += strspn(s, blanks);
	for (n = strlen(s); n && strchr(blanks, s[n - 1]); n--)
		s[n - 1] = '\0';
	return s;
}

/* What the file says of sshd.listen, a text that stands for itself; NULL where it says nothing. */
static char *said(char *file)
{
	char *value = NULL, *next;
	bool section = false;

	for (char *line = file; line; line = next) {
		char *s, *eq;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		s = plain(line);
		if (*s == '[') {
			s[strlen(s) - 1] = '\0';
			section = strcmp(plain(s + 1), "sshd") == 0;
			continue;
		}
		eq = *s && *s != '#' && *s != ';' ? strchr(s, '=') : NULL;
		if (!eq)
			continue;
		*eq = '\0';
		s = plain(s);
		if (strcmp(s, "sshd.listen") == 0 || (section && strcmp(s, "listen") == 0))
			value = plain(eq + 1);
	}
	if (value && value[0] == '"' && value[1] && value[strlen(value) - 1] == '"') {
		value[strlen(value) - 1] = '\0';
		value++;
	}
	return value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const unset[] = {"CODINGLAB_STATE", "CODINGLAB_CONF"};
	int fd = memfd_create("config", MFD_CLOEXEC);
	cl_autofree char *text = mem_strndup((const char *)data, size);
	char path[64];
	char *value;

	for (size_t i = 0; i < CL_COUNT(unset); i++)
		unsetenv(unset[i]);
	must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (config_load(path, NULL, NULL, NULL) == 0) {
		must(memchr(data, '\0', size) == NULL);
		check_table();
		value = said(text);
		if (!value)
			must(strcmp(config_str("sshd.listen"), "127.0.0.1") == 0);
		else if (!strstr(value, "${"))
			must(strcmp(config_str("sshd.listen"), value) == 0);
	}
	close(fd);
	return 0;
}
