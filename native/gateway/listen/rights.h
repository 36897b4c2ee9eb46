// Takes from a connection process, before it becomes one, everything but its sockets.
#pragma once

#include "err.h"

// The ids that connection processes run as: one of these each.
#define GATEWAY_FIRST_ID 0x7ffe0000u
#define GATEWAY_IDS 0x10000u

// Files that it may read: `addons` ends with a NULL.
struct gateway_program {
    const char *node, *script;
    const char *const *addons;
};

// `slot`: below GATEWAY_IDS.
int rights_drop(const struct gateway_program *program, unsigned slot, struct err *err);
