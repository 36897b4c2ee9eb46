// Reads the counters of a sandbox's rules.
#include <string.h>
#include <sys/socket.h>

#include <linux/netfilter/nf_tables.h>

#include "nft/query.h"
#include "nft/reply.h"
#include "rules/chains.h"
#include "rules/rules.h"

static int hear_counter(void *context, const struct netlink_message *message, struct err *err) {
    (void)err;
    struct rules_counters *counters = context;
    struct netlink_attribute name, value, packets;
    if (!nft_find_in_message(message, NFTA_OBJ_NAME, &name) ||
        !nft_find_in_message(message, NFTA_OBJ_DATA, &value) ||
        !nft_find(nft_inside(&value), NFTA_COUNTER_PACKETS, &packets))
        return 0;
    if (nft_is_text(&name, RULES_REFUSED))
        counters->refused = nft_u64(&packets);
    else if (nft_is_text(&name, RULES_OVER))
        counters->over = nft_u64(&packets);
    else if (nft_is_text(&name, RULES_STOPPED))
        counters->stopped = nft_u64(&packets);
    return 0;
}

int rules_counters(int socket, struct rules_counters *counters, struct err *err) {
    memset(counters, 0, sizeof *counters);
    return nft_list(socket, NFT_MSG_GETOBJ, AF_UNSPEC, hear_counter, counters, err);
}
