#include "nft/batch.h"

#include <endian.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "cleanup.h"

// What a socket may send at once by default (net.core.wmem_default), less what the kernel wants of it.
#define PLAIN_SEND_BYTES (128u * 1024)

// Bound, so that it has a port by which notices of changes name it.
int nft_open(struct err *err) {
    cleanup_fd int fd = netlink_open(NETLINK_NETFILTER, err);
    struct sockaddr_nl own = {.nl_family = AF_NETLINK};
    if (fd < 0)
        return -1;
    if (bind(fd, (const struct sockaddr *)&own, sizeof own) != 0)
        return err_sys(err, "bind a netlink socket", NULL);
    return take_fd(&fd);
}

static void mark(struct nft_batch *batch, uint16_t type, const char *what) {
    const struct nfgenmsg general = {
        .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htobe16(NFNL_SUBSYS_NFTABLES)};
    netlink_begin(&batch->messages, type, 0, &general, sizeof general, what, NULL);
}

void nft_begin(struct nft_batch *batch) {
    memset(batch, 0, sizeof *batch);
    mark(batch, NFNL_MSG_BATCH_BEGIN, "begin to change nftables");
}

void nft_free(struct nft_batch *batch) {
    netlink_free(&batch->messages);
}

void nft_message(struct nft_batch *batch, unsigned type, unsigned flags, const char *what) {
    const struct nfgenmsg general = {.nfgen_family = batch->family, .version = NFNETLINK_V0};
    netlink_begin(&batch->messages, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), (uint16_t)flags, &general,
                  sizeof general, what, NULL);
}

void nft_put_data(struct nft_batch *batch, uint16_t type, const void *value, size_t length) {
    netlink_nest(&batch->messages, type);
    netlink_put(&batch->messages, NFTA_DATA_VALUE, value, length);
    netlink_close(&batch->messages);
}

int nft_commit(int socket, struct nft_batch *batch, struct err *err) {
    mark(batch, NFNL_MSG_BATCH_END, "change nftables");
    if (batch->messages.used > PLAIN_SEND_BYTES) {
        int size = (int)(2 * batch->messages.used);
        (void)setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    }
    return netlink_send(socket, &batch->messages, FAILURE_NETWORK, err);
}
