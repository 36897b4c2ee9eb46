// Makes a host for tests of links: a network namespace of the test's own, with an address of each family that
// sandboxes ask.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "cleanup.h"
#include "netlink.h"
#include "words.h"

static int host = CLOSED_FD, route = CLOSED_FD;

static inline int own_namespace(void) {
    int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

static inline void raise_loopback(void) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    CHECK(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0);
    (void)close(fd);
}

static inline int udp_socket(int family, const char *address, uint16_t port, bool connected) {
    struct sockaddr_storage storage = {.ss_family = (sa_family_t)family};
    struct sockaddr_in *four = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&storage;
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    four->sin_port = htons(port); // at the same place in both
    CHECK(fd >= 0 && inet_pton(family, address,
                               family == AF_INET ? (void *)&four->sin_addr : (void *)&six->sin6_addr) == 1);
    socklen_t size = family == AF_INET ? sizeof *four : sizeof *six;
    if (connected)
        CHECK(connect(fd, (struct sockaddr *)&storage, size) == 0);
    else
        CHECK(bind(fd, (struct sockaddr *)&storage, size) == 0);
    return fd;
}

static inline void host_address(const char *text) {
    struct err err = {0};
    struct netlink_batch batch = {0};
    struct net_prefix address;
    CHECK(address_of(text, &address));
    const uint8_t info[8] = {(uint8_t)address.family, address.prefix, 0x02 /* IFA_F_NODAD */, 0, 1};
    netlink_begin(&batch, 20 /* RTM_NEWADDR */, NLM_F_CREATE, info, sizeof info, "address", NULL);
    netlink_put(&batch, 2 /* IFA_LOCAL */, address.address, address.family == AF_INET ? 4 : 16);
    CHECK(netlink_send(route, &batch, FAILURE_SYSTEM, &err) == 0);
    netlink_free(&batch);
}

// A worker of the kernel's makes the route that has the host take what is for an address of IPv6.
static inline void await_route(const char *prefix) {
    for (int tries = 0; tries < 1000; tries++) {
        char line[256];
        FILE *routes = fopen("/proc/net/ipv6_route", "re");
        CHECK(routes != NULL);
        bool found = false;
        while (fgets(line, sizeof line, routes) != NULL)
            found |= strncmp(line, prefix, strlen(prefix)) == 0 && strstr(line, " 80200001 ") != NULL;
        (void)fclose(routes);
        if (found)
            return;
        (void)usleep(10000);
    }
    CHECK(false);
}

// False: no network namespace may be made here, and nothing can be tested.
static inline bool make_host(void) {
    struct err err = {0};
    if (unshare(CLONE_NEWNET) != 0)
        return false;
    host = own_namespace();
    raise_loopback();
    route = netlink_open(NETLINK_ROUTE, &err);
    CHECK(route >= 0);
    host_address("198.51.100.1");
    host_address("2001:db8::1");
    await_route("20010db8000000000000000000000001 80 ");
    return true;
}
