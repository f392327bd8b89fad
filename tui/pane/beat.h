/* The page that a worker and its supervisor share: the worker counts up with all it does. */
#ifndef TUI_PANE_BEAT_H
#define TUI_PANE_BEAT_H

#include <stdatomic.h>

struct beat {
	_Atomic unsigned count;
};

#endif
