// The state of one connection from its login on.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ask.h"
#include "inside/login.h"
#include "place.h"

// Of one connection at a time. Those of a user are bounded by the policy.
#define MOST_SESSIONS 64

struct session {
    uint32_t slot;
    pid_t pid; // 0: there is none
    // Ours of its terminal. While it is open, the master's end of file is not the end of the output.
    int slave;
    bool is_forced;
};

struct inside {
    const struct login *login;
    int connection; // to the connection process
    struct place place;
    bool joined;
    char refusal[MOST_WORDS]; // why not: what every session says, and ends with
    struct session sessions[MOST_SESSIONS];
    struct forwards *forwards;
};
