// Gives up what a screen does not need: network, files but its own, processes, ids, capabilities and most
// system calls.
#pragma once

#include <sys/types.h>

#include "err.h"

// `node` and `script`: the programs that it may run and read. 0, or -1 with `err`.
int screen_rights(uid_t id, const char *node, const char *script, struct err *err);
