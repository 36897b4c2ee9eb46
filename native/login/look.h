// Reads from dockersh-exec's arguments whether root wants to look at a user's session.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// As TAG_VIEW has them (supervisor/kept/kept.h).
#define LOOK_WATCH 2u
#define LOOK_JOIN 3u

struct look {
    uint32_t view; // 0: none
    bool raw;      // all that the session's terminal is sent is shown
};

// --watch or --join, and --raw behind it: they are taken away.
void look_take(struct look *look, int *argc, char ***argv);
