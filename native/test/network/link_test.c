// Tests of a sandbox's link (network/link.c) with real devices, in namespaces of the test's own: where none
// may be made, it says so and tests nothing. What the daemon forbids (rules) and what lies behind the host is
// tested elsewhere; here the two ends must reach each other at once, each time, whatever the link before is
// doing.

#include "link/link.h"

#include <errno.h>
#include <ifaddrs.h>
#include <poll.h>

#include "link_host.h"

#define ROUNDS 64

static struct net_plan plan_of(const char *link, bool six) {
    struct net_plan plan = {.mtu = 1420};
    (void)strcpy(plan.link, link);
    CHECK(address_of("10.99.0.1", &plan.resolver) && address_of("10.99.1.7", &plan.address4));
    if (six)
        CHECK(address_of("fd99::7", &plan.address6));
    return plan;
}

// A sandbox's namespace with its link; the caller is in the host's again.
static int make(const struct net_plan *plan) {
    struct err err = {0};
    CHECK(unshare(CLONE_NEWNET) == 0);
    raise_loopback();
    int inside = own_namespace();
    CHECK(setns(host, CLONE_NEWNET) == 0);
    if (link_make(plan, route, inside, &err) != 0) {
        (void)fprintf(stderr, "%s '%s': %s\n", err.what, err.object, strerror(err.number));
        CHECK(false);
    }
    CHECK(setns(inside, CLONE_NEWNET) == 0);
    int route_inside = netlink_open(NETLINK_ROUTE, &err);
    if (link_inside(plan, route_inside, &err) != 0) {
        (void)fprintf(stderr, "%s '%s': %s\n", err.what, err.object, strerror(err.number));
        CHECK(false);
    }
    (void)close(route_inside);
    CHECK(setns(host, CLONE_NEWNET) == 0);
    link_settle(plan, route);
    return inside;
}

// A datagram from the sandbox to an address of the host's, and back, without a second try.
static void exchange(int inside, int family, const char *hosts, const char *sandboxes) {
    char byte = 'a';
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    int server = udp_socket(family, hosts, 4000, false);
    CHECK(setns(inside, CLONE_NEWNET) == 0);
    int client = udp_socket(family, hosts, 4000, true);
    CHECK(send(client, &byte, 1, 0) == 1);
    CHECK(setns(host, CLONE_NEWNET) == 0);
    struct pollfd wait = {.fd = server, .events = POLLIN};
    CHECK(poll(&wait, 1, 500) == 1);
    CHECK(recvfrom(server, &byte, 1, 0, (struct sockaddr *)&peer, &size) == 1);
    char from[INET6_ADDRSTRLEN];
    CHECK(inet_ntop(family,
                    family == AF_INET ? (void *)&((struct sockaddr_in *)&peer)->sin_addr
                                      : (void *)&((struct sockaddr_in6 *)&peer)->sin6_addr,
                    from, sizeof from) != NULL);
    CHECK(strcmp(from, sandboxes) == 0);
    CHECK(sendto(server, "b", 1, 0, (struct sockaddr *)&peer, size) == 1);
    wait.fd = client;
    CHECK(poll(&wait, 1, 500) == 1 && recv(client, &byte, 1, 0) == 1 && byte == 'b');
    (void)close(client);
    (void)close(server);
}

static unsigned links_here(void) {
    unsigned count = 0;
    struct if_nameindex *list = if_nameindex();
    for (struct if_nameindex *at = list; at != NULL && at->if_index != 0; at++)
        count++;
    if_freenameindex(list);
    return count;
}

static void test_both_families(void) {
    struct net_plan plan = plan_of("dsha-1", true);
    int inside = make(&plan);
    exchange(inside, AF_INET, "198.51.100.1", "10.99.1.7");
    exchange(inside, AF_INET6, "2001:db8::1", "fd99::7");

    // No address of the kernel's own making at either end, and the host's has none at all.
    struct ifaddrs *list;
    CHECK(getifaddrs(&list) == 0);
    for (const struct ifaddrs *at = list; at != NULL; at = at->ifa_next)
        CHECK(strcmp(at->ifa_name, "lo") == 0 || at->ifa_addr == NULL ||
              at->ifa_addr->sa_family == AF_PACKET);
    freeifaddrs(list);
    CHECK(setns(inside, CLONE_NEWNET) == 0);
    int found = 0;
    CHECK(getifaddrs(&list) == 0);
    for (const struct ifaddrs *at = list; at != NULL; at = at->ifa_next)
        found += strcmp(at->ifa_name, LINK_INSIDE) == 0 && at->ifa_addr != NULL &&
                 at->ifa_addr->sa_family != AF_PACKET;
    freeifaddrs(list);
    CHECK(found == 2);
    CHECK(setns(host, CLONE_NEWNET) == 0);

    struct err err = {0};
    struct link_traffic traffic;
    CHECK(link_traffic(&plan, route, &traffic, &err) == 0);
    CHECK(traffic.packets_in == 2 && traffic.packets_out == 2 && traffic.bytes_out == traffic.bytes_in);
    CHECK(link_set_mtu(plan.link, route, 1300, &err) == 0);
    static const uint64_t rates[] = {1, 1000, 12500000, UINT32_MAX, 1ull << 40, UINT64_MAX};
    for (size_t index = 0; index < sizeof rates / sizeof *rates; index++)
        CHECK(link_set_rate(plan.link, route, rates[index], &err) == 0);
    CHECK(link_set_rate(plan.link, route, 0, &err) == 0 && link_set_rate(plan.link, route, 0, &err) == 0);
    exchange(inside, AF_INET, "198.51.100.1", "10.99.1.7");
    (void)close(inside);
}

static void test_four_alone(void) {
    struct net_plan plan = plan_of("dsha-2", false);
    plan.rate_in = plan.rate_out = 1000000;
    int inside = make(&plan);
    exchange(inside, AF_INET, "198.51.100.1", "10.99.1.7");
    CHECK(setns(inside, CLONE_NEWNET) == 0);
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(4000)};
    CHECK(inet_pton(AF_INET6, "2001:db8::1", &to.sin6_addr) == 1);
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == -1 && errno == ENETUNREACH);
    (void)close(fd);
    CHECK(setns(host, CLONE_NEWNET) == 0);
    (void)close(inside);
}

// The same user again and again, while the links before are still being taken down.
static void test_again_at_once(void) {
    for (int round = 0; round < ROUNDS; round++) {
        char name[NET_LINK_BYTES];
        (void)snprintf(name, sizeof name, "dsha-r%d", round);
        struct net_plan plan = plan_of(name, true);
        int inside = make(&plan);
        exchange(inside, AF_INET, "198.51.100.1", "10.99.1.7");
        exchange(inside, AF_INET6, "2001:db8::1", "fd99::7");
        (void)close(inside);
    }
    for (int tries = 0; links_here() > 1 && tries < 1000; tries++)
        (void)usleep(10000);
    CHECK(links_here() == 1);
}

// What still holds the namespace does not keep the link.
static void test_held(void) {
    struct net_plan plan = plan_of("dsha-1", true);
    struct err err = {0};
    unsigned before = links_here();
    CHECK(link_remove(&plan, route, &err) == 0);
    int held = make(&plan);
    CHECK(links_here() == before + 1);
    CHECK(link_remove(&plan, route, &err) == 0 && links_here() == before);
    (void)close(held);
}

static void test_failures(void) {
    struct err err = {0};
    struct net_plan plan = plan_of("dsha-3", true);
    int inside = make(&plan);
    CHECK(link_make(&plan, route, inside, &err) == -1 && err.code == FAILURE_NETWORK && err.number == EEXIST);
    CHECK(link_inside(&plan, route, &err) == -1 && err.number == ENODEV); // there is no such end here
    CHECK(link_set_rate("none", route, 5, &err) == -1 && err.number == ENODEV);
    (void)strcpy(plan.link, "dsha-4");
    CHECK(link_traffic(&plan, route, &(struct link_traffic){0}, &err) == -1 && err.number == ENODEV);
    (void)close(inside);
}

int main(void) {
    if (!make_host()) {
        (void)printf("link_test: no network namespace may be made, nothing is tested\n");
        return 0;
    }
    test_both_families();
    test_four_alone();
    test_again_at_once();
    test_held();
    test_failures();
    (void)printf("link_test: ok\n");
    return 0;
}
