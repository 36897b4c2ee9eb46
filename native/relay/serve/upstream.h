// Asks the servers one question: one after the other, each from a socket of its own with a port and an id
// that nobody can guess, and takes the first answer that is one.
#pragma once

#include "dns/framed.h"
#include "dns/message.h"
#include "dns/servers.h"
#include "loop.h"

struct upstream;

struct attempt {
    struct watch watch;
    struct upstream *upstream;
    uint16_t id;
    bool sent; // by TCP: what comes now is the answer
    struct framed framed;
};

struct upstream {
    const struct dns_query *query;
    uint8_t *message; // the query's; its id is the attempts'
    size_t length;
    bool stream; // by TCP
    struct servers *servers;
    struct attempt attempts[MOST_SERVERS];
    unsigned tried; // a bit for each
    unsigned rounds;
    uint64_t ends_at_ns;
    struct timer timer;
    // Once. With NULL: nobody has answered. The answer's id is not the asker's.
    void (*done)(struct upstream *upstream, const uint8_t *answer, size_t length);
};

// With everything up to `servers`, and `done`, filled in; `done` may be called at once.
void upstream_start(struct upstream *upstream);
// Closes what is open.
void upstream_stop(struct upstream *upstream);
