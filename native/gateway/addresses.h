// Says who a client is, and where it has come to.
#pragma once

#include <sys/socket.h>

#include "monitor/monitor.h"

// Fills in `from` and `address` of who is at `connection`.
void addresses_name(struct arrival *arrival, int connection, const struct sockaddr_storage *peer,
                    socklen_t peer_size);
