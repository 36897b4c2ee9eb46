// Hears what the gateway's monitor says of its connection's forwards, and passes it on to the daemon. sshd's
// says nothing.
#pragma once

#include "supervisor.h"

// `id`: of the connection. `socket`: to the monitor; closed where that has gone.
void forwards_heard(const struct supervisor *supervisor, const char *id, int *socket);
