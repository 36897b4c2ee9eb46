#include "nft/expression.h"

#include <linux/netfilter/nf_tables.h>

static void begin_as(struct nft_batch *batch, uint16_t type, const char *name) {
    netlink_nest(&batch->messages, type);
    netlink_put_text(&batch->messages, NFTA_EXPR_NAME, name);
}

void nft_expression_plain(struct nft_batch *batch, const char *name) {
    begin_as(batch, NFTA_LIST_ELEM, name);
    netlink_close(&batch->messages);
}

void nft_expression_begin(struct nft_batch *batch, const char *name) {
    begin_as(batch, NFTA_LIST_ELEM, name);
    netlink_nest(&batch->messages, NFTA_EXPR_DATA);
}

void nft_expression_end(struct nft_batch *batch) {
    netlink_close(&batch->messages);
    netlink_close(&batch->messages);
}

void nft_expression_meta(struct nft_batch *batch, uint32_t key) {
    nft_expression_begin(batch, "meta");
    netlink_put_be32(&batch->messages, NFTA_META_DREG, NFT_REG_1);
    netlink_put_be32(&batch->messages, NFTA_META_KEY, key);
    nft_expression_end(batch);
}

void nft_expression_payload(struct nft_batch *batch, struct nft_field field) {
    nft_expression_begin(batch, "payload");
    netlink_put_be32(&batch->messages, NFTA_PAYLOAD_DREG, NFT_REG_1);
    netlink_put_be32(&batch->messages, NFTA_PAYLOAD_BASE, field.base);
    netlink_put_be32(&batch->messages, NFTA_PAYLOAD_OFFSET, field.offset);
    netlink_put_be32(&batch->messages, NFTA_PAYLOAD_LEN, field.bytes);
    nft_expression_end(batch);
}

void nft_expression_mask(struct nft_batch *batch, const void *mask, size_t length) {
    static const uint8_t nothing[16];
    nft_expression_begin(batch, "bitwise");
    netlink_put_be32(&batch->messages, NFTA_BITWISE_SREG, NFT_REG_1);
    netlink_put_be32(&batch->messages, NFTA_BITWISE_DREG, NFT_REG_1);
    netlink_put_be32(&batch->messages, NFTA_BITWISE_LEN, (uint32_t)length);
    nft_put_data(batch, NFTA_BITWISE_MASK, mask, length);
    nft_put_data(batch, NFTA_BITWISE_XOR, nothing, length);
    nft_expression_end(batch);
}

void nft_expression_compare(struct nft_batch *batch, bool equal, const void *value, size_t length) {
    nft_expression_begin(batch, "cmp");
    netlink_put_be32(&batch->messages, NFTA_CMP_SREG, NFT_REG_1);
    netlink_put_be32(&batch->messages, NFTA_CMP_OP, equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
    nft_put_data(batch, NFTA_CMP_DATA, value, length);
    nft_expression_end(batch);
}

void nft_expression_connections(struct nft_batch *batch, uint16_t type, uint32_t most) {
    begin_as(batch, type, "connlimit");
    netlink_nest(&batch->messages, NFTA_EXPR_DATA);
    netlink_put_be32(&batch->messages, NFTA_CONNLIMIT_COUNT, most);
    netlink_put_be32(&batch->messages, NFTA_CONNLIMIT_FLAGS, NFT_CONNLIMIT_F_INV);
    nft_expression_end(batch);
}
