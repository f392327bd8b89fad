/* Which stack is this?  See detect.h. */
#include "images/detect.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const struct detect_row detect_table[] = {
    /* frameworks, by their own files or by what a manifest asks for */
    {"django", "manage.py", "django"},
    {"laravel", "artisan", "laravel"},
    {"laravel", "composer.json", "laravel/framework"},
    {"rails", "Gemfile", "'rails'"},
    {"rails", "Gemfile", "\"rails\""},
    {"egov", "pom.xml", "egovframe"},
    {"struts", "pom.xml", "struts2"},
    {"spring", "pom.xml", "spring-boot"},
    {"spring", "build.gradle", "springframework"},
    {"spring", "build.gradle.kts", "springframework"},
    {"express", "package.json", "\"express\""},
    {"django", "requirements.txt", "django"},
    {"django", "pyproject.toml", "django"},
    /* languages, by their manifests */
    {"go", "go.mod", NULL},
    {"java", "pom.xml", NULL},
    {"java", "build.gradle", NULL},
    {"java", "build.gradle.kts", NULL},
    {"ruby", "Gemfile", NULL},
    {"php", "composer.json", NULL},
    {"c", "CMakeLists.txt", NULL},
    {"python", "pyproject.toml", NULL},
    {"python", "requirements.txt", NULL},
    {"python", "setup.py", NULL},
    {"python", "Pipfile", NULL},
    {"node", "package.json", NULL},
    {"c", "configure.ac", NULL},
    {"c", "meson.build", NULL},
    /* languages, by a source file */
    {"php", "index.php", NULL},
    {"ruby", "config.ru", NULL},
    {"go", "*.go", NULL},
    {"java", "*.java", NULL},
    {"python", "*.py", NULL},
    {"ruby", "*.rb", NULL},
    {"php", "*.php", NULL},
    {"c", "*.c", NULL},
    {"node", "*.js", NULL},
    {"node", "*.mjs", NULL},
    {"c", "Makefile", NULL},
    {NULL, NULL, NULL},
};

static bool fits(const char *pattern, const char *name, size_t n)
{
	size_t len = strlen(pattern);

	if (pattern[0] != '*')
		return n == len && memcmp(pattern, name, n) == 0;
	return n > len - 1 && memcmp(pattern + 1, name + n - (len - 1), len - 1) == 0;
}

/* The first of the names that fits, into file. */
static bool find(const char *names, const char *pattern, char file[256])
{
	for (const char *p = names; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		size_t n = strcspn(p, "\n");

		if (n < 256 && fits(pattern, p, n)) {
			snprintf(file, 256, "%.*s", (int)n, p);
			return true;
		}
	}
	return false;
}

const struct detect_row *detect_stack(const char *names, detect_read_cb *read, void *arg,
    char *file)
{
	char own[256];

	file = file ? file : own;
	for (const struct detect_row *r = detect_table; r->stack; r++) {
		const char *text;

		if (!find(names, r->file, file))
			continue;
		if (!r->contains)
			return r;
		text = read(arg, file);
		if (text && strcasestr(text, r->contains))
			return r;
	}
	file[0] = '\0';
	return NULL;
}
