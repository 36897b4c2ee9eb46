// What every process of a sandbox has given up before it runs anything of the user's: capabilities,
// the way back to them (no_new_privs), and the system calls of the filter in native/seccomp. PID 1
// and the spawner, from which all sessions are forked, call the same function.
#pragma once

#include "err.h"

int lockdown(struct err *err);
