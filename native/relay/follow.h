// Follows the host's resolv.conf: whose name it is, wherever links lead, and however it is replaced.
#pragma once

#include "dns/servers.h"
#include "err.h"

int follow_start(const char *path, struct err *err);
// Those of now; servers_use() for who keeps them.
struct servers *follow_servers(void);
unsigned follow_interface(const char *name);
