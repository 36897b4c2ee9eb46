// What every process of a sandbox has given up before it runs anything of the user's: capabilities,
// the way back to them (no_new_privs), and the system calls of the filter in native/seccomp. PID 1
// and the spawner, from which all sessions are forked, call the same function.
#pragma once

#include <stdbool.h>

#include "err.h"

// What policy gives back to sessions; PID 1 needs none of it.
struct freedom {
    bool root;    // setuid programs have their effect, up to the sandbox's own root
    bool nesting; // user namespaces of their own, with mounts and containers in them
};

int lockdown(const struct freedom *freedom, struct err *err);
