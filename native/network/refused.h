// Reads what the rules of a sandbox have logged of refused packets: where they were to go. The bytes are a
// user's own.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "err.h"

// Of nflog, to which the rules log.
#define REFUSED_LOG_GROUP 1

struct refused {
    int family;       // AF_INET, AF_INET6
    uint8_t protocol; // IPPROTO_*
    uint8_t address[16];
    uint16_t port;  // 0: there is none
    uint32_t count; // of the logged ones, which are fewer than the refused where there are many
};

struct refused_list {
    struct refused list[64];
    size_t count;
    uint32_t others; // for which there was no room
};

// A non-blocking socket in the caller's network namespace, on which what is refused there from now on can be
// read. Non-negative, or -1 with `err`.
int rules_refused_open(struct err *err);
// Adds to the list what is there, same ones together.
void rules_refused_read(int socket, struct refused_list *list);
// One datagram of it.
void rules_refused_parse(const uint8_t *bytes, size_t length, struct refused_list *list);
