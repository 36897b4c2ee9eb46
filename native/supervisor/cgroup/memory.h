// Reads from a sandbox's cgroups whether the kernel has killed something in it because memory ran out.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cgroup/cgroup.h"

// Whether that has happened since the last time that this was asked; `seen` is the caller's to keep, 0 at
// first.
bool memory_ran_out(const struct cgroups *cgroups, uint64_t *seen);
