#include "refused.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>

#include "cleanup.h"
#include "nft/batch.h"
#include "nft/reply.h"

// In hundredths of a second: how long the kernel gathers before it says anything.
#define GATHERED 20

#define HEADER4_BYTES 20
#define HEADER6_BYTES 40
#define MOST_EXTENSIONS 8

enum protocol {
    HOP_BY_HOP = 0,
    TCP = 6,
    UDP = 17,
    DCCP = 33,
    ROUTING = 43,
    FRAGMENT = 44,
    AUTHENTICATION = 51,
    DESTINATION = 60,
    SCTP = 132,
    UDP_LITE = 136
};

// Binds the socket to the group, with as much of each packet as the rules give.
static int bind_group(int socket, struct err *err) {
    const struct nfulnl_msg_config_cmd bind_it = {.command = NFULNL_CFG_CMD_BIND};
    const struct nfulnl_msg_config_mode mode = {.copy_range = htobe32(UINT16_MAX),
                                                .copy_mode = NFULNL_COPY_PACKET};
    const struct nfgenmsg general = {
        .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htobe16(REFUSED_LOG_GROUP)};
    struct netlink_batch batch = {0};
    netlink_begin(&batch, NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG, 0, &general, sizeof general,
                  "bind the log of refused packets", NULL);
    netlink_put(&batch, NFULA_CFG_CMD, &bind_it, sizeof bind_it);
    netlink_put(&batch, NFULA_CFG_MODE, &mode, sizeof mode);
    netlink_put_be32(&batch, NFULA_CFG_TIMEOUT, GATHERED);
    int result = netlink_send(socket, &batch, FAILURE_NETWORK, err);
    netlink_free(&batch);
    return result;
}

int rules_refused_open(struct err *err) {
    cleanup_fd int fd = nft_open(err);
    if (fd < 0 || bind_group(fd, err) != 0)
        return -1;
    return take_fd(&fd);
}

static bool has_ports(uint8_t protocol) {
    return protocol == TCP || protocol == UDP || protocol == SCTP || protocol == DCCP || protocol == UDP_LITE;
}

static void take_port(const uint8_t *packet, size_t length, size_t at, struct refused *refused) {
    if (has_ports(refused->protocol) && at + 4 <= length)
        refused->port = (uint16_t)(packet[at + 2] << 8 | packet[at + 3]);
}

static bool parse4(const uint8_t *packet, size_t length, struct refused *refused) {
    size_t header = 4 * (size_t)(packet[0] & 0x0f);
    if (length < HEADER4_BYTES || header < HEADER4_BYTES)
        return false;
    refused->family = AF_INET;
    refused->protocol = packet[9];
    memcpy(refused->address, packet + 16, 4);
    bool later = ((packet[6] & 0x1f) | packet[7]) != 0; // a fragment that is not the first
    if (!later)
        take_port(packet, length, header, refused);
    return true;
}

// Goes by the extension headers to the protocol; where they end early, the last of them is what is known.
static bool parse6(const uint8_t *packet, size_t length, struct refused *refused) {
    if (length < HEADER6_BYTES)
        return false;
    size_t at = HEADER6_BYTES;
    refused->family = AF_INET6;
    refused->protocol = packet[6];
    memcpy(refused->address, packet + 24, 16);
    for (unsigned passed = 0; passed < MOST_EXTENSIONS && at + 8 <= length; passed++) {
        const uint8_t *extension = packet + at;
        switch (refused->protocol) {
        case HOP_BY_HOP:
        case ROUTING:
        case DESTINATION:
            at += 8 + 8 * (size_t)extension[1];
            break;
        case AUTHENTICATION:
            at += 8 + 4 * (size_t)extension[1];
            break;
        case FRAGMENT:
            if (((extension[2] << 8 | extension[3]) & 0xfff8) != 0)
                return true; // not the first
            at += 8;
            break;
        default:
            take_port(packet, length, at, refused);
            return true;
        }
        refused->protocol = extension[0];
    }
    take_port(packet, length, at, refused);
    return true;
}

static bool is_same(const struct refused *one, const struct refused *other) {
    return one->family == other->family && one->protocol == other->protocol && one->port == other->port &&
           memcmp(one->address, other->address, sizeof one->address) == 0;
}

static void add(struct refused_list *list, const struct refused *refused) {
    for (size_t index = 0; index < list->count; index++) {
        if (!is_same(&list->list[index], refused))
            continue;
        if (list->list[index].count < UINT32_MAX)
            list->list[index].count++;
        return;
    }
    if (list->count < sizeof list->list / sizeof *list->list)
        list->list[list->count++] = *refused;
    else if (list->others < UINT32_MAX)
        list->others++;
}

void rules_refused_parse(const uint8_t *bytes, size_t length, struct refused_list *list) {
    struct netlink_reader reader = {.at = bytes, .end = bytes + length};
    struct netlink_message message;
    struct netlink_attribute payload;
    while (netlink_next_message(&reader, &message)) {
        struct refused refused = {.count = 1};
        if (message.type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) ||
            !nft_find_in_message(&message, NFULA_PAYLOAD, &payload) || payload.length == 0)
            continue;
        unsigned version = payload.value[0] >> 4;
        if (version == 4 ? parse4(payload.value, payload.length, &refused)
                         : version == 6 && parse6(payload.value, payload.length, &refused))
            add(list, &refused);
    }
}

void rules_refused_read(int socket, struct refused_list *list) {
    uint8_t bytes[16384];
    // A bound, because a user may fill it as fast as it is read.
    for (int datagrams = 0; datagrams < 64; datagrams++) {
        ssize_t got = recv(socket, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got > 0)
            rules_refused_parse(bytes, (size_t)got, list);
        else if (got == 0 || (errno != EINTR && errno != ENOBUFS))
            return; // ENOBUFS: some were lost, others are there
    }
}
