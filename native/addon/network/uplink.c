#include "network/uplink.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "values.h"

// The host's ends of sandboxes' links, which come and go with them.
#define OWN_LINKS "dsh"

// uplinkWatch(): a descriptor that can be read when the network has changed.
napi_value uplink_watch(napi_env env, napi_callback_info info) {
    (void)info;
    struct sockaddr_nl groups = {.nl_family = AF_NETLINK,
                                 .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE |
                                              RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (fd < 0)
        return throw_errno(env, "socket", "NETLINK_ROUTE");
    if (bind(fd, (struct sockaddr *)&groups, sizeof groups) != 0) {
        int number = errno;
        (void)close(fd);
        errno = number;
        return throw_errno(env, "bind", "NETLINK_ROUTE");
    }
    return number_value(env, fd);
}

static bool is_own_link(const struct nlmsghdr *message) {
    if (message->nlmsg_len < NLMSG_LENGTH(sizeof(struct ifinfomsg)))
        return false;
    size_t left = message->nlmsg_len - NLMSG_LENGTH(sizeof(struct ifinfomsg));
    const struct rtattr *attribute =
        (const void *)((const char *)NLMSG_DATA(message) + NLMSG_ALIGN(sizeof(struct ifinfomsg)));
    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
        if (attribute->rta_type == IFLA_IFNAME)
            return RTA_PAYLOAD(attribute) > strlen(OWN_LINKS) &&
                   memcmp(RTA_DATA(attribute), OWN_LINKS, strlen(OWN_LINKS)) == 0;
    }
    return false;
}

// Whether it is about more than a sandbox's link and its routes.
static bool matters(const struct nlmsghdr *message) {
    switch (message->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
        return !is_own_link(message);
    case RTM_NEWADDR:
    case RTM_DELADDR:
        return true;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
        return message->nlmsg_len >= NLMSG_LENGTH(sizeof(struct rtmsg)) &&
               ((const struct rtmsg *)NLMSG_DATA(message))->rtm_dst_len == 0;
    default:
        return false;
    }
}

// uplinkChanged(fd): reads all that has been told. True: something of it matters, or some was lost.
napi_value uplink_changed(napi_env env, napi_callback_info info) {
    napi_value values[1], result = NULL;
    int fd;
    if (!arguments(env, info, 1, values) || !number_of(env, values[0], &fd))
        return NULL;
    _Alignas(struct nlmsghdr) char bytes[32768];
    bool any = false;
    for (;;) {
        ssize_t count = recv(fd, bytes, sizeof bytes, 0);
        if (count < 0 && (errno == EINTR || errno == ENOBUFS)) {
            any = any || errno == ENOBUFS;
            continue;
        }
        if (count <= 0)
            break;
        size_t left = (size_t)count;
        const struct nlmsghdr *message = (const void *)bytes;
        for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left))
            any = matters(message) || any;
    }
    (void)napi_get_boolean(env, any, &result);
    return result;
}

// False: JavaScript has been told why. `there`: whether there is such an interface, and it answers.
static bool ask(napi_env env, napi_callback_info info, unsigned long what, struct ifreq *request,
                bool *there) {
    napi_value values[1];
    if (!arguments(env, info, 1, values) ||
        !text_of(env, values[0], request->ifr_name, sizeof request->ifr_name))
        return false;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        (void)throw_errno(env, "socket", "AF_INET");
        return false;
    }
    *there = ioctl(fd, what, request) == 0;
    (void)close(fd);
    return true;
}

// linkMtu(name): 0 where there is no such interface.
napi_value link_mtu(napi_env env, napi_callback_info info) {
    struct ifreq request = {0};
    bool there;
    if (!ask(env, info, SIOCGIFMTU, &request, &there))
        return NULL;
    return number_value(env, there ? request.ifr_mtu : 0);
}

// linkIsBridge(name)
napi_value link_is_bridge(napi_env env, napi_callback_info info) {
    struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
    struct ifreq request = {.ifr_data = &driver};
    napi_value result = NULL;
    bool there;
    if (!ask(env, info, SIOCETHTOOL, &request, &there))
        return NULL;
    (void)napi_get_boolean(env, there && strcmp(driver.driver, "bridge") == 0, &result);
    return result;
}
