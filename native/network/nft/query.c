#include "nft/query.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

// The kernel asks for room of this size, or gives less at a time.
#define ANSWER_BYTES 32768

static int request(int socket, unsigned type, unsigned family, struct err *err) {
    struct {
        struct nlmsghdr header;
        struct nfgenmsg general;
    } message = {.header = {.nlmsg_len = sizeof message,
                            .nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type),
                            .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                 .general = {.nfgen_family = (uint8_t)family, .version = NFNETLINK_V0}};
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    if (sendto(socket, &message, sizeof message, 0, (const struct sockaddr *)&kernel, sizeof kernel) !=
        (ssize_t)sizeof message)
        return err_sys(err, "ask for nftables", NULL);
    return 0;
}

// 1: there is more; 0: that was all; negative: an errno.
static int take_all(const uint8_t *bytes, size_t length, void (*take)(const struct nft_item *, void *),
                    void *data) {
    struct nft_item message;
    while (nft_next_message(&bytes, &length, &message)) {
        int32_t error;
        if (message.type == NLMSG_DONE)
            return 0;
        if (message.type != NLMSG_ERROR) {
            take(&message, data);
            continue;
        }
        if (message.length < sizeof error)
            return -EPROTO;
        memcpy(&error, message.value, sizeof error);
        return error < 0 ? error : 0;
    }
    return 1;
}

int nft_list(int socket, unsigned type, unsigned family,
             void (*take)(const struct nft_item *message, void *data), void *data, struct err *err) {
    _Alignas(struct nlmsghdr) uint8_t bytes[ANSWER_BYTES];
    if (request(socket, type, family, err) != 0)
        return -1;
    for (;;) {
        ssize_t got = recv(socket, bytes, sizeof bytes, 0);
        if (got < 0 && errno == EINTR)
            continue;
        int more = got < 0 ? -errno : take_all(bytes, (size_t)got, take, data);
        if (more == 0)
            return 0;
        if (more < 0) {
            errno = -more;
            return err_sys(err, "list nftables", NULL);
        }
    }
}
