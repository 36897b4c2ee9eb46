// Answers of the forwarder's, and of who connects for it, to the monitor.
#pragma once

#include <stdint.h>

struct answered {
    uint32_t slot;
    int code;         // 0, or an errno
    const char *text; // NULL: nothing is to be said
    int fds[2];       // where code is 0; two where both loopback addresses are listened at
    unsigned count;   // of them
    uint32_t port;    // 0: it has none
};

// 0, or -1 where the monitor has gone.
int tell_opened(int socket, const struct answered *answered);
