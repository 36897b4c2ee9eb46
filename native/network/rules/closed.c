#include "rules/closed.h"

#include <string.h>
#include <sys/socket.h>

static const struct net_prefix always[] = {
    // "This network" and loopback: a host with route_localnet would take these from a link.
    {AF_INET, {0}, 8},
    {AF_INET, {127}, 8},
    // Link-local, with the metadata service of most clouds (169.254.169.254).
    {AF_INET, {169, 254}, 16},
    // Metadata: of Azure, of Alibaba, of Oracle's older one.
    {AF_INET, {168, 63, 129, 16}, 32},
    {AF_INET, {100, 100, 100, 200}, 32},
    {AF_INET, {192, 0, 0, 192}, 32},
    // Multicast and broadcast.
    {AF_INET, {224}, 4},
    {AF_INET, {255, 255, 255, 255}, 32},
    // Unspecified, loopback and IPv4-compatible; IPv4-mapped, which is for sockets and never for packets.
    {AF_INET6, {0}, 96},
    {AF_INET6, {[10] = 0xff, [11] = 0xff}, 96},
    {AF_INET6, {0xfe, 0x80}, 10},
    {AF_INET6, {0xff}, 8},
    // Metadata: of AWS, Google, Oracle, Scaleway.
    {AF_INET6, {0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54}, 128},
    {AF_INET6, {0xfd, 0x20, 0x00, 0xce, [14] = 0x02, [15] = 0x54}, 128},
    {AF_INET6, {0xfd, 0x00, 0x00, 0xc1, [12] = 0xa9, [13] = 0xfe, [14] = 0xa9, [15] = 0xfe}, 128},
    {AF_INET6, {0xfd, 0x00, 0x00, 0x42, [15] = 0x42}, 128},
};

// The address of IPv6 that a translator turns into that of IPv4 (RFC 6052).
static struct net_prefix translated(const struct net_prefix *four) {
    struct net_prefix six = {AF_INET6, {0x00, 0x64, 0xff, 0x9b}, (uint8_t)(96 + four->prefix)};
    memcpy(six.address + 12, four->address, 4);
    return six;
}

static void add(struct ranges *closed, const struct net_prefix *prefix) {
    ranges_add(closed, prefix);
    if (prefix->family == AF_INET) {
        struct net_prefix six = translated(prefix);
        ranges_add(closed, &six);
    }
}

void closed_of(const struct net_plan *plan, struct ranges *closed) {
    for (size_t index = 0; index < sizeof always / sizeof *always; index++)
        add(closed, &always[index]);
    add(closed, &plan->pool4);
    add(closed, &plan->pool6);
    for (size_t index = 0; index < plan->host_count; index++)
        add(closed, &plan->hosts[index]);
    ranges_merge(closed);
}
