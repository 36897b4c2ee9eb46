// Starts screens: what interprets a terminal's bytes (src/screen), when a keeper asks for it. A program of
// Node's, which has no rights, no network and no file but its own, and which the sandbox's cgroup bounds.
#pragma once

#include "supervisor.h"

// The programs: Node's, and what it is to run. Without these there are none.
void screens_are(const char *node, const char *script);
// Ends one that is there, starts another, and puts the keeper's end of its socket into `socket`. Its pid, or
// -1.
pid_t screen_start(const struct supervisor *supervisor, int *socket);
