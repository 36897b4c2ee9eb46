// Attacks on what a private network keeps closed: addresses of the host, of neighbours and of clouds'
// machines, and packets that say they come from somebody else.
#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attack.h"
#include "cleanup.h"

// What is refused is answered at once.
#define PATIENCE_MS 2000

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool has_no_network(void) {
    return !given("network", "private");
}

// "192.0.2.1" or "2001:db8::1", with a port.
static socklen_t parse_address(const char *text, uint16_t port, union address *address) {
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, text, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons(port);
        return sizeof address->v4;
    }
    if (inet_pton(AF_INET6, text, &address->v6.sin6_addr) != 1)
        return 0;
    address->v6.sin6_family = AF_INET6;
    address->v6.sin6_port = htons(port);
    if (IN6_IS_ADDR_LINKLOCAL(&address->v6.sin6_addr))
        address->v6.sin6_scope_id = if_nametoindex("eth0");
    return sizeof address->v6;
}

// 0: connected; an errno; ETIMEDOUT where nobody answers in time.
static int try_connection(const char *text, uint16_t port) {
    union address address;
    socklen_t length = parse_address(text, port, &address);
    cleanup_fd int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (length == 0 || fd < 0)
        return length == 0 ? EINVAL : errno;
    if (connect(fd, &address.any, length) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    struct pollfd polled = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof error;
    if (poll(&polled, 1, PATIENCE_MS) != 1)
        return ETIMEDOUT;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

static enum result must_be_refused(const char *text, uint16_t port) {
    int error = try_connection(text, port);
    if (error == 0)
        return broken("%s answers", text);
    if (error == ETIMEDOUT)
        return broken("%s: nobody refuses it within %d s", text, PATIENCE_MS / 1000);
    return held("%s: %s", text, strerror(error));
}

// The addresses that tell machines of clouds their secrets, and where cloud providers' own services are.
static enum result connect_metadata(const struct attack *attack) {
    (void)attack;
    static const char *const addresses[] = {"169.254.169.254", "169.254.170.2", "169.254.169.123",
                                            "100.100.100.200", "168.63.129.16", "fd00:ec2::254",
                                            "fd20:ce::254"};
    if (has_no_network())
        return held("the policy gives no network of its own");
    for (size_t index = 0; index < sizeof addresses / sizeof addresses[0]; index++) {
        enum result result = must_be_refused(addresses[index], 80);
        if (result != HELD)
            return result;
    }
    return HELD;
}

static enum result connect_neighbours(const struct attack *attack) {
    (void)attack;
    static const char *const addresses[] = {"169.254.1.1", "fe80::1", "224.0.0.251", "255.255.255.255",
                                            "ff02::1"};
    if (has_no_network())
        return held("the policy gives no network of its own");
    for (size_t index = 0; index < sizeof addresses / sizeof addresses[0]; index++) {
        union address address;
        socklen_t length = parse_address(addresses[index], 5353, &address);
        cleanup_fd int fd = socket(address.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        int yes = 1;
        if (fd < 0)
            return unattempted("socket: %s", strerror(errno));
        (void)setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes);
        if (sendto(fd, "", 1, 0, &address.any, length) >= 0)
            return broken("a packet for %s was sent", addresses[index]);
    }
    return held("%s", strerror(errno));
}

// One argument or several, with commas between: addresses of the host's or of another sandbox, with a service
// at the port.
static enum result connect_service(const struct attack *attack) {
    char list[512], *rest = list, *text;
    (void)snprintf(list, sizeof list, "%s", argument(attack->needs));
    uint16_t port = (uint16_t)argument_number("service-port");
    while ((text = strsep(&rest, ",")) != NULL) {
        enum result result = must_be_refused(text, port);
        if (result != HELD)
            return result;
    }
    return HELD;
}

// Sends from an address that is somebody else's, by every way that wants no privilege.
static enum result send_as(int family, const char *source, const char *target) {
    union address from, to;
    socklen_t length = parse_address(source, 0, &from);
    (void)parse_address(target, 9, &to);
    cleanup_fd int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int yes = 1;
    if (fd < 0)
        return unattempted("socket: %s", strerror(errno));
    int level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
    int option = family == AF_INET ? IP_FREEBIND : IPV6_FREEBIND;
    (void)setsockopt(fd, level, family == AF_INET ? IP_TRANSPARENT : IPV6_TRANSPARENT, &yes, sizeof yes);
    // Without it a packet that is dropped on its way out is no error.
    (void)setsockopt(fd, level, family == AF_INET ? IP_RECVERR : IPV6_RECVERR, &yes, sizeof yes);
    if (setsockopt(fd, level, option, &yes, sizeof yes) != 0)
        return unattempted("freebind: %s", strerror(errno));
    if (bind(fd, &from.any, length) != 0)
        return held("bind: %s", strerror(errno));
    if (sendto(fd, "spoofed", 7, 0, &to.any, length) >= 0)
        return broken("a packet from %s was sent", source);
    return held("send: %s", strerror(errno));
}

static enum result spoof(const struct attack *attack) {
    if (has_no_network())
        return held("the policy gives no network of its own");
    if (strcmp(attack->with, "v4") == 0)
        return send_as(AF_INET, "192.0.2.77", "192.0.2.1");
    return send_as(AF_INET6, "2001:db8::77", "2001:db8::1");
}

static enum result open_raw(const struct attack *attack) {
    (void)attack;
    static const struct {
        int family, type, protocol;
    } kinds[] = {
        {AF_INET, SOCK_RAW, IPPROTO_RAW},  {AF_INET, SOCK_RAW, IPPROTO_ICMP},
        {AF_INET6, SOCK_RAW, IPPROTO_RAW}, {AF_PACKET, SOCK_RAW, ETH_P_ALL},
        {AF_PACKET, SOCK_DGRAM, ETH_P_IP}, {AF_INET6, SOCK_RAW, IPPROTO_ICMPV6},
    };
    for (size_t index = 0; index < sizeof kinds / sizeof kinds[0]; index++) {
        cleanup_fd int fd =
            socket(kinds[index].family, kinds[index].type | SOCK_CLOEXEC, kinds[index].protocol);
        if (fd >= 0)
            return broken("a raw socket of family %d", kinds[index].family);
    }
    return held("%s", strerror(errno));
}

// Takes eth0 down, gives it another address, or sets a route: what root of the network's namespace may.
static enum result reconfigure(const struct attack *attack) {
    (void)attack;
    struct ifreq request = {.ifr_name = "eth0"};
    cleanup_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (has_no_network())
        return held("the policy gives no network of its own");
    if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) != 0)
        return unattempted("eth0: %s", strerror(errno));
    if (ioctl(fd, SIOCSIFFLAGS, &request) == 0)
        return broken("its flags can be set");
    request.ifr_mtu = 1280;
    if (ioctl(fd, SIOCSIFMTU, &request) == 0)
        return broken("its MTU can be set");
    union address address;
    (void)parse_address("192.0.2.77", 0, &address);
    memcpy(&request.ifr_addr, &address.v4, sizeof address.v4);
    if (ioctl(fd, SIOCSIFADDR, &request) == 0)
        return broken("its address can be set");
    return held("%s", strerror(errno));
}

#define SERVICE(whose, what)                                                                                 \
    {                                                                                                        \
        .name = whose "-service", .tries = "connect to a service at an address of " what,                    \
        .must = "is refused at once", .places = NOT_NESTED, .needs = whose "-addresses",                     \
        .run = connect_service                                                                               \
    }
#define SPOOF(version)                                                                                       \
    {                                                                                                        \
        .name = "spoof-" version,                                                                            \
        .tries = "send a packet from an address that is not its own, by IP" version, .must = "is refused",   \
        .places = NOT_NESTED, .run = spoof, .with = (version)                                                \
    }

static const struct attack attacks[] = {
    {.name = "metadata-addresses",
     .tries = "connect to the addresses that tell machines of clouds their secrets",
     .must = "is refused at once",
     .places = NOT_NESTED,
     .run = connect_metadata},
    {.name = "link-local",
     .tries = "send to link-local, multicast and broadcast addresses",
     .must = "is refused",
     .places = NOT_NESTED,
     .run = connect_neighbours},
    SERVICE("host", "the host's"),
    SERVICE("other", "another user's sandbox"),
    SPOOF("v4"),
    SPOOF("v6"),
    {.name = "raw-sockets",
     .tries = "open sockets that send what they like",
     .must = "is refused",
     .places = NOT_NESTED,
     .run = open_raw},
    {.name = "reconfigure",
     .tries = "change the interface, its address or its MTU",
     .must = "is refused",
     .places = NOT_NESTED,
     .run = reconfigure},
};

const struct family network_family = FAMILY(attacks);
