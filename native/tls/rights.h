// Takes from a process that speaks TLS, before it hears of its client, everything but its two sockets.
#pragma once

#include <sys/types.h>

#include "err.h"

int rights_drop(uid_t id, struct err *err);
