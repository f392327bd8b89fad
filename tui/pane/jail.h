/*
 * What a pane process may do.  Not base/priv: two pane processes live in each session, so they do
 * without libseccomp and its pages; a list of allowed calls is a dozen lines of BPF.
 */
#ifndef TUI_PANE_JAIL_H
#define TUI_PANE_JAIL_H

#include <stddef.h>

/* No new privileges, no core files, undumpable.  Ends the process when refused. */
void jail_begin(void);
/* Address space in bytes, then: read write poll recvmsg sendmsg futex brk mmap munmap mremap madvise
 * close clock_gettime exit and sigreturn; anything else kills the process. */
void jail_worker(size_t address_space);

#endif
