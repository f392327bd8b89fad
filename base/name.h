/* Names of users and projects: [a-z][a-z0-9-]{0,30}, not ending in '-'. */
#ifndef BASE_NAME_H
#define BASE_NAME_H

#include <stdbool.h>

#define NAME_MAX_LEN 31
#define NAME_SIZE (NAME_MAX_LEN + 1)

bool name_valid(const char *s);

/* What an SSH user name means: user[+project[.tier[-n]]].  Empty strings and n = 0 where absent. */
struct name_target {
	char user[NAME_SIZE];
	char project[NAME_SIZE];   /* own project, or "" */
	char owner[NAME_SIZE];     /* alice+bob:shop reads project shop of bob; "" = own or member's */
	char tier[8];              /* "web", "was", "db" or "" */
	int n;                     /* instance number from 1, 0 = not named */
};
/* Parse with a hard end; 0, or -1 when any part is malformed. */
int name_parse_target(struct name_target *t, const char *s);

#endif
