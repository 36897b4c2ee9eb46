// Keeps a sandbox within its rate.
#include "serve/sandbox.h"

#define INTERVAL (SECONDS / LOOKUPS_A_SECOND)

uint64_t sandbox_wait(const struct sandbox *sandbox) {
    uint64_t most = loop_now() + LOOKUPS_AT_ONCE * INTERVAL;
    return sandbox->due_ns <= most ? 0 : sandbox->due_ns - most;
}

uint64_t sandbox_count(struct sandbox *sandbox) {
    uint64_t wait = sandbox_wait(sandbox), now = loop_now();
    if (wait == 0)
        sandbox->due_ns = (sandbox->due_ns < now ? now : sandbox->due_ns) + INTERVAL;
    return wait;
}
