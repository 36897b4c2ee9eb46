#include "host/chains.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

#include "nft/object.h"
#include "nft/rule.h"
#include "plan.h"
#include "rules/closed.h"

// Names of the host's ends of all links begin with it.
#define LINKS "dsh"

#define PREROUTING "prerouting"
#define FORWARD "forward"
#define INPUT "input"
#define POSTROUTING "postrouting"
#define PASS "pass"
#define REFUSE "refuse"
#define COUNT4 "connections4"
#define COUNT6 "connections6"
// Addresses whose connections are counted; above every pool that is in use.
#define MOST_COUNTED 65536

#define PROTOCOL_TCP 6

#define STATES_KNOWN (NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED))
#define STATES_OTHER (NF_CT_STATE_BIT(IP_CT_NEW) | NF_CT_STATE_INVALID_BIT | NF_CT_STATE_UNTRACKED_BIT)

static void verdict(struct nft_batch *batch, int code, const char *chain) {
    nft_verdict(batch, code, chain);
    nft_rule_end(batch);
}

static void begin(struct nft_batch *batch, const char *chain, int family) {
    nft_rule_begin(batch, chain);
    nft_is_family(batch, family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6);
}

static void is_from_link(struct nft_batch *batch, bool is) {
    nft_is_interface_like(batch, NFT_META_IIFNAME, LINKS, is);
}

static void is_to_link(struct nft_batch *batch, bool is) {
    nft_is_interface_like(batch, NFT_META_OIFNAME, LINKS, is);
}

static void is_of(struct nft_batch *batch, const struct net_prefix *pool, struct nft_field field4,
                  struct nft_field field6) {
    nft_is_value(batch, pool->family == AF_INET ? field4 : field6, pool->address, pool->prefix, true);
}

static void make_sets(struct nft_batch *batch, const struct host_table *table) {
    nft_set_make(batch, &(struct nft_set){.name = HOST_OPEN4, .key = NFT_KEY_ADDRESS4});
    nft_set_make(batch, &(struct nft_set){.name = HOST_OPEN6, .key = NFT_KEY_ADDRESS6});
    nft_set_make(batch, &(struct nft_set){.name = COUNT4,
                                          .key = NFT_KEY_ADDRESS4,
                                          .flags = NFT_SET_EVAL,
                                          .most = MOST_COUNTED,
                                          .connlimit = table->connections});
    nft_set_make(batch, &(struct nft_set){.name = COUNT6,
                                          .key = NFT_KEY_ADDRESS6,
                                          .flags = NFT_SET_EVAL,
                                          .most = MOST_COUNTED,
                                          .connlimit = table->connections});
}

static void make_chains(struct nft_batch *batch) {
    static const struct {
        const char *name;
        struct nft_hook hook;
    } chains[] = {
        // Before connections are tracked, so that what is forged leaves no trace.
        {PREROUTING, {"filter", NF_INET_PRE_ROUTING, -300, false, NULL}},
        {INPUT, {"filter", NF_INET_LOCAL_IN, 0, false, NULL}},
        {FORWARD, {"filter", NF_INET_FORWARD, 0, false, NULL}},
        {POSTROUTING, {"nat", NF_INET_POST_ROUTING, 100, false, NULL}},
    };
    for (size_t index = 0; index < sizeof chains / sizeof *chains; index++)
        nft_chain_make(batch, chains[index].name, &chains[index].hook);
    nft_chain_make(batch, PASS, NULL);
    nft_chain_make(batch, REFUSE, NULL);
}

static void refuse(struct nft_batch *batch) {
    nft_rule_begin(batch, REFUSE);
    nft_is_protocol(batch, PROTOCOL_TCP);
    nft_reject(batch, true);
    nft_rule_end(batch);
    nft_rule_begin(batch, REFUSE);
    nft_reject(batch, false);
    nft_rule_end(batch);
}

static void count_connections(struct nft_batch *batch, int family, struct nft_field field, const char *set,
                              uint32_t most) {
    begin(batch, PASS, family);
    nft_is_state(batch, NF_CT_STATE_BIT(IP_CT_NEW));
    nft_is_connections_of_over(batch, field, set, most);
    verdict(batch, NFT_GOTO, REFUSE);
}

static void pass(struct nft_batch *batch, const struct host_table *table) {
    count_connections(batch, AF_INET, nft_saddr4, COUNT4, table->connections);
    count_connections(batch, AF_INET6, nft_saddr6, COUNT6, table->connections);
    nft_rule_begin(batch, PASS);
    verdict(batch, NF_ACCEPT, NULL);
}

// What is from a pool comes by a link, and what comes by a link is from the address that the host has a route
// to by it.
static void prerouting(struct nft_batch *batch, const struct host_table *table) {
    const struct net_prefix *pools[] = {&table->pool4, &table->pool6};
    for (size_t index = 0; index < 2; index++) {
        if (pools[index]->family == 0)
            continue;
        begin(batch, PREROUTING, pools[index]->family);
        is_from_link(batch, false);
        is_of(batch, pools[index], nft_saddr4, nft_saddr6);
        verdict(batch, NF_DROP, NULL);
    }
    nft_rule_begin(batch, PREROUTING);
    is_from_link(batch, true);
    nft_has_no_way_back(batch);
    verdict(batch, NF_DROP, NULL);
}

static void input(struct nft_batch *batch) {
    nft_rule_begin(batch, INPUT);
    is_from_link(batch, false);
    verdict(batch, NF_ACCEPT, NULL);
    nft_rule_begin(batch, INPUT);
    nft_is_state(batch, STATES_KNOWN);
    verdict(batch, NF_ACCEPT, NULL);
    begin(batch, INPUT, AF_INET);
    nft_is_in_set(batch, nft_saddr4, HOST_OPEN4, 0, true);
    verdict(batch, NFT_GOTO, PASS);
    begin(batch, INPUT, AF_INET6);
    nft_is_in_set(batch, nft_saddr6, HOST_OPEN6, 0, true);
    verdict(batch, NFT_GOTO, PASS);
    nft_rule_begin(batch, INPUT);
    verdict(batch, NFT_GOTO, REFUSE);
}

// Interfaces that forward for us forward for nobody else.
static void close_interfaces(struct nft_batch *batch, const struct host_table *table) {
    for (size_t index = 0; index < table->closed_count; index++) {
        const char *name = table->closed[index];
        nft_rule_begin(batch, FORWARD);
        if (strcmp(name, "*") == 0)
            is_from_link(batch, false);
        else
            nft_is_interface_named(batch, NFT_META_IIFNAME, name);
        is_to_link(batch, false);
        nft_is_state(batch, STATES_OTHER);
        verdict(batch, NF_DROP, NULL);
    }
}

// From a sandbox to another: where both are in a network. Which one, the rules inside know.
static void between_links(struct nft_batch *batch, int family, struct nft_field from, struct nft_field to,
                          const char *open) {
    begin(batch, FORWARD, family);
    is_from_link(batch, true);
    is_to_link(batch, true);
    nft_is_in_set(batch, from, open, 0, true);
    nft_is_in_set(batch, to, open, 0, true);
    verdict(batch, NFT_GOTO, PASS);
}

static void close_off(struct nft_batch *batch, const struct host_table *table, int family,
                      struct nft_field from, struct nft_field to, const char *open) {
    const struct net_plan plan = {0}; // the pools are closed to all, below
    const struct net_prefix *pool = family == AF_INET ? &table->pool4 : &table->pool6;
    struct ranges cleanup_ranges closed = {.family = family};
    closed_of(&plan, &closed);
    uint32_t set = ranges_set(batch, &closed);
    begin(batch, FORWARD, family);
    nft_is_in_set(batch, to, NULL, set, true);
    nft_is_in_set(batch, from, open, 0, false);
    verdict(batch, NFT_GOTO, REFUSE);
    if (pool->family == 0)
        return;
    begin(batch, FORWARD, family);
    is_of(batch, pool, to, to);
    verdict(batch, NFT_GOTO, REFUSE);
}

static void forward(struct nft_batch *batch, const struct host_table *table) {
    nft_rule_begin(batch, FORWARD);
    nft_is_state(batch, STATES_KNOWN);
    verdict(batch, NF_ACCEPT, NULL);
    close_interfaces(batch, table);
    nft_rule_begin(batch, FORWARD);
    is_from_link(batch, false);
    is_to_link(batch, false);
    verdict(batch, NF_ACCEPT, NULL);
    between_links(batch, AF_INET, nft_saddr4, nft_daddr4, HOST_OPEN4);
    between_links(batch, AF_INET6, nft_saddr6, nft_daddr6, HOST_OPEN6);
    nft_rule_begin(batch, FORWARD);
    is_from_link(batch, true);
    is_to_link(batch, true);
    verdict(batch, NFT_GOTO, REFUSE);
    nft_rule_begin(batch, FORWARD);
    is_to_link(batch, true);
    verdict(batch, NF_DROP, NULL);
    // From here on by a link, and to no link.
    close_off(batch, table, AF_INET, nft_saddr4, nft_daddr4, HOST_OPEN4);
    close_off(batch, table, AF_INET6, nft_saddr6, nft_daddr6, HOST_OPEN6);
    nft_rule_begin(batch, FORWARD);
    verdict(batch, NFT_GOTO, PASS);
}

static void postrouting(struct nft_batch *batch, const struct net_prefix *pool) {
    if (pool->family == 0)
        return;
    begin(batch, POSTROUTING, pool->family);
    is_of(batch, pool, nft_saddr4, nft_saddr6);
    is_to_link(batch, false);
    nft_masquerade(batch);
    nft_rule_end(batch);
}

void host_chains(struct nft_batch *batch, const struct host_table *table) {
    make_sets(batch, table);
    make_chains(batch);
    refuse(batch);
    pass(batch, table);
    prerouting(batch, table);
    input(batch);
    forward(batch, table);
    postrouting(batch, &table->pool4);
    postrouting(batch, &table->pool6);
}
