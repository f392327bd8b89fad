/* Terminals: see terminal.h. */
#include "engine/broker/pty/terminal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>

int terminal_open(unsigned long rows, unsigned long cols, int *master, int *slave)
{
	struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};
	char name[64];

	*master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*master < 0 || grantpt(*master) < 0 || unlockpt(*master) < 0 ||
	    ptsname_r(*master, name, sizeof(name)) != 0)
		return -1;
	*slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*slave < 0)
		return -1;
	if (size.ws_row > 0 && size.ws_col > 0)
		ioctl(*master, TIOCSWINSZ, &size);
	return 0;
}
