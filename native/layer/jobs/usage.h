// Adds up how much of the disk a folder takes.
#pragma once

#include <stdint.h>

#include "err.h"

struct usage_result {
    uint64_t entries;
    uint64_t bytes; // of blocks; a file with several names counts once
};

int usage_of(const char *path, struct usage_result *result, struct err *err);
