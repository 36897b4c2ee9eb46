// One question of a sandbox's, from when it is read until it is answered: by the relay itself, or by a
// server; and where a rule names it, only after the supervisor has put the addresses into their sets.
#pragma once

#include <netinet/in.h>

#include "follow.h"
#include "serve/sandbox.h"
#include "serve/upstream.h"

// Who asks by TCP.
struct asker {
    void (*answer)(struct asker *asker, const uint8_t *bytes, size_t length);
};

struct lookup {
    struct sandbox *sandbox;
    struct lookup *next, **place; // in the sandbox's list
    struct asker *asker;          // NULL: by UDP
    struct sockaddr_storage *from;
    socklen_t from_size;
    struct dns_query query;
    struct upstream upstream;
    uint32_t pin;
    uint8_t *answer; // that waits for its addresses' pins
    size_t answer_length;
    struct timer pin_timer;
};

// Each returns the lookup where it goes on: it is answered later.
struct lookup *lookup_by_udp(struct sandbox *sandbox, const struct sockaddr_storage *from, socklen_t size,
                             const uint8_t *bytes, size_t length);
struct lookup *lookup_by_tcp(struct sandbox *sandbox, struct asker *asker, const uint8_t *bytes,
                             size_t length);
// Nobody wants the answer any more.
void lookup_drop(struct lookup *lookup);
// The supervisor's answer about a pin.
void lookup_pinned(struct sandbox *sandbox, uint32_t pin, bool done);
