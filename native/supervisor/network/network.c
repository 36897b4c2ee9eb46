#include "network/network.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "netlink.h"
#include "nft/batch.h"
#include "rules/rules.h"
#include "shared.h"

#define PUBLISH_AGAIN_NS 1000000000u
// A port that is another program's may be free some time.
#define MISSING_AGAIN_NS 5000000000u

// What there is to come back to, and to go to.
struct places {
    int host, sandbox;
};

static void close_places(struct places *places) {
    close_fd_at(&places->host);
    close_fd_at(&places->sandbox);
}
#define cleanup_places __attribute__((cleanup(close_places)))

static int open_places(struct places *places, pid_t init_pid, struct err *err) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/ns/net", (int)init_pid);
    places->host = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    places->sandbox = open(path, O_RDONLY | O_CLOEXEC);
    if (places->host < 0 || places->sandbox < 0)
        return err_code(err, FAILURE_NETWORK, "open the network namespace", NULL);
    return 0;
}

static int enter(int namespace, struct err *err) {
    if (setns(namespace, CLONE_NEWNET) != 0)
        return err_code(err, FAILURE_NETWORK, "enter the network namespace", NULL);
    return 0;
}

void network_init(struct network *network) {
    network->rules = network->refused = CLOSED_FD;
    network->report_at_ns = network->publish_at_ns = UINT64_MAX;
    network->relay = RELAY_NONE;
    network->publisher = PUBLISHER_NONE;
    network->files = (struct network_files){.folder = CLOSED_FD};
}

// In the sandbox's namespace. The rules come before the link is up: nothing has ever passed without them.
static int fill(struct network *network, const struct net_plan *plan, struct err *err) {
    network->rules = nft_open(err);
    if (network->rules < 0 || rules_apply(network->rules, plan, NULL, err) != 0)
        return -1;
    network->refused = rules_refused_open(err);
    cleanup_fd int route = network->refused < 0 ? CLOSED_FD : netlink_open(NETLINK_ROUTE, err);
    if (route < 0 || link_inside(plan, route, err) != 0)
        return -1;
    return relay_open(&network->relay, plan, err);
}

static int make(struct network *network, const struct net_plan *plan, pid_t init_pid, struct err *err) {
    cleanup_places struct places places = {CLOSED_FD, CLOSED_FD};
    cleanup_fd int route = netlink_open(NETLINK_ROUTE, err);
    if (route < 0 || open_places(&places, init_pid, err) != 0 || link_remove(plan, route, err) != 0 ||
        link_make(plan, route, places.sandbox, err) != 0 || enter(places.sandbox, err) != 0)
        return -1;
    int filled = fill(network, plan, err);
    struct err back = {0};
    if (enter(places.host, &back) != 0) {
        *err = back;
        return -1;
    }
    if (filled != 0)
        return -1;
    link_settle(plan, route);
    relay_connect(&network->relay, plan);
    return 0;
}

int network_publish(struct network *network, const struct net_plan *plan, pid_t init_pid,
                    const struct network_owner *owner, struct err *err) {
    cleanup_places struct places places = {CLOSED_FD, CLOSED_FD};
    int published = 0;
    network->publish_at_ns = UINT64_MAX;
    if (plan->published_count > 0 || network->publisher.pid > 0) {
        if (open_places(&places, init_pid, err) != 0)
            return -1;
        published = publish_apply(&network->publisher, plan, places.sandbox, owner->cgroups, owner->id, err);
    }
    if (publish_some_are_missing(&network->publisher))
        network->publish_at_ns = monotonic_ns() + MISSING_AGAIN_NS;
    network_files_write(&network->files, plan, &network->publisher);
    if (published != 0 && err->code == FAILURE_PORT && !plan->strict) {
        *err = (struct err){0};
        return 0;
    }
    return published;
}

void network_reap(struct network *network) {
    pid_t pid = network->publisher.pid;
    if (pid <= 0 || waitpid(pid, NULL, WNOHANG) != pid)
        return;
    publish_lost(&network->publisher);
    network->publish_at_ns = monotonic_ns() + PUBLISH_AGAIN_NS;
}

// Whatever fails, a policy that wants a network is told so: the sandbox does not start without.
int network_make(struct network *network, const struct net_plan *plan, pid_t init_pid,
                 const struct network_owner *owner, struct err *err) {
    if (make(network, plan, init_pid, err) == 0 && network_publish(network, plan, init_pid, owner, err) == 0)
        return 0;
    if (err->code != FAILURE_PORT)
        err->code = FAILURE_NETWORK;
    network_close(network);
    return -1;
}

static int change_device(const char *name, uint64_t rate_before, uint64_t rate, uint32_t mtu_before,
                         uint32_t mtu, struct err *err) {
    if (rate == rate_before && (mtu == mtu_before || mtu == 0))
        return 0;
    cleanup_fd int route = netlink_open(NETLINK_ROUTE, err);
    if (route < 0 || (rate != rate_before && link_set_rate(name, route, rate, err) != 0))
        return -1;
    return mtu == mtu_before || mtu == 0 ? 0 : link_set_mtu(name, route, mtu, err);
}

static int change_inside(const struct net_plan *plan, const struct net_plan *next, pid_t init_pid,
                         struct err *err) {
    if (next->rate_out == plan->rate_out && next->mtu == plan->mtu)
        return 0;
    cleanup_places struct places places = {CLOSED_FD, CLOSED_FD};
    if (open_places(&places, init_pid, err) != 0 || enter(places.sandbox, err) != 0)
        return -1;
    int changed = change_device(LINK_INSIDE, plan->rate_out, next->rate_out, plan->mtu, next->mtu, err);
    struct err back = {0};
    if (enter(places.host, &back) == 0)
        return changed;
    *err = back;
    return -1;
}

// The rules last: what comes before can be done again, and it is they that say which plan is in force.
int network_change(struct network *network, const struct net_plan *plan, const struct net_plan *next,
                   pid_t init_pid, struct err *err) {
    if (!net_plan_is_same_link(plan, next))
        return err_plain(err, FAILURE_PROTOCOL, "a running sandbox has another link", next->link);
    if (change_device(plan->link, plan->rate_in, next->rate_in, plan->mtu, next->mtu, err) != 0 ||
        change_inside(plan, next, init_pid, err) != 0)
        return -1;
    if (rules_apply(network->rules, next, plan, err) != 0)
        return -1;
    relay_renew(&network->relay, next);
    return 0;
}

int network_count(const struct net_plan *plan, struct link_traffic *traffic, struct err *err) {
    cleanup_fd int route = netlink_open(NETLINK_ROUTE, err);
    return route < 0 ? -1 : link_traffic(plan, route, traffic, err);
}

void network_remove(const struct net_plan *plan) {
    struct err ignored = {0};
    cleanup_fd int route = netlink_open(NETLINK_ROUTE, &ignored);
    if (route >= 0)
        (void)link_remove(plan, route, &ignored);
}

void network_close(struct network *network) {
    close_fd_at(&network->rules);
    close_fd_at(&network->refused);
    relay_close(&network->relay);
    publish_end(&network->publisher);
    network_files_close(&network->files);
    network->report_at_ns = network->publish_at_ns = UINT64_MAX;
}
