#include "nft/query.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

int nft_list(int socket, unsigned type, unsigned family, netlink_hear *hear, void *context, struct err *err) {
    const struct nfgenmsg general = {.nfgen_family = (uint8_t)family, .version = NFNETLINK_V0};
    struct netlink_batch batch = {0};
    netlink_begin(&batch, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), NLM_F_DUMP, &general, sizeof general,
                  "list nftables", NULL);
    int result = netlink_ask(socket, &batch, hear, context, FAILURE_NETWORK, err);
    netlink_free(&batch);
    return result;
}
