// Connection processes that wait for a client: Node with all of ssh takes a tenth of a second to start.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "listen/rights.h"

struct servant {
    pid_t pid;
    int process;    // a pidfd
    int requests;   // our end of its 3
    int signatures; // our end of its 4
};

#define POOL_MOST 64

struct pool {
    const struct gateway_program *program;
    struct servant waiting[POOL_MOST];
    unsigned count, most;
};

// Nobody waits in it yet.
void pool_open(struct pool *pool, const struct gateway_program *program);
// From now on so many wait; 0 ends those that do.
void pool_resize(struct pool *pool, unsigned size);
// One that waits, or one that has just been started. False: none can be.
bool pool_take(struct pool *pool, struct servant *servant);
// Starts what is missing, one a call. False: nothing is, or none can be started now.
bool pool_fill(struct pool *pool);
// A process has ended. True: it was one that waited.
bool pool_lost(struct pool *pool, pid_t pid);
void servant_close(struct servant *servant);
