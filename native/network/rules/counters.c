// Reads the counters of a sandbox's rules.
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "nft/batch.h"
#include "nft/query.h"
#include "nft/reply.h"
#include "rules/chains.h"
#include "rules/rules.h"

static void take_counter(const struct nft_item *message, void *data) {
    struct rules_counters *counters = data;
    struct nft_item name, value, packets;
    if (!nft_find_in_message(message, NFTA_OBJ_NAME, &name) ||
        !nft_find_in_message(message, NFTA_OBJ_DATA, &value) ||
        !nft_find(value.value, value.length, NFTA_COUNTER_PACKETS, &packets))
        return;
    if (nft_is_text(&name, RULES_REFUSED))
        counters->refused = nft_u64(&packets);
    else if (nft_is_text(&name, RULES_OVER))
        counters->over = nft_u64(&packets);
    else if (nft_is_text(&name, RULES_STOPPED))
        counters->stopped = nft_u64(&packets);
}

int rules_counters(int socket, struct rules_counters *counters, struct err *err) {
    memset(counters, 0, sizeof *counters);
    return nft_list(socket, NFT_MSG_GETOBJ, AF_UNSPEC, take_counter, counters, err);
}
