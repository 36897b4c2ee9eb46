// Makes a sandbox's link to the host: a pair of veth devices, one of which is born inside the sandbox's
// network namespace, with addresses and routes. It ends with that namespace. Nobody takes it down before,
// because that takes the kernel a hundredth of a second, and no login may wait for it.
//
// Packets pass at once because nobody asks for hardware addresses. Both ends have the same one and neither
// does ARP or neighbour discovery, whose table is one for the whole host and would overflow with some hundred
// sandboxes.
#pragma once

#include <stdint.h>

#include "err.h"
#include "plan.h"

// Of the end inside.
#define LINK_INSIDE "eth0"

// From the host's namespace, where `route` (netlink.h) has been opened: makes both ends, the one inside
// `namespace` down, the host's up, with the routes to the sandbox and the rate into it.
int link_make(const struct net_plan *plan, int route, int namespace, struct err *err);
// Takes both ends away, where they are there: an earlier sandbox's network may be held by a process that is
// not in it, of sshd's for instance.
int link_remove(const struct net_plan *plan, int route, struct err *err);
// From inside the sandbox's namespace, where `route` has been opened as well: addresses, the ways out, and
// the rate out of the sandbox. From its end on packets go out, so that whatever keeps them back must be there
// already.
int link_inside(const struct net_plan *plan, int route, struct err *err);
// Has the host's end take packets from now on, and not when the kernel gets round to it.
void link_settle(const struct net_plan *plan, int route);

// Another rate, or none, for packets that leave by the device `name`, in bytes a second. Those of a sandbox
// that come in leave by the host's end.
int link_set_rate(const char *name, int route, uint64_t rate, struct err *err);
int link_set_mtu(const char *name, int route, uint32_t mtu, struct err *err);

struct link_traffic {
    uint64_t bytes_in, packets_in; // into the sandbox
    uint64_t bytes_out, packets_out;
};
int link_traffic(const struct net_plan *plan, int route, struct link_traffic *traffic, struct err *err);
