// Lists files that lie so deep in a layer that no path reaches them. A user makes such folders one by one,
// from inside.
#pragma once

#include <stdint.h>

#include "err.h"

struct deep_result {
    uint64_t entries;
    uint64_t unseen; // folders that were not looked into: they are deeper than even this goes
};

// Writes "A PREFIX//[N folders]//NAME\0" to stdout for everything below `folder` (borrowed), which nothing in
// other layers lies below. N folders that are not named lie between PREFIX and NAME, `between` of them above
// what is in `folder` itself; no path has two slashes in a row. What goes meanwhile is left out.
int deep_list(int folder, const char *prefix, uint64_t between, struct deep_result *result, struct err *err);
