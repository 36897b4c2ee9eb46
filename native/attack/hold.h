#pragma once

#include <stdbool.h>

// Of the process that holds.
#define HELD_NAME "dockersh-held"

int hold(const char *prefix);
