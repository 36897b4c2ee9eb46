// Tells whether somebody else has changed the host's table.
#include <errno.h>
#include <sys/socket.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "cleanup.h"
#include "host/table.h"
#include "nft/batch.h"
#include "nft/reply.h"

int host_table_watch(struct err *err) {
    static const int group = NFNLGRP_NFTABLES;
    cleanup_fd int fd = nft_open(err);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
        return err_sys(err, "watch nftables", NULL);
    return take_fd(&fd);
}

// In every kind of message the first attribute is the table's name.
bool host_table_is_changed_by(const uint8_t *bytes, size_t length, uint32_t own) {
    struct netlink_reader reader = {.at = bytes, .end = bytes + length};
    struct netlink_message message;
    struct netlink_attribute table;
    while (netlink_next_message(&reader, &message)) {
        if (message.type >> 8 == NFNL_SUBSYS_NFTABLES && message.sender != own && message.length > 0 &&
            message.body[0] == NFPROTO_INET && nft_find_in_message(&message, NFTA_TABLE_NAME, &table) &&
            nft_is_text(&table, HOST_TABLE))
            return true;
    }
    return false;
}

static uint32_t port_of(int socket) {
    struct sockaddr_nl address = {0};
    socklen_t length = sizeof address;
    if (socket < 0 || getsockname(socket, (struct sockaddr *)&address, &length) != 0)
        return 0;
    return address.nl_pid;
}

bool host_table_changed(int watch, int own) {
    uint8_t bytes[32768];
    uint32_t port = port_of(own);
    bool changed = false;
    for (;;) {
        ssize_t got = recv(watch, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got > 0)
            changed |= host_table_is_changed_by(bytes, (size_t)got, port);
        else if (got < 0 && errno == ENOBUFS)
            changed = true; // some were lost
        else if (got == 0 || errno != EINTR)
            return changed;
    }
}
