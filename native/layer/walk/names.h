// Reads the names in a folder, in one order on every file system.
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "err.h"

struct names {
    char **names; // sorted by their bytes
    size_t count;
};

// `folder` is borrowed.
int names_read(int folder, struct names *names, struct err *err);
void names_clear(struct names *names);
