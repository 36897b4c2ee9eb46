// Turns a forked process into a session: from the spawner's credentials to the user's, between fork() and
// exec().
#pragma once

#include "session/streams.h"
#include "shared.h"
#include "wire.h"

// Never returns.
_Noreturn void child_run(struct wire_reader *reader, struct child_ends *ends, struct slot *place);
