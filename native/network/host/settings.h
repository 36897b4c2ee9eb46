// Names what the host's table for private networks goes by.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "address.h"

struct host_table {
    struct net_prefix pool4, pool6; // no family: none
    const struct net_prefix *open;  // sandboxes' addresses that reach more than the way out
    size_t open_count;
    // Interfaces that forward because of us: for sandboxes alone. "*": all of them.
    const char *const *closed;
    size_t closed_count;
    uint32_t connections; // of one address, at a time
};
