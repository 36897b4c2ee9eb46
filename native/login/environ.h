// Picks the environment variables of a login that travel into the sandbox. The daemon applies the same list
// again (src/shell/environment.ts): the client is the user's own process and is not believed. Here it only
// keeps the message small.
#pragma once

#include <stdbool.h>

bool environ_allowed(const char *assignment);
