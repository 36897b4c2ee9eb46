// Writes the second wall: what leaves by the link, frames of raw sockets included, is from the sandbox's own
// addresses and to nothing that is closed. It sees each packet alone, and knows no connections.
#include <sys/socket.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "nft/rule.h"
#include "rules/chains.h"
#include "rules/closed.h"
#include "rules/pins.h"
#include "rules/ranges.h"

// In the frame itself: a raw socket may tell the kernel another protocol than the receiver reads there.
static const struct nft_field ether_type = {NFT_PAYLOAD_LL_HEADER, 12, 2};

static const struct nft_field first_byte = {NFT_PAYLOAD_NETWORK_HEADER, 0, 1};
static const uint8_t ethernet4[2] = {0x08, 0x00}, ethernet6[2] = {0x86, 0xdd};

static void begin(struct nft_batch *batch, int family) {
    nft_rule_begin(batch, CHAIN_WALL);
    nft_is_value(batch, ether_type, family == AF_INET ? ethernet4 : ethernet6, 16, true);
}

static void stop(struct nft_batch *batch) {
    nft_count(batch, RULES_STOPPED);
    nft_verdict(batch, NF_DROP, NULL);
    nft_rule_end(batch);
}

static void let_go(struct nft_batch *batch) {
    nft_verdict(batch, NF_ACCEPT, NULL);
    nft_rule_end(batch);
}

// Whatever of it is opened: which ports, the first wall knows.
static void accept_opened(struct nft_batch *batch, const struct net_plan *plan, int family,
                          struct nft_field field) {
    struct ranges cleanup_ranges opened = {.family = family};
    for (size_t index = 0; index < plan->rule_count; index++) {
        if (plan->rules[index].verdict == NET_OPEN)
            ranges_add(&opened, &plan->rules[index].target);
    }
    for (size_t index = 0; index < plan->peer_count; index++)
        ranges_add(&opened, &plan->peers[index].address);
    ranges_merge(&opened);
    if (opened.count > 0) {
        uint32_t set = ranges_set(batch, &opened);
        begin(batch, family);
        nft_is_in_set(batch, field, NULL, set, true);
        let_go(batch);
    }
    for (int set = -1; (set = pin_next(plan, set, true)) >= 0;) {
        char name[PIN_NAME_BYTES];
        pin_name(name, (uint16_t)set, family);
        begin(batch, family);
        nft_is_in_set(batch, field, name, 0, true);
        let_go(batch);
    }
}

static void stop_closed(struct nft_batch *batch, const struct net_plan *plan, int family,
                        struct nft_field field) {
    struct ranges cleanup_ranges closed = {.family = family};
    closed_of(plan, &closed);
    uint32_t set = ranges_set(batch, &closed);
    begin(batch, family);
    nft_is_in_set(batch, field, NULL, set, true);
    nft_verdict(batch, NFT_GOTO, CHAIN_WALL_CLOSED);
    nft_rule_end(batch);
}

// The host may ask whether the sandbox is there. An answer to nothing is one that the host's table and other
// sandboxes' rules drop.
static void let_go_of_echo_reply(struct nft_batch *batch, uint8_t protocol, uint8_t type) {
    static const struct nft_field icmp_type = {NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1};
    nft_rule_begin(batch, CHAIN_WALL_CLOSED);
    nft_is_protocol(batch, protocol);
    nft_is_value(batch, icmp_type, &type, 8, true);
    let_go(batch);
}

void chains_wall_closed(struct nft_batch *batch) {
    let_go_of_echo_reply(batch, 1, 0);
    let_go_of_echo_reply(batch, 58, 129);
    nft_rule_begin(batch, CHAIN_WALL_CLOSED);
    stop(batch);
}

static void write_family(struct nft_batch *batch, const struct net_plan *plan, const struct net_prefix *own) {
    bool four = own->family == AF_INET;
    // A header without options, which could name further stations; of IPv6 that is another header.
    uint8_t start = four ? 0x45 : 0x60;
    struct nft_field source = four ? nft_saddr4 : nft_saddr6, target = four ? nft_daddr4 : nft_daddr6;
    if (own->family == 0)
        return;
    begin(batch, own->family);
    nft_is_value(batch, first_byte, &start, four ? 8 : 4, false);
    stop(batch);
    if (!four) {
        begin(batch, own->family);
        nft_has_routing_header(batch);
        stop(batch);
    }
    begin(batch, own->family);
    nft_is_value(batch, source, own->address, four ? 32 : 128, false);
    stop(batch);
    accept_opened(batch, plan, own->family, target);
    stop_closed(batch, plan, own->family, target);
    begin(batch, own->family);
    let_go(batch);
}

void chains_wall(struct nft_batch *batch, const struct net_plan *plan) {
    write_family(batch, plan, &plan->address4);
    write_family(batch, plan, &plan->address6);
    nft_rule_begin(batch, CHAIN_WALL);
    stop(batch);
}
