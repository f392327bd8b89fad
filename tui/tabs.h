/* Open files and terminals that come back when a project's session is started anew. */
#ifndef TUI_TABS_H
#define TUI_TABS_H

struct ui;

/* Into tabs-PROJECT.json in the user's state directory; as well as it goes. */
void tabs_save(struct ui *ui);
/* Open what was open then, without taking the focus.  Files that are gone are left out. */
void tabs_restore(struct ui *ui);

#endif
