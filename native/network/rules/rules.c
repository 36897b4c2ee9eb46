#include "rules/rules.h"

#include <sys/socket.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "nft/object.h"
#include "rules/chains.h"
#include "rules/pins.h"

#define RULES_TABLE "dockersh"
// Inside, of the link.
#define RULES_DEVICE "eth0"

static bool has_same_bounds(const struct net_plan *plan, const struct net_plan *before) {
    return before != NULL && plan->connections == before->connections &&
           plan->new_connections == before->new_connections;
}

static void make_table(struct nft_batch *batch) {
    // Before connections are tracked: what stays inside isn't, or it could fill the kernel's memory
    // unbounded.
    static const struct nft_hook untracked_out = {"filter", NF_INET_LOCAL_OUT, -300, false, NULL};
    static const struct nft_hook untracked_in = {"filter", NF_INET_PRE_ROUTING, -300, false, NULL};
    static const struct nft_hook output = {"filter", NF_INET_LOCAL_OUT, 0, true, NULL};
    static const struct nft_hook input = {"filter", NF_INET_LOCAL_IN, 0, true, NULL};
    static const struct nft_hook forward = {"filter", NF_INET_FORWARD, 0, true, NULL};
    nft_table_make(batch, 0);
    nft_counter_make(batch, RULES_REFUSED);
    nft_counter_make(batch, RULES_OVER);
    nft_chain_make(batch, "untracked_out", &untracked_out);
    nft_chain_make(batch, "untracked_in", &untracked_in);
    nft_chain_make(batch, CHAIN_OUTPUT, &output);
    nft_chain_make(batch, CHAIN_INPUT, &input);
    nft_chain_make(batch, "forward", &forward);
    nft_chain_make(batch, CHAIN_PASS, NULL);
    nft_chain_make(batch, CHAIN_CLOSED, NULL);
    nft_chain_make(batch, CHAIN_OVER, NULL);
    nft_chain_make(batch, CHAIN_REFUSE, NULL);
    chains_untracked(batch, "untracked_out", NFT_META_OIF);
    chains_untracked(batch, "untracked_in", NFT_META_IIF);
    chains_refuse(batch);
}

static void make_wall(struct nft_batch *batch) {
    static const struct nft_hook egress = {"filter", NF_NETDEV_EGRESS, 0, true, RULES_DEVICE};
    nft_table_make(batch, 0);
    nft_counter_make(batch, RULES_STOPPED);
    nft_chain_make(batch, CHAIN_WALL, &egress);
    nft_chain_make(batch, CHAIN_WALL_CLOSED, NULL);
    chains_wall_closed(batch);
}

int rules_apply(int socket, const struct net_plan *plan, const struct net_plan *before, struct err *err) {
    struct nft_batch cleanup_nft batch = {0};
    nft_begin(&batch);
    nft_use_table(&batch, NFPROTO_INET, RULES_TABLE);
    if (before == NULL) {
        make_table(&batch);
    } else {
        nft_chain_flush(&batch, CHAIN_OUTPUT);
        nft_chain_flush(&batch, CHAIN_INPUT);
    }
    if (!has_same_bounds(plan, before)) {
        if (before != NULL)
            nft_chain_flush(&batch, CHAIN_PASS);
        chains_pass(&batch, plan);
    }
    // Before the chains that look into them, and where there were others, behind the flush of those.
    pins_renew(&batch, plan, before, false);
    chains_output(&batch, plan);
    chains_input(&batch, plan);

    nft_use_table(&batch, NFPROTO_NETDEV, RULES_TABLE);
    if (before == NULL)
        make_wall(&batch);
    else
        nft_chain_flush(&batch, CHAIN_WALL);
    pins_renew(&batch, plan, before, true);
    chains_wall(&batch, plan);
    return nft_commit(socket, &batch, err);
}

int rules_pin(int socket, const struct net_plan *plan, uint16_t set, const struct net_pin *pins, size_t count,
              struct err *err) {
    char name[PIN_NAME_BYTES];
    struct nft_batch cleanup_nft batch = {0};
    if (!pin_has_set(plan, set, false))
        return err_plain(err, FAILURE_PROTOCOL, "an address for no set of the network's", NULL);
    pin_name(name, set, pins[0].address.family);
    nft_begin(&batch);
    nft_use_table(&batch, NFPROTO_INET, RULES_TABLE);
    pin_add(&batch, name, pins, count);
    if (pin_has_set(plan, set, true)) {
        nft_use_table(&batch, NFPROTO_NETDEV, RULES_TABLE);
        pin_add(&batch, name, pins, count);
    }
    return nft_commit(socket, &batch, err);
}
