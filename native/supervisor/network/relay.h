// Lets the DNS relay answer in a sandbox: opens the two sockets there where names are asked for, hands them
// over, puts the addresses that the relay names into the rules' sets, and hands them to the next relay where
// this one has gone. What is asked meanwhile waits in the sockets.
//
// The relay reads what strangers wrote, and is not trusted beyond the sets that the policy has for names.
#pragma once

#include <stdint.h>

#include "err.h"
#include "plan.h"

struct relay {
    int udp, tcp;         // bound to the plan's resolver; CLOSED_FD: nobody is asked in this sandbox
    int connection;       // to the relay; CLOSED_FD while there is none
    uint64_t retry_at_ns; // of monotonic_ns(), when to connect again; UINT64_MAX: not at all
    uint32_t failures;    // in a row
    uint32_t generation;  // of NET_DNS: what is named by an older one's numbers is refused
};

#define RELAY_NONE ((struct relay){-EBADF, -EBADF, -EBADF, UINT64_MAX, 0, 0})

// In the sandbox's network namespace, whose loopback has the address. 0, also where the plan has no relay.
int relay_open(struct relay *relay, const struct net_plan *plan, struct err *err);
// Connects, and sends sockets and NET_DNS; tries again later where it can't. Also when retry_at_ns is over.
void relay_connect(struct relay *relay, const struct net_plan *plan);
// NET_DNS, or where the relay is, has changed.
void relay_renew(struct relay *relay, const struct net_plan *plan);
// Something can be read of the connection. `rules`: the netlink socket of rules_pin().
void relay_hear(struct relay *relay, const struct net_plan *plan, int rules);
void relay_close(struct relay *relay);
