// Takes sshd's monitor from its own namespaces into those of a sandbox, for as long as one connection lasts,
// and back.
#pragma once

#include <stdbool.h>

#include "ask.h"

struct place {
    int mount, network, uts; // our own, to go back to
    int connection;          // to the sandbox's supervisor; its end is the sandbox's
    int witness;             // as long as we or our child have it, the connection is there
    bool joined;
};

// Opens our own. 0, or -1 with errno.
int place_open(struct place *place);
// Goes into the sandbox, and has the kernel end this process (SIGTERM) when the sandbox does. Takes what
// `answer` holds. -1 with errno: we are where we were. Where we can't get back this does not return.
int place_enter(struct place *place, struct answer *answer);
// Back to our own; closes what connects us.
int place_return(struct place *place);
void place_close(struct place *place);
