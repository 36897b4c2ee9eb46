// Prepares a fork to become another program that a stranger talks to: with few descriptors, and signals as at
// the beginning.
#pragma once

#include <stdbool.h>

// Has these from 3 on, /dev/null as 0 and 1, the log as 2, and no others.
bool child_prepare(const int *fds, int count);
