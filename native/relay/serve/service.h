// Takes supervisors' connections, and what they say (docs/protocol.md): which sockets to answer on, and how.
#pragma once

#include <stdbool.h>

#include "err.h"

// Listens on the socket. `program` is what HELLO is answered with.
int service_start(int listener, const char *program, struct err *err);
// Whether it may end: nobody is connected, and has not been for a while.
bool service_is_idle(void);
