// A session's process between fork() and exec(): from the spawner's credentials to the user's.
#pragma once

#include "shared.h"
#include "wire.h"

// Never returns. `fds` become 0, 1 and 2.
_Noreturn void child_run(struct wire_reader *reader, const int *fds, struct slot *slot);
