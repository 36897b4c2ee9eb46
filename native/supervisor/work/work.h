// Finds what goes on in the sandbox without a session, and says what becomes of it: to the user who logs out,
// and to the daemon, which tells them at their next login where it has ended meanwhile.
#pragma once

#include "supervisor.h"

// What belongs to no session that is there; `leaving`: nor to this one, which is about to end (NULL: none
// is).
void work_find(const struct supervisor *supervisor, const struct session *leaving, struct work *work);
// The sentence for whoever logs out of a terminal; "" where nothing goes on. It may be in `text`. The names
// are users': nothing of them acts on a terminal.
const char *work_at_log_out(const struct supervisor *supervisor, const struct session *leaving, char *text,
                            size_t size);
