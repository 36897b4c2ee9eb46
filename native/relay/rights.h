// Gives up, for good, everything that the relay does not need: what it reads comes from users and from the
// network.
#pragma once

#include "err.h"

// Any number that nobody else has: below those of sandboxes (src/isolation/ids.ts), above those of users.
// With nobody's (65534) other daemons could send it signals.
#define RELAY_ID 0x7fff5344u

// `resolv_conf` may be read afterwards, and what it links to in /etc, in /run and where it leads now.
int rights_drop(const char *resolv_conf, struct err *err);
