// A sandbox that the relay answers: the supervisor's connection, the two sockets that lie in the sandbox's
// network, and the bounds within which it is answered.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dns/policy.h"
#include "loop.h"

#define MOST_LOOKUPS 48
#define MOST_CLIENTS 16
// Each takes a place in the table where the host tracks connections, for half a minute, by TCP for two: 5,000
// of them at most, or 14,000.
#define LOOKUPS_A_SECOND 100
#define LOOKUPS_AT_ONCE 2000

struct lookup;
struct client;

struct sandbox {
    struct watch connection;
    struct watch udp, listener;
    struct timer resume; // when the two are read again
    struct policy *policy;
    struct lookup *lookups;
    struct client *clients;
    unsigned lookup_count, client_count;
    uint32_t pins;       // asked for, ever
    uint32_t generation; // of the policy, as the supervisor counts
    uint64_t due_ns;     // when all that has been asked would have been within the rate
};

// Counts one more. How long to wait instead, where there have been too many: 0 where it has been counted.
uint64_t sandbox_count(struct sandbox *sandbox);
// As above, without counting.
uint64_t sandbox_wait(const struct sandbox *sandbox);
