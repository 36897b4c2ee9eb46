// Gives a sandbox its private network and keeps it as the policy says: enters the sandbox's network
// namespace, opens sockets there, and goes back. The sockets stay in that namespace and keep it, and with it
// the link: nobody but the supervisor has them, and it closes them first of all when the sandbox ends.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "link/link.h"
#include "plan.h"
#include "refused.h"

struct network {
    int rules;   // nftables inside; CLOSED_FD: there is no private network
    int refused; // what these refuse, to be read
    uint64_t report_at_ns;
    struct refused_list list;
};

void network_init(struct network *network);
// For the sandbox whose PID 1 this is, after it has made its network namespace. Packets go out from its end
// on.
int network_make(struct network *network, const struct net_plan *plan, pid_t init_pid, struct err *err);
// The plan in force becomes `next`; where it can't, it stays as it is.
int network_change(struct network *network, const struct net_plan *plan, const struct net_plan *next,
                   pid_t init_pid, struct err *err);
int network_count(const struct net_plan *plan, struct link_traffic *traffic, struct err *err);
void network_close(struct network *network);
