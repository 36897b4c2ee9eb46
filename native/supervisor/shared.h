// The page that supervisor, spawner and a session's process share until the session's exec(): who
// runs in which slot, what went wrong on the way, and when each step was done. Written by our own
// code only; the mapping is gone the moment a user's program starts.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#include "err.h"
#include "start/lockdown.h"

#define MAX_SESSIONS 256

struct slot {
    // Stored by the kernel before the process runs (CLONE_PARENT_SETTID), so that the supervisor
    // finds the slot of an exited child however quickly it was.
    pid_t pid;
    uint64_t forked_ns;
    uint64_t exec_ns;
    pid_t noted;        // inside, where the sandbox's books name it (books/books.h); 0: they do not
    _Atomic bool taken; // its process has received the login: what its client says now is for the supervisor
    struct err err;     // code is not FAILURE_NONE: the session's program was never run
};

enum build_step {
    STEP_CGROUP,  // limits are in force
    STEP_CLONE,   // PID 1 exists, in its user namespace
    STEP_ROOTFS,  // overlay and binds are mounted
    STEP_NETWORK, // (in parallel) network, UTS, IPC and cgroup namespaces
    STEP_PIVOT,   // the sandbox's own mounts, pivot_root
    STEP_ENTER,   // the spawner is inside
    STEP_LINK,    // (in parallel) a private network is there
    STEP_COUNT
};

struct shared {
    pid_t init_pid;
    struct err init_err;
    struct err spawner_err;
    // Of sessions; set before any spawner enters the sandbox.
    struct freedom freedom;
    bool own_sysinfo; // the spawner installs a filter that asks what sysinfo(2) shall say (sysinfo/sysinfo.h)
    bool own_clock;   // there is a time namespace, which PID 1 is in
    struct filters filters;
    struct sock_filter filter_code[MAX_FILTERS][BPF_MAXINSNS]; // only touched where policy has filters
    uint64_t steps_ns[STEP_COUNT];
    // Sessions whose connection the spawner has let go of, of those that it has been asked for: as long as
    // there are fewer, its own copy may be the last.
    _Atomic uint64_t let_go;
    struct slot slots[MAX_SESSIONS];
};

// What every spawner is to install, from the supervisor's own memory into everybody's.
static inline void share_filters(struct shared *shared, const struct filters *filters) {
    shared->filters = *filters;
    for (unsigned index = 0; index < filters->count; index++) {
        const struct sock_fprog *program = &filters->programs[index];
        memcpy(shared->filter_code[index], program->filter, program->len * sizeof *program->filter);
        shared->filters.programs[index].filter = shared->filter_code[index];
    }
}

static inline uint64_t monotonic_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// Of monotonic_ns(), for poll(2).
static inline int milliseconds_until(uint64_t deadline) {
    uint64_t now = monotonic_ns();
    if (deadline <= now)
        return 0;
    uint64_t left = (deadline - now) / 1000000u + 1;
    return left > 1000000u ? 1000000 : (int)left;
}
