// Takes away from a process of the sandbox, before it runs anything of the user's, capabilities, the way back
// to them (no_new_privs), and the system calls of the filter in src/seccomp. PID 1 and the spawner, from
// which all sessions are forked, call the same function.
#pragma once

#include <linux/filter.h>
#include <stdbool.h>

#include "err.h"

// What policy gives back to sessions; PID 1 needs none of it.
struct freedom {
    bool root;    // setuid programs have their effect, up to the sandbox's own root
    bool nesting; // user namespaces of their own, with mounts and containers in them
};

#define MAX_FILTERS 2

// Filters of the policy's. Of all that are installed the kernel takes the strictest answer, so that these
// can only narrow what the supervisor's own lets through, unless they stand alone.
struct filters {
    unsigned count;
    bool alone;
    struct sock_fprog programs[MAX_FILTERS];
};

int lockdown(const struct freedom *freedom, const struct filters *filters, struct err *err);
