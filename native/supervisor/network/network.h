// Gives a sandbox its private network and keeps it as the policy says: enters the sandbox's network
// namespace, opens sockets there, and goes back. The sockets stay in that namespace and keep it, and with it
// the link: nobody but the supervisor has them, and it closes them first of all when the sandbox ends.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "cgroup/cgroup.h"
#include "err.h"
#include "link/link.h"
#include "network/files.h"
#include "network/publish.h"
#include "network/relay.h"
#include "plan.h"
#include "refused.h"

struct network {
    int rules;   // nftables inside; CLOSED_FD: there is no private network
    int refused; // what these refuse, to be read
    uint64_t report_at_ns;
    struct refused_list list;
    struct relay relay;
    struct publisher publisher;
    uint64_t publish_at_ns; // when it is tried again what could not be published
    struct network_files files;
};

// What the sandbox's process that publishes ports is counted for, and who it is.
struct network_owner {
    const struct cgroups *cgroups;
    uid_t id;
};

void network_init(struct network *network);
// For the sandbox whose PID 1 this is, after it has made its network namespace. Packets go out from its end
// on.
int network_make(struct network *network, const struct net_plan *plan, pid_t init_pid,
                 const struct network_owner *owner, struct err *err);
// The plan in force becomes `next`; where it can't, it stays as it is.
int network_change(struct network *network, const struct net_plan *plan, const struct net_plan *next,
                   pid_t init_pid, struct err *err);
// Publishes what the plan says and nothing else: of a sandbox whose network has been made. -1: a port is
// somebody else's, which the plan does not allow; all others are published. What is shown inside follows.
int network_publish(struct network *network, const struct net_plan *plan, pid_t init_pid,
                    const struct network_owner *owner, struct err *err);
// A child has ended: where it was what publishes ports, another one is started at publish_at_ns.
void network_reap(struct network *network);
int network_count(const struct net_plan *plan, struct link_traffic *traffic, struct err *err);
// Takes the link away from whoever still holds the sandbox's network namespace.
void network_remove(const struct net_plan *plan);
void network_close(struct network *network);
