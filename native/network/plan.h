// Parses what the daemon says about a sandbox's private network (the NET_* fields of MSG_SANDBOX and
// MSG_NETWORK, docs/protocol.md). The daemon is trusted; names, lengths and counts are checked all the same,
// because what is made of them is made with root's rights on the host.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "err.h"
#include "wire.h"

// With the NUL at its end; the kernel's IFNAMSIZ.
#define NET_LINK_BYTES 16
#define NET_NAME_BYTES 64
#define NET_MOST_RULES 4096
#define NET_MOST_HOSTS 256
#define NET_MOST_PEERS 2048
#define NET_MOST_PUBLISHED 256
#define NET_MOST_DNS_BYTES (64 * 1024)
#define NET_MOST_RESOLV_CONF_BYTES 4096

enum net_kind { NET_NONE = 0, NET_HOST = 1, NET_PRIVATE = 2, NET_KINDS };

enum net_verdict { NET_ALLOW, NET_DENY, NET_OPEN };

struct net_rule {
    enum net_verdict verdict;
    enum net_protocol protocol;
    struct net_prefix target; // no family: the addresses of `set`
    uint16_t set;             // which set the DNS relay's answers fill
    struct net_ports ports;   // 0 to 65535: every packet, with ports or without
};

// A member of a network that this sandbox shares.
struct net_peer {
    char name[NET_NAME_BYTES];
    struct net_prefix address;
};

// A port of the host, or as many as `outside` has, that lead to those `inside`.
struct net_published {
    enum net_protocol protocol; // NET_TCP or NET_UDP
    struct net_prefix address;  // of the host
    struct net_ports outside, inside;
};

struct net_plan {
    char link[NET_LINK_BYTES];       // the host's end
    struct net_prefix address4;      // the sandbox's own
    struct net_prefix address6;      // no family: there is no IPv6
    struct net_prefix resolver;      // IPv4; on the loopback inside
    struct net_prefix pool4, pool6;  // what all sandboxes' addresses are from
    uint32_t mtu;                    // 0: the kernel's default
    uint64_t rate_in, rate_out;      // bytes a second into the sandbox, and out of it; 0: no bound
    uint32_t connections;            // at a time; 0: no bound
    uint32_t new_connections;        // a second; 0: no bound
    struct net_rule *rules;          // in the policy's order
    struct net_prefix *hosts;        // addresses of the host's own
    struct net_peer *peers;          //
    struct net_published *published; //
    size_t rule_count, host_count, peer_count, published_count;
    char *relay;  // path of the DNS relay's socket; NULL: none
    uint8_t *dns; // for the relay; never read here
    size_t dns_bytes;
    char *resolv_conf; // what /etc/resolv.conf says inside; NULL: nothing
    bool strict;       // a port that is published and taken is a failure
};

// Takes one field into the plan, which begins as all zeros. 1: taken; 0: no field of the network's; -1:
// broken.
int net_plan_field(struct net_plan *plan, const struct wire_field *field);
// Whether a private network can be made of it. 0, or -1 with `err`.
int net_plan_check(const struct net_plan *plan, struct err *err);
// Whether it is about the same link and addresses as `other`: nothing else changes while a sandbox runs.
bool net_plan_is_same_link(const struct net_plan *plan, const struct net_plan *other);
void net_plan_free(struct net_plan *plan);
