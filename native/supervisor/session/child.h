// Turns a forked process into a session: from the spawner's credentials to the user's, between fork() and
// exec().
#pragma once

#include "shared.h"
#include "wire.h"

struct child_ends {
    int connection; // the login client's, with its login still to be received
    int supervisor; // where the child says that it has been
    int devpts;     // the sandbox's own
    uint32_t slot;
    _Atomic bool *taken; // where the supervisor sees that the login has been received
};

// Never returns.
_Noreturn void child_run(struct wire_reader *reader, const struct child_ends *ends, struct slot *place);
