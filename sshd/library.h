/*
 * Is the SSH library one that may be trusted with strangers?  Its fixes do not show in its version
 * number, so the package's revision is asked of dpkg.  A library that dpkg does not know is its
 * owner's affair.
 */
#ifndef SSHD_LIBRARY_H
#define SSHD_LIBRARY_H

#include "base/err.h"

/* 0, or -1 when the installed package is older than `least` (a Debian version). Takes some 20 ms. */
int library_check(const char *least, struct cl_err *err);

#endif
