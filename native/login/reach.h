// Connects to the daemon's sockets, and says why where that fails.
#pragma once

#include <stdbool.h>

// A connected socket, or -1 with errno.
int reach_dial(const char *path);

// Whether a connection or a message that failed with this errno may succeed a moment later.
bool reach_may_come(int error);

// Prints that the daemon could not be reached, with what the user is to do, and ends the program.
_Noreturn void reach_failed(int error, const char *tell);
