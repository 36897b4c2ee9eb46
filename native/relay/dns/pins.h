// Asks a supervisor to put the addresses of an answer into the sets of the rules that name the question,
// before the answer is given to who asked.
#pragma once

#include "dns/message.h"
#include "dns/policy.h"

// How long an address stays in its set at least: programs use one a little longer than they may. And at most.
#define PIN_LEAST_SECONDS 300
#define PIN_MOST_SECONDS (7 * 86400)
#define PIN_SPARE_SECONDS 60

// One of the fields NET_PIN of a message RELAY_PIN (docs/protocol.md).
struct pin {
    uint16_t set;
    uint8_t family; // AF_INET or AF_INET6
    uint8_t unused;
    uint32_t seconds;
    uint8_t address[16];
};

// The number of a request, and of the policy that it goes by.
struct pin_number {
    uint32_t request, generation;
};

// How many addresses have been named to the supervisor; 0: no rule is about it; -1: it could not be asked.
int pins_ask(int connection, const struct policy *policy, const struct dns_query *query,
             const uint8_t *answer, size_t length, struct pin_number number);
