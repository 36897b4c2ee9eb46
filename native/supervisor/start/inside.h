// PID 1's way from clone() to exec(): the part of building a sandbox that must be done inside its
// own namespaces. Runs in the child only, with the host's filesystem still in sight until
// pivot_root; executes no code but ours.
#pragma once

#include "shared.h"
#include "spec.h"

// Never returns. `peer` talks to the supervisor; `init_binary` is the descriptor of dockersh-init.
_Noreturn void inside_run(const struct spec *spec, struct shared *shared, int peer, int init_binary);
