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

void pool_open(const struct gateway_program *program, unsigned size);
// From now on so many wait.
void pool_resize(unsigned size);
// One that waits, or one that has just been started. False: none can be.
bool pool_take(struct servant *servant);
// Starts what is missing, one a call. False: nothing is, or none can be started now.
bool pool_fill(void);
// A process has ended. True: it was one that waited.
bool pool_lost(pid_t pid);
void servant_close(struct servant *servant);
// Ends those that wait.
void pool_close(void);
