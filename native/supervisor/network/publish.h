// Publishes ports of a sandbox on the host: opens what listens, at exactly the addresses that the plan names,
// and has a process of its own pass on what comes (publisher/publisher.h). There is none where nothing is
// published.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cgroup/cgroup.h"
#include "err.h"
#include "plan.h"

struct publication;

struct publisher {
    pid_t pid;   // 0: there is none
    int control; // to it
    uint32_t last_id;
    struct publication *list;
    size_t count, room;
};

#define PUBLISHER_NONE ((struct publisher){0, -EBADF, 0, NULL, 0, 0})

// Has it be as the plan says: from the host's network, `network` being the sandbox's namespace, as `id`,
// which is nobody on the host. What it uses counts for `cgroups` (NULL: nobody's). 0, or -1 with `err` where
// a port is somebody else's (FAILURE_PORT): then what could be had is published, and nothing that the plan
// does not name.
int publish_apply(struct publisher *publisher, const struct net_plan *plan, int network,
                  const struct cgroups *cgroups, uid_t id, struct err *err);
// Why a port of this range can't be had (errno); 0: it is published.
int publish_missing(const struct publisher *publisher, const struct net_published *range, unsigned offset);
bool publish_some_are_missing(const struct publisher *publisher);
// Its process has ended: it has been reaped. publish_apply() starts another.
void publish_lost(struct publisher *publisher);
// Ends it, and waits for its end.
void publish_end(struct publisher *publisher);
