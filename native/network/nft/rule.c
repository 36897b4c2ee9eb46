#include "nft/rule.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#include "nft/expression.h"

// The kernel's IFNAMSIZ.
#define NFT_NAME_BYTES 16

const struct nft_field nft_saddr4 = {NFT_PAYLOAD_NETWORK_HEADER, 12, 4};
const struct nft_field nft_daddr4 = {NFT_PAYLOAD_NETWORK_HEADER, 16, 4};
const struct nft_field nft_saddr6 = {NFT_PAYLOAD_NETWORK_HEADER, 8, 16};
const struct nft_field nft_daddr6 = {NFT_PAYLOAD_NETWORK_HEADER, 24, 16};
const struct nft_field nft_sport = {NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2};
const struct nft_field nft_dport = {NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2};

void nft_rule_begin(struct nft_batch *batch, const char *chain) {
    nft_message(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, "make a rule");
    netlink_put_text(&batch->messages, NFTA_RULE_TABLE, batch->table);
    netlink_put_text(&batch->messages, NFTA_RULE_CHAIN, chain);
    netlink_nest(&batch->messages, NFTA_RULE_EXPRESSIONS);
}

void nft_rule_end(struct nft_batch *batch) {
    netlink_close(&batch->messages);
}

void nft_is_family(struct nft_batch *batch, uint8_t family) {
    nft_expression_meta(batch, NFT_META_NFPROTO);
    nft_expression_compare(batch, true, &family, sizeof family);
}

void nft_is_protocol(struct nft_batch *batch, uint8_t number) {
    nft_expression_meta(batch, NFT_META_L4PROTO);
    nft_expression_compare(batch, true, &number, sizeof number);
}

void nft_is_interface(struct nft_batch *batch, uint32_t key, uint32_t number) {
    nft_expression_meta(batch, key);
    nft_expression_compare(batch, true, &number, sizeof number);
}

void nft_is_interface_like(struct nft_batch *batch, uint32_t key, const char *prefix, bool equal) {
    nft_expression_meta(batch, key);
    nft_expression_compare(batch, equal, prefix, strlen(prefix));
}

void nft_is_interface_named(struct nft_batch *batch, uint32_t key, const char *name) {
    char padded[NFT_NAME_BYTES] = "";
    (void)snprintf(padded, sizeof padded, "%s", name);
    nft_expression_meta(batch, key);
    nft_expression_compare(batch, true, padded, sizeof padded);
}

void nft_is_value(struct nft_batch *batch, struct nft_field field, const void *value, unsigned prefix,
                  bool equal) {
    uint8_t mask[16] = {0};
    if (prefix % 8 == 0) { // whole bytes: only these are looked at
        field.bytes = prefix / 8;
        nft_expression_payload(batch, field);
    } else {
        for (unsigned bit = 0; bit < prefix; bit++)
            mask[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
        nft_expression_payload(batch, field);
        nft_expression_mask(batch, mask, field.bytes);
    }
    nft_expression_compare(batch, equal, value, field.bytes);
}

void nft_is_between(struct nft_batch *batch, struct nft_field field, uint16_t first, uint16_t last) {
    uint8_t from[2] = {(uint8_t)(first >> 8), (uint8_t)first}, to[2] = {(uint8_t)(last >> 8), (uint8_t)last};
    size_t skipped = sizeof from - field.bytes;
    nft_expression_payload(batch, field);
    if (first == last) {
        nft_expression_compare(batch, true, from + skipped, field.bytes);
        return;
    }
    nft_expression_begin(batch, "range");
    netlink_put_be32(&batch->messages, NFTA_RANGE_SREG, NFT_REG_1);
    netlink_put_be32(&batch->messages, NFTA_RANGE_OP, NFT_RANGE_EQ);
    nft_put_data(batch, NFTA_RANGE_FROM_DATA, from + skipped, field.bytes);
    nft_put_data(batch, NFTA_RANGE_TO_DATA, to + skipped, field.bytes);
    nft_expression_end(batch);
}

void nft_is_in_set(struct nft_batch *batch, struct nft_field field, const char *name, uint32_t number,
                   bool equal) {
    nft_expression_payload(batch, field);
    nft_expression_begin(batch, "lookup");
    netlink_put_text(&batch->messages, NFTA_LOOKUP_SET, name == NULL ? "__set%d" : name);
    if (name == NULL)
        netlink_put_be32(&batch->messages, NFTA_LOOKUP_SET_ID, number);
    netlink_put_be32(&batch->messages, NFTA_LOOKUP_SREG, NFT_REG_1);
    if (!equal)
        netlink_put_be32(&batch->messages, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
    nft_expression_end(batch);
}

void nft_is_state(struct nft_batch *batch, uint32_t states) {
    static const uint32_t none = 0;
    nft_expression_begin(batch, "ct");
    netlink_put_be32(&batch->messages, NFTA_CT_DREG, NFT_REG_1);
    netlink_put_be32(&batch->messages, NFTA_CT_KEY, NFT_CT_STATE);
    nft_expression_end(batch);
    nft_expression_mask(batch, &states, sizeof states);
    nft_expression_compare(batch, false, &none, sizeof none);
}

void nft_has_routing_header(struct nft_batch *batch) {
    static const uint8_t type = 43, there = 1;
    nft_expression_begin(batch, "exthdr");
    netlink_put_be32(&batch->messages, NFTA_EXTHDR_DREG, NFT_REG_1);
    netlink_put(&batch->messages, NFTA_EXTHDR_TYPE, &type, sizeof type);
    netlink_put_be32(&batch->messages, NFTA_EXTHDR_OFFSET, 0);
    netlink_put_be32(&batch->messages, NFTA_EXTHDR_LEN, 1);
    netlink_put_be32(&batch->messages, NFTA_EXTHDR_FLAGS, NFT_EXTHDR_F_PRESENT);
    nft_expression_end(batch);
    nft_expression_compare(batch, true, &there, sizeof there);
}

void nft_has_no_way_back(struct nft_batch *batch) {
    static const uint32_t none = 0;
    nft_expression_begin(batch, "fib");
    netlink_put_be32(&batch->messages, NFTA_FIB_DREG, NFT_REG_1);
    netlink_put_be32(&batch->messages, NFTA_FIB_RESULT, NFT_FIB_RESULT_OIF);
    netlink_put_be32(&batch->messages, NFTA_FIB_FLAGS, NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF);
    nft_expression_end(batch);
    nft_expression_compare(batch, true, &none, sizeof none);
}

void nft_is_rate(struct nft_batch *batch, bool over, uint64_t packets, uint32_t burst) {
    nft_expression_begin(batch, "limit");
    netlink_put_be64(&batch->messages, NFTA_LIMIT_RATE, packets);
    netlink_put_be64(&batch->messages, NFTA_LIMIT_UNIT, 1);
    netlink_put_be32(&batch->messages, NFTA_LIMIT_BURST, burst);
    netlink_put_be32(&batch->messages, NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
    netlink_put_be32(&batch->messages, NFTA_LIMIT_FLAGS, over ? NFT_LIMIT_F_INV : 0);
    nft_expression_end(batch);
}

void nft_is_connections_over(struct nft_batch *batch, uint32_t most) {
    nft_expression_connections(batch, NFTA_LIST_ELEM, most);
}

void nft_is_connections_of_over(struct nft_batch *batch, struct nft_field field, const char *set,
                                uint32_t most) {
    nft_expression_payload(batch, field);
    nft_expression_begin(batch, "dynset");
    netlink_put_text(&batch->messages, NFTA_DYNSET_SET_NAME, set);
    netlink_put_be32(&batch->messages, NFTA_DYNSET_OP, NFT_DYNSET_OP_ADD);
    netlink_put_be32(&batch->messages, NFTA_DYNSET_SREG_KEY, NFT_REG_1);
    netlink_put_be32(&batch->messages, NFTA_DYNSET_FLAGS, NFT_DYNSET_F_EXPR);
    nft_expression_connections(batch, NFTA_DYNSET_EXPR, most);
    nft_expression_end(batch);
}

void nft_count(struct nft_batch *batch, const char *name) {
    nft_expression_begin(batch, "objref");
    netlink_put_be32(&batch->messages, NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
    netlink_put_text(&batch->messages, NFTA_OBJREF_IMM_NAME, name);
    nft_expression_end(batch);
}

void nft_log(struct nft_batch *batch, uint16_t group, uint32_t bytes) {
    uint16_t big = htobe16(group);
    nft_expression_begin(batch, "log");
    netlink_put(&batch->messages, NFTA_LOG_GROUP, &big, sizeof big);
    netlink_put_be32(&batch->messages, NFTA_LOG_SNAPLEN, bytes);
    nft_expression_end(batch);
}

void nft_reject(struct nft_batch *batch, bool reset) {
    uint8_t code = NFT_REJECT_ICMPX_ADMIN_PROHIBITED;
    nft_expression_begin(batch, "reject");
    netlink_put_be32(&batch->messages, NFTA_REJECT_TYPE,
                     reset ? NFT_REJECT_TCP_RST : NFT_REJECT_ICMPX_UNREACH);
    if (!reset)
        netlink_put(&batch->messages, NFTA_REJECT_ICMP_CODE, &code, sizeof code);
    nft_expression_end(batch);
}

void nft_masquerade(struct nft_batch *batch) {
    nft_expression_begin(batch, "masq");
    nft_expression_end(batch);
}

void nft_notrack(struct nft_batch *batch) {
    nft_expression_plain(batch, "notrack");
}

void nft_verdict(struct nft_batch *batch, int code, const char *chain) {
    nft_expression_begin(batch, "immediate");
    netlink_put_be32(&batch->messages, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    netlink_nest(&batch->messages, NFTA_IMMEDIATE_DATA);
    netlink_nest(&batch->messages, NFTA_DATA_VERDICT);
    netlink_put_be32(&batch->messages, NFTA_VERDICT_CODE, (uint32_t)code);
    if (chain != NULL)
        netlink_put_text(&batch->messages, NFTA_VERDICT_CHAIN, chain);
    netlink_close(&batch->messages);
    netlink_close(&batch->messages);
    nft_expression_end(batch);
}
