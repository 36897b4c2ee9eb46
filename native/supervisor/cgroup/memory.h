// Reads from a sandbox's cgroups whether the kernel has killed something in it because memory ran out, and
// says what it is to kill first.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cgroup/cgroup.h"

// Whether that has happened since the last time that this was asked; `seen` is the caller's to keep, 0 at
// first.
bool memory_ran_out(const struct cgroups *cgroups, uint64_t *seen);
// How soon this process goes where memory is short, as proc(5) has it: -1000 to 1000.
void memory_score(const char *score);
