// Filters what goes out of a sandbox and into it: the nftables of its own network namespace, which nobody
// inside may change and which nothing that is done to the host's touches. One table of `inet` decides by the
// policy; behind it one of `netdev` stops at the link whatever has gone round the first one, by source and
// destination alone. Used by the supervisor, as root, with sockets that it has opened in the namespace.
#pragma once

#include <stdint.h>

#include "err.h"
#include "plan.h"

// Puts the plan's rules in force, all at once. `socket`: nft_open(), from the namespace. `before`: the plan
// that was in force, or NULL in a new namespace. What the relay has pinned stays where the relay's part of
// the plan is the same; the count of connections goes on where its bounds are. 0, or -1 with `err`: then
// nothing has changed.
int rules_apply(int socket, const struct net_plan *plan, const struct net_plan *before, struct err *err);

// Has the rules with set `set` count for these as well, all of one family and each of them once. At once:
// each change of the rules makes the kernel wait. 0, or -1 with `err`: no such set, or more addresses in it
// than 2,048; then nothing has changed.
int rules_pin(int socket, const struct net_plan *plan, uint16_t set, const struct net_pin *pins, size_t count,
              struct err *err);

// Packets since the namespace began.
struct rules_counters {
    uint64_t refused; // by the rules, with `over`
    uint64_t over;    // above the bounds on connections
    uint64_t stopped; // at the link
};
int rules_counters(int socket, struct rules_counters *counters, struct err *err);
