// Sessions of a connection: processes of the user's that execute the login client, with a terminal or with
// three streams.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "inside/request.h"

// Of one connection at a time. Those of a user are bounded by the policy.
#define MOST_SESSIONS 64

struct inside;

struct session {
    uint32_t slot;
    pid_t pid; // 0: there is none
    // Ours of its terminal. While it is open, the master's end of file is not the end of the output; and by
    // it the size is set, because a copy of the master would keep the terminal from being hung up.
    int slave;
    bool is_forced;
};

struct sessions {
    struct session list[MOST_SESSIONS];
};

// GW_SESSION and GW_TELL. -1: the connection has to end.
int sessions_start(struct inside *inside, const struct request *request);
int sessions_tell(struct inside *inside, const struct request *request);
int sessions_reap(struct inside *inside);
void sessions_hang_up(struct inside *inside);
