#include "rules/chains.h"

#include <sys/socket.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

#include "nft/rule.h"
#include "refused.h"
#include "rules/closed.h"
#include "rules/policy.h"
#include "rules/ranges.h"

// Of every network namespace.
#define LOOPBACK 1

#define PROTOCOL_ICMP 1
#define PROTOCOL_IGMP 2
#define PROTOCOL_TCP 6
#define PROTOCOL_ICMP6 58

#define ECHO_REPLY 0
#define ECHO_REQUEST 8
#define ECHO_REQUEST6 128
#define ECHO_REPLY6 129
// Multicast listeners, routers and neighbours: what the kernel says by itself, and nobody has asked for.
#define NEIGHBOURHOOD_FIRST 130
#define NEIGHBOURHOOD_LAST 137
#define LISTENERS_2 143

#define STATE_ESTABLISHED NF_CT_STATE_BIT(IP_CT_ESTABLISHED)
#define STATE_RELATED NF_CT_STATE_BIT(IP_CT_RELATED)
#define STATE_NEW NF_CT_STATE_BIT(IP_CT_NEW)

// A second; a tool that tries every address must not fill the log.
#define LOGGED 10
#define LOGGED_AT_ONCE 20
// Up to the ports, behind a few extension headers.
#define LOGGED_BYTES 128

static const struct nft_field first_byte = {NFT_PAYLOAD_NETWORK_HEADER, 0, 1};
static const struct nft_field icmp_type = {NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1};

static void verdict(struct nft_batch *batch, int code, const char *chain) {
    nft_verdict(batch, code, chain);
    nft_rule_end(batch);
}

static void begin_icmp(struct nft_batch *batch, const char *chain, bool six) {
    nft_rule_begin(batch, chain);
    nft_is_family(batch, six ? NFPROTO_IPV6 : NFPROTO_IPV4);
    nft_is_protocol(batch, six ? PROTOCOL_ICMP6 : PROTOCOL_ICMP);
}

static void begin_echo(struct nft_batch *batch, const char *chain, bool six, uint8_t type) {
    begin_icmp(batch, chain, six);
    nft_is_value(batch, icmp_type, &type, 8, true);
}

void chains_untracked(struct nft_batch *batch, const char *chain, uint32_t interface_key) {
    nft_rule_begin(batch, chain);
    nft_is_interface(batch, interface_key, LOOPBACK);
    nft_notrack(batch);
    nft_rule_end(batch);
}

// Of the kernel's own, which would only hide in the log what somebody wants.
static void drop_in_silence(struct nft_batch *batch) {
    static const uint8_t listeners = LISTENERS_2;
    nft_rule_begin(batch, CHAIN_REFUSE);
    nft_is_family(batch, NFPROTO_IPV4);
    nft_is_protocol(batch, PROTOCOL_IGMP);
    verdict(batch, NF_DROP, NULL);
    begin_icmp(batch, CHAIN_REFUSE, true);
    nft_is_between(batch, icmp_type, NEIGHBOURHOOD_FIRST, NEIGHBOURHOOD_LAST);
    verdict(batch, NF_DROP, NULL);
    begin_icmp(batch, CHAIN_REFUSE, true);
    nft_is_value(batch, icmp_type, &listeners, 8, true);
    verdict(batch, NF_DROP, NULL);
}

void chains_refuse(struct nft_batch *batch) {
    // The host may ask whether the sandbox is there, and is answered.
    begin_echo(batch, CHAIN_CLOSED, false, ECHO_REPLY);
    nft_is_state(batch, STATE_ESTABLISHED);
    verdict(batch, NF_ACCEPT, NULL);
    begin_echo(batch, CHAIN_CLOSED, true, ECHO_REPLY6);
    nft_is_state(batch, STATE_ESTABLISHED);
    verdict(batch, NF_ACCEPT, NULL);
    nft_rule_begin(batch, CHAIN_CLOSED);
    verdict(batch, NFT_GOTO, CHAIN_REFUSE);

    nft_rule_begin(batch, CHAIN_OVER);
    nft_count(batch, RULES_OVER);
    verdict(batch, NFT_GOTO, CHAIN_REFUSE);

    drop_in_silence(batch);
    nft_rule_begin(batch, CHAIN_REFUSE);
    nft_count(batch, RULES_REFUSED);
    nft_is_rate(batch, false, LOGGED, LOGGED_AT_ONCE);
    nft_log(batch, REFUSED_LOG_GROUP, LOGGED_BYTES);
    nft_rule_end(batch);
    nft_rule_begin(batch, CHAIN_REFUSE);
    nft_is_protocol(batch, PROTOCOL_TCP);
    nft_reject(batch, true);
    nft_rule_end(batch);
    nft_rule_begin(batch, CHAIN_REFUSE);
    nft_reject(batch, false);
    nft_rule_end(batch);
}

// What names further stations than the destination that the rules have seen: IPv4 with any options, and
// routing headers of IPv6. Both can be had by setsockopt(2) without any privilege.
static void refuse_detours(struct nft_batch *batch) {
    static const uint8_t plain = 0x45; // version 4, and a header of five words
    nft_rule_begin(batch, CHAIN_PASS);
    nft_is_family(batch, NFPROTO_IPV4);
    nft_is_value(batch, first_byte, &plain, 8, false);
    verdict(batch, NFT_GOTO, CHAIN_REFUSE);
    nft_rule_begin(batch, CHAIN_PASS);
    nft_is_family(batch, NFPROTO_IPV6);
    nft_has_routing_header(batch);
    verdict(batch, NFT_GOTO, CHAIN_REFUSE);
}

void chains_pass(struct nft_batch *batch, const struct net_plan *plan) {
    nft_rule_begin(batch, CHAIN_PASS);
    nft_is_state(batch, STATE_ESTABLISHED | STATE_RELATED);
    verdict(batch, NF_ACCEPT, NULL);
    refuse_detours(batch);
    if (plan->new_connections != 0) {
        nft_rule_begin(batch, CHAIN_PASS);
        nft_is_state(batch, STATE_NEW);
        nft_is_rate(batch, true, plan->new_connections, plan->new_connections);
        verdict(batch, NFT_GOTO, CHAIN_OVER);
    }
    if (plan->connections != 0) {
        nft_rule_begin(batch, CHAIN_PASS);
        nft_is_state(batch, STATE_NEW);
        nft_is_connections_over(batch, plan->connections);
        verdict(batch, NFT_GOTO, CHAIN_OVER);
    }
    nft_rule_begin(batch, CHAIN_PASS);
    verdict(batch, NF_ACCEPT, NULL);
}

static void members_of(const struct net_plan *plan, struct ranges *members) {
    for (size_t index = 0; index < plan->peer_count; index++)
        ranges_add(members, &plan->peers[index].address);
    ranges_merge(members);
}

// Addresses of those who share a network with this sandbox.
static void pass_members(struct nft_batch *batch, const char *chain, const struct net_plan *plan, int family,
                         struct nft_field field) {
    struct ranges cleanup_ranges members = {.family = family};
    members_of(plan, &members);
    if (members.count == 0)
        return;
    uint32_t set = ranges_set(batch, &members);
    nft_rule_begin(batch, chain);
    nft_is_family(batch, family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6);
    nft_is_in_set(batch, field, NULL, set, true);
    verdict(batch, NFT_GOTO, CHAIN_PASS);
}

static void close_off(struct nft_batch *batch, const struct net_plan *plan, int family,
                      struct nft_field field) {
    struct ranges cleanup_ranges closed = {.family = family};
    closed_of(plan, &closed);
    uint32_t set = ranges_set(batch, &closed);
    nft_rule_begin(batch, CHAIN_OUTPUT);
    nft_is_family(batch, family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6);
    nft_is_in_set(batch, field, NULL, set, true);
    verdict(batch, NFT_GOTO, CHAIN_CLOSED);
}

static void accept_loopback(struct nft_batch *batch, const char *chain, uint32_t interface_key) {
    nft_rule_begin(batch, chain);
    nft_is_interface(batch, interface_key, LOOPBACK);
    verdict(batch, NF_ACCEPT, NULL);
}

static void accept_known(struct nft_batch *batch, const char *chain, uint32_t states) {
    nft_rule_begin(batch, chain);
    nft_is_state(batch, states);
    verdict(batch, NF_ACCEPT, NULL);
}

// The order is the meaning: deny beats all, what is opened beats what is closed, and both
// count for connections that are there already; what is allowed counts for new ones.
void chains_output(struct nft_batch *batch, const struct net_plan *plan) {
    accept_loopback(batch, CHAIN_OUTPUT, NFT_META_OIF);
    policy_rules(batch, CHAIN_OUTPUT, plan, NET_DENY, POLICY_OUT, NFT_GOTO, CHAIN_REFUSE);
    policy_rules(batch, CHAIN_OUTPUT, plan, NET_OPEN, POLICY_OUT, NFT_GOTO, CHAIN_PASS);
    pass_members(batch, CHAIN_OUTPUT, plan, AF_INET, nft_daddr4);
    pass_members(batch, CHAIN_OUTPUT, plan, AF_INET6, nft_daddr6);
    close_off(batch, plan, AF_INET, nft_daddr4);
    close_off(batch, plan, AF_INET6, nft_daddr6);
    accept_known(batch, CHAIN_OUTPUT, STATE_ESTABLISHED | STATE_RELATED);
    policy_rules(batch, CHAIN_OUTPUT, plan, NET_ALLOW, POLICY_OUT, NFT_GOTO, CHAIN_PASS);
    nft_rule_begin(batch, CHAIN_OUTPUT);
    verdict(batch, NFT_GOTO, policy_has(plan, NET_ALLOW) ? CHAIN_REFUSE : CHAIN_PASS);
}

static void drop_from(struct nft_batch *batch, struct nft_field field, const struct net_prefix *pool) {
    if (pool->family == 0)
        return;
    nft_rule_begin(batch, CHAIN_INPUT);
    nft_is_family(batch, pool->family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6);
    nft_is_value(batch, field, pool->address, pool->prefix, true);
    verdict(batch, NF_DROP, NULL);
}

// What comes from where it may no longer go to is dropped as well: a sender could otherwise go on for ever.
// Not so what a router there has to say of other connections ("packet too big").
void chains_input(struct nft_batch *batch, const struct net_plan *plan) {
    accept_loopback(batch, CHAIN_INPUT, NFT_META_IIF);
    if (policy_has(plan, NET_DENY)) {
        accept_known(batch, CHAIN_INPUT, STATE_RELATED);
        policy_rules(batch, CHAIN_INPUT, plan, NET_DENY, POLICY_IN, NF_DROP, NULL);
    }
    accept_known(batch, CHAIN_INPUT, STATE_ESTABLISHED | STATE_RELATED);
    pass_members(batch, CHAIN_INPUT, plan, AF_INET, nft_saddr4);
    pass_members(batch, CHAIN_INPUT, plan, AF_INET6, nft_saddr6);
    drop_from(batch, nft_saddr4, &plan->pool4);
    drop_from(batch, nft_saddr6, &plan->pool6);
    begin_echo(batch, CHAIN_INPUT, false, ECHO_REQUEST);
    verdict(batch, NF_ACCEPT, NULL);
    begin_echo(batch, CHAIN_INPUT, true, ECHO_REQUEST6);
    verdict(batch, NF_ACCEPT, NULL);
}
