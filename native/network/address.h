// Names addresses, protocols and ports the way that a network's plan does.
#pragma once

#include <stdint.h>

enum net_protocol { NET_ANY, NET_TCP, NET_UDP, NET_ICMP };

// An address or, with a shorter prefix, a range of them: the bits behind the prefix are 0.
struct net_prefix {
    int family;          // AF_INET, AF_INET6; 0: there is none
    uint8_t address[16]; // in network order; of AF_INET the first four
    uint8_t prefix;
};

struct net_ports {
    uint16_t first, last;
};

// An address that counts for a name, for that many seconds from now.
struct net_pin {
    struct net_prefix address;
    uint32_t seconds;
};
