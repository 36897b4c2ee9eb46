// The sockets where clients connect: the service manager's, where it has made some, or our own.
#pragma once

#include <stddef.h>

#include "err.h"
#include "settings.h"

#define SOCKETS_MOST (2 * MOST_LISTENERS)

// Those of the service manager (sd_listen_fds(3)); how many there are.
size_t sockets_inherited(int sockets[SOCKETS_MOST]);
// One that listens at ADDRESS:PORT, [ADDRESS]:PORT or PORT, which is every address: two then. How many; -1:
// none.
int sockets_listen(const char *address, int sockets[2], struct err *err);
