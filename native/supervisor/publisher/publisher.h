// Holds the published ports of one sandbox: a process of its own, started by the supervisor only where there
// are any. What listens lies in the host's network, and what is connected to in the sandbox's, whose loopback
// alone it can reach: it lives in that network, and has given up every right. It ends with the supervisor.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "loop.h"

#define PUBLISHED_MOST 1024   // ports
#define CONNECTIONS_MOST 1024 // of TCP, at a time
#define FLOWS_MOST 512        // of UDP, at a time

// A port of the host that is held. `inside`: the one that it leads to. One that somebody else has on the host
// is held inside instead.
struct port {
    struct watch watch;
    struct port *next;
    uint32_t id;
    uint16_t inside;
    bool stream;
};

// The process: `control` is the supervisor's end, `network` the sandbox's namespace. As `id`, which is
// nobody.
_Noreturn void publisher_run(int control, int network, uid_t id);

// streams.c: by TCP.
void streams_ready(struct watch *listener, uint32_t events);
// Ends all connections that came by this port.
void streams_end(const struct port *port);

// datagrams.c: by UDP.
void datagrams_begin(const struct port *port);
void datagrams_ready(struct watch *listener, uint32_t events);
void datagrams_end(const struct port *port);

// inside.c: a socket to the port on the loopback inside, by IPv4 or IPv6, that is connected or about to be.
int inside_connect(int type, bool six, uint16_t port);
// Takes a port of UDP inside, at every address, so that no program there can. -1: one has it already.
int inside_hold(uint16_t port);
