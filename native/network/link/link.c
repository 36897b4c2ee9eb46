#include "link/link.h"

#include <linux/ethtool.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "link/qdisc.h"
#include "link/setting.h"
#include "netlink.h"

// The next hop inside: no machine has it, and none is asked for it. Without one, the kernel would remember
// each destination as a neighbour, in the host's table.
static const struct net_prefix gateway4 = {.family = AF_INET, .address = {169, 254, 0, 1}, .prefix = 32};
static const struct net_prefix gateway6 = {
    .family = AF_INET6, .address = {0xfe, 0x80, [15] = 1}, .prefix = 128};

#define LOOPBACK_INDEX 1 // in every namespace (net/core/dev.c: it is the first)
#define HARDWARE_BYTES 6

static int fail(struct err *err, const char *what, const char *object) {
    return err_code(err, FAILURE_NETWORK, what, object);
}

static int index_of(const char *name, int route, struct err *err) {
    struct ifreq request = {0};
    (void)snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    if (ioctl(route, SIOCGIFINDEX, &request) != 0)
        return fail(err, "find the link", name);
    return request.ifr_ifindex;
}

static size_t bytes_of(const struct net_prefix *address) {
    return address->family == AF_INET ? 4 : 16;
}

// ---- parts of messages -------------------------------------------------------------------------------

// What both ends have. One queue each: as many as there are processors take half a megabyte.
static void put_end(struct netlink_batch *batch, const struct net_plan *plan, const char *name) {
    uint8_t hardware[HARDWARE_BYTES] = {0x02, 0x68}; // of no maker; the same for a user at any time
    memcpy(hardware + 2, plan->address4.address, 4);
    netlink_put_text(batch, IFLA_IFNAME, name);
    netlink_put(batch, IFLA_ADDRESS, hardware, sizeof hardware);
    netlink_put_u32(batch, IFLA_NUM_TX_QUEUES, 1);
    netlink_put_u32(batch, IFLA_NUM_RX_QUEUES, 1);
    if (plan->mtu != 0)
        netlink_put_u32(batch, IFLA_MTU, plan->mtu);
}

static void put_pair(struct netlink_batch *batch, const struct net_plan *plan, int namespace) {
    const struct ifinfomsg info = {.ifi_flags = IFF_NOARP, .ifi_change = IFF_NOARP};
    netlink_begin(batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof info, "make the link",
                  plan->link);
    put_end(batch, plan, plan->link);
    netlink_nest(batch, IFLA_LINKINFO);
    netlink_put(batch, IFLA_INFO_KIND, "veth", 4);
    netlink_nest(batch, IFLA_INFO_DATA);
    netlink_nest_header(batch, VETH_INFO_PEER, &info, sizeof info);
    put_end(batch, plan, LINK_INSIDE);
    netlink_put_u32(batch, IFLA_NET_NS_FD, (uint32_t) namespace);
    netlink_close(batch);
    netlink_close(batch);
    netlink_close(batch);
}

static void put_conf(struct netlink_batch *batch, int setting, uint32_t value) {
    netlink_put_u32(batch, (uint16_t)setting, value);
}

// Of the host's end, for IPv4: it forwards, whatever the host does elsewhere, and takes nothing for granted
// that comes out of a sandbox. The kernel does for these what it does for the files in /proc/sys.
static void put_settings(struct netlink_batch *batch) {
    netlink_nest(batch, AF_INET);
    netlink_nest(batch, IFLA_INET_CONF);
    put_conf(batch, IPV4_DEVCONF_FORWARDING, 1);
    put_conf(batch, IPV4_DEVCONF_RP_FILTER, 1);
    put_conf(batch, IPV4_DEVCONF_ACCEPT_REDIRECTS, 0);
    put_conf(batch, IPV4_DEVCONF_SECURE_REDIRECTS, 0);
    put_conf(batch, IPV4_DEVCONF_SEND_REDIRECTS, 0);
    put_conf(batch, IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE, 0);
    put_conf(batch, IPV4_DEVCONF_ACCEPT_LOCAL, 0);
    put_conf(batch, IPV4_DEVCONF_ROUTE_LOCALNET, 0);
    put_conf(batch, IPV4_DEVCONF_PROXY_ARP, 0);
    netlink_close(batch);
    netlink_close(batch);
}

// Before it is up: it gets no address of its own making.
static void put_af_spec(struct netlink_batch *batch, const struct net_plan *plan, int index, bool host) {
    const struct ifinfomsg info = {.ifi_index = index};
    netlink_begin(batch, RTM_NEWLINK, 0, &info, sizeof info, "set the link's", "addresses and forwarding");
    netlink_nest(batch, IFLA_AF_SPEC);
    if (host)
        put_settings(batch);
    if (plan->address6.family != 0) {
        netlink_nest(batch, AF_INET6);
        netlink_put_u8(batch, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
        netlink_close(batch);
    }
    netlink_close(batch);
}

static void put_up(struct netlink_batch *batch, int index) {
    const struct ifinfomsg info = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    netlink_begin(batch, RTM_NEWLINK, 0, &info, sizeof info, "raise the link", NULL);
}

static void put_address(struct netlink_batch *batch, const struct net_prefix *address, int index) {
    const struct ifaddrmsg info = {.ifa_family = (uint8_t)address->family,
                                   .ifa_prefixlen = address->prefix,
                                   .ifa_flags = address->family == AF_INET6 ? IFA_F_NODAD : 0,
                                   .ifa_scope = RT_SCOPE_UNIVERSE,
                                   .ifa_index = (uint32_t)index};
    netlink_begin(batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &info, sizeof info,
                  "give the sandbox its address", NULL);
    netlink_put(batch, IFA_LOCAL, address->address, bytes_of(address));
    if (address->family == AF_INET)
        netlink_put(batch, IFA_ADDRESS, address->address, bytes_of(address));
}

static void begin_route(struct netlink_batch *batch, const struct rtmsg *info, int index, const char *what) {
    netlink_begin(batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, info, sizeof *info, what, NULL);
    netlink_put_u32(batch, RTA_OIF, (uint32_t)index);
}

// It replaces the one of the same user's sandbox before, whose link may still be on its way out.
static void put_route(struct netlink_batch *batch, const struct net_prefix *to, int index) {
    const struct rtmsg info = {.rtm_family = (uint8_t)to->family,
                               .rtm_dst_len = to->prefix,
                               .rtm_table = RT_TABLE_MAIN,
                               .rtm_protocol = RTPROT_STATIC,
                               .rtm_scope = RT_SCOPE_LINK,
                               .rtm_type = RTN_UNICAST};
    begin_route(batch, &info, index, "make the route to the sandbox");
    netlink_put(batch, RTA_DST, to->address, bytes_of(to));
}

static void put_way_out(struct netlink_batch *batch, const struct net_prefix *gateway, int index) {
    const struct rtmsg info = {.rtm_family = (uint8_t)gateway->family,
                               .rtm_table = RT_TABLE_MAIN,
                               .rtm_protocol = RTPROT_STATIC,
                               .rtm_scope = RT_SCOPE_UNIVERSE,
                               .rtm_type = RTN_UNICAST,
                               .rtm_flags = RTNH_F_ONLINK};
    begin_route(batch, &info, index, "make the sandbox's way out");
    netlink_put(batch, RTA_GATEWAY, gateway->address, bytes_of(gateway));
}

// For IPv6 a worker of the kernel's makes this, a while after the address. What came before that was lost.
static void put_local(struct netlink_batch *batch, const struct net_prefix *own, int index) {
    const struct rtmsg info = {.rtm_family = (uint8_t)own->family,
                               .rtm_dst_len = own->prefix,
                               .rtm_table = RT_TABLE_LOCAL,
                               .rtm_protocol = RTPROT_STATIC,
                               .rtm_scope = RT_SCOPE_HOST,
                               .rtm_type = RTN_LOCAL};
    begin_route(batch, &info, index, "have the sandbox take what is for its address");
    netlink_put(batch, RTA_DST, own->address, bytes_of(own));
}

// ---- the link ------------------------------------------------------------------------------------------

// A router advertisement out of a sandbox must not give the host a route.
static int settings6(const struct net_plan *plan, const char *link, bool host, struct err *err) {
    if (plan->address6.family == 0)
        return setting_write_if_there("ipv6", link, "disable_ipv6", "1", err);
    // The host may say of new devices that they have none.
    if (setting_write("ipv6", link, "disable_ipv6", "0", err) != 0 ||
        setting_write("ipv6", link, "accept_ra", "0", err) != 0 ||
        setting_write("ipv6", link, "accept_redirects", "0", err) != 0)
        return -1;
    return host ? setting_write_if_there("ipv6", link, "force_forwarding", "1", err) : 0;
}

int link_make(const struct net_plan *plan, int route, int namespace, struct err *err) {
    __attribute__((cleanup(netlink_free))) struct netlink_batch batch = {0};
    put_pair(&batch, plan, namespace);
    if (netlink_send(route, &batch, FAILURE_NETWORK, err) != 0)
        return -1;
    int index = index_of(plan->link, route, err);
    if (index < 0 || settings6(plan, plan->link, true, err) != 0)
        return -1;
    netlink_clear(&batch);
    put_af_spec(&batch, plan, index, true);
    put_up(&batch, index);
    put_route(&batch, &plan->address4, index);
    if (plan->address6.family != 0)
        put_route(&batch, &plan->address6, index);
    if (plan->rate_in != 0)
        qdisc_put_rate(&batch, index, plan->rate_in);
    return netlink_send(route, &batch, FAILURE_NETWORK, err);
}

int link_remove(const struct net_plan *plan, int route, struct err *err) {
    __attribute__((cleanup(netlink_free))) struct netlink_batch batch = {0};
    struct err gone = {0};
    const struct ifinfomsg info = {.ifi_index = index_of(plan->link, route, &gone)};
    if (info.ifi_index < 0)
        return 0;
    netlink_begin(&batch, RTM_DELLINK, 0, &info, sizeof info, "remove the link", plan->link);
    (void)netlink_send(route, &batch, FAILURE_NETWORK, err); // whether it has gone counts
    return index_of(plan->link, route, &gone) < 0 ? 0 : -1;
}

int link_inside(const struct net_plan *plan, int route, struct err *err) {
    __attribute__((cleanup(netlink_free))) struct netlink_batch batch = {0};
    int index = index_of(LINK_INSIDE, route, err);
    // Everybody inside may ping. The groups are the host's: we write it, who are in its user namespace.
    if (index < 0 || setting_write("ipv4", NULL, "ping_group_range", "0 2147483647", err) != 0 ||
        settings6(plan, LINK_INSIDE, false, err) != 0)
        return -1;
    if (plan->resolver.family != 0)
        put_address(&batch, &plan->resolver, LOOPBACK_INDEX);
    if (plan->address6.family != 0)
        put_af_spec(&batch, plan, index, false);
    if (plan->rate_out != 0)
        qdisc_put_rate(&batch, index, plan->rate_out);
    put_up(&batch, index);
    put_address(&batch, &plan->address4, index);
    put_way_out(&batch, &gateway4, index);
    if (plan->address6.family != 0) {
        put_address(&batch, &plan->address6, index);
        put_local(&batch, &plan->address6, index);
        put_way_out(&batch, &gateway6, index);
    }
    return netlink_send(route, &batch, FAILURE_NETWORK, err);
}

// An end that was raised while the other was down passes nothing before a worker of the kernel's has seen the
// other one go up, which waits for whoever changes any network device. To ask for its state has it seen now,
// on kernels from 6.8 on.
void link_settle(const struct net_plan *plan, int route) {
    struct ethtool_value value = {.cmd = ETHTOOL_GLINK};
    struct ifreq request = {.ifr_data = (void *)&value};
    (void)snprintf(request.ifr_name, sizeof request.ifr_name, "%s", plan->link);
    (void)ioctl(route, SIOCETHTOOL, &request);
}

int link_set_rate(const char *name, int route, uint64_t rate, struct err *err) {
    __attribute__((cleanup(netlink_free))) struct netlink_batch batch = {0};
    int index = index_of(name, route, err);
    if (index < 0)
        return -1;
    qdisc_put_rate(&batch, index, rate);
    return netlink_send(route, &batch, FAILURE_NETWORK, err);
}

int link_set_mtu(const char *name, int route, uint32_t mtu, struct err *err) {
    __attribute__((cleanup(netlink_free))) struct netlink_batch batch = {0};
    const struct ifinfomsg info = {0};
    netlink_begin(&batch, RTM_NEWLINK, 0, &info, sizeof info, "set the MTU of the link", name);
    netlink_put_text(&batch, IFLA_IFNAME, name);
    netlink_put_u32(&batch, IFLA_MTU, mtu);
    return netlink_send(route, &batch, FAILURE_NETWORK, err);
}

static int hear_traffic(void *context, const struct netlink_message *message, struct err *err) {
    struct link_traffic *traffic = context;
    struct netlink_reader reader = netlink_attributes(message, sizeof(struct ifinfomsg));
    struct netlink_attribute attribute;
    struct rtnl_link_stats64 stats;
    while (netlink_next_attribute(&reader, &attribute)) {
        // Newer kernels count more, behind these.
        size_t least = offsetof(struct rtnl_link_stats64, rx_errors);
        if (attribute.type != IFLA_STATS64 || attribute.length < least)
            continue;
        memcpy(&stats, attribute.value, least);
        *traffic = (struct link_traffic){.bytes_in = stats.tx_bytes,
                                         .packets_in = stats.tx_packets,
                                         .bytes_out = stats.rx_bytes,
                                         .packets_out = stats.rx_packets};
        return 0;
    }
    return err_plain(err, FAILURE_NETWORK, "count what has passed", NULL);
}

int link_traffic(const struct net_plan *plan, int route, struct link_traffic *traffic, struct err *err) {
    __attribute__((cleanup(netlink_free))) struct netlink_batch batch = {0};
    const struct ifinfomsg info = {0};
    netlink_begin(&batch, RTM_GETLINK, 0, &info, sizeof info, "count what has passed", plan->link);
    netlink_put_text(&batch, IFLA_IFNAME, plan->link);
    return netlink_ask(route, &batch, hear_traffic, traffic, FAILURE_NETWORK, err);
}
