// The part of a session's process in looking at another session: between fork() and exec(), as the user.
#pragma once

#include <stdbool.h>

#include "session/streams.h"
#include "shared.h"

// Its exit status where the login has no terminal.
#define LOOK_HAS_NO_TERMINAL 1

// Reads what of MSG_SESSION is about that. False: it is not understood.
bool kept_child_read(struct child_ends *ends, const struct wire_field *field);
// For a login that looks: its client gets a socket from the supervisor, and what it has sent along is
// nobody's.
_Noreturn void kept_child_look(const struct child_ends *ends, struct slot *slot);
// The session has a terminal: ends where there must be none.
void kept_child_terminal(const struct child_ends *ends, struct slot *slot);
