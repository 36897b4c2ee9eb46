// The spawner: one process per sandbox that is inside it (every namespace, its cgroup, the filter)
// but not of it: it stands outside the sandbox's PID namespace, so nobody inside can see, signal or
// trace it. It makes PID 1, then joins by pidfd, and forks every session from then on. A session is
// therefore one fork() of a small process: no join and no cgroup move while somebody waits.
//
// Runs as the user namespace's root (nobody on the host). Believes its supervisor, nobody else.
#pragma once

#include <sys/types.h>

#include "shared.h"

struct spawner_ends {
    int supervisor;  // the spawner's end towards the supervisor
    int init;        // PID 1's end towards the supervisor, only until PID 1 is made
    int init_binary; // descriptor of dockersh-init
    int devpts;      // the sandbox's own, from MSG_ENTER on
};

// Never returns.
_Noreturn void spawner_run(struct shared *shared, struct spawner_ends ends);
