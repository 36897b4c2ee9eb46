// Forwards of a connection: connections that are made in the sandbox, and sockets that listen there. A
// process of the user's makes them (forwarder.h); the monitor knows who waits for what, and passes on what
// has been made.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "inside/request.h"

struct inside;
struct forwards;

// NULL: memory is short.
struct forwards *forwards_new(void);
// The path of the newest agent's socket, or NULL.
const char *forwards_agent(const struct forwards *forwards);
// GW_CONNECT, GW_LISTEN and GW_CLOSE, as it came. -1: the connection has to end.
int forwards_hear(struct inside *inside, const struct request *request, const uint8_t *bytes, size_t length);
// Of the forwarder, or CLOSED_FD; and what to do when it is readable.
int forwards_poll(const struct forwards *forwards);
int forwards_ready(struct inside *inside);
void forwards_reap(struct inside *inside);
// The forwarder takes away what it has made, and ends.
void forwards_close(struct inside *inside);
