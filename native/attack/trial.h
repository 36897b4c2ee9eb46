// Makes attacks one by one, each in a process of its own, and keeps what came of the last one.
#pragma once

#include <stdbool.h>

#include "attack.h"

// Call before anything else. `arguments`: NAME=VALUE …, ended by what is none. SIGCHLD is blocked from then
// on.
bool trial_start(char **arguments);
// Becomes root of a user namespace of the user's, with one of each other kind, as PID 1 of its own. One for
// all attacks: the kernel takes its time to take namespaces away. Returns in the new process alone.
bool trial_enter_nested(void);
// In a process of its own, with what it starts: none can spoil the next one.
enum result trial_make(const struct attack *attack);
// A word on why the last one ended as it did.
const char *trial_detail(void);
