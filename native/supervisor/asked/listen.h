// Makes the address inside a sandbox where its processes ask for what its user may have.
#pragma once

#include "err.h"

// In PID 1, while nothing of the user's runs: `run` is the sandbox's /run. The result is the supervisor's to
// accept on.
int asked_listen(int run, int *listener, struct err *err);
