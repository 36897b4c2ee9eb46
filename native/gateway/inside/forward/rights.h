// System calls that the forwarder may still make: sockets, what the C library needs to find names, and paths
// for sockets. It can execute nothing.
#pragma once

#include "err.h"

// 0, or -1 with `err`. Needs no_new_privs.
int forward_rights_drop(struct err *err);
