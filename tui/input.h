/* Keys, mouse and pastes: who gets them, from the top overlay down to the focused view. */
#ifndef TUI_INPUT_H
#define TUI_INPUT_H

struct ui;
struct term_event;

void input_event(struct ui *ui, const struct term_event *ev);

#endif
