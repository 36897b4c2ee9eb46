#include "nft/expression.h"

#include <linux/netfilter/nf_tables.h>

static struct nft_expression begin_as(struct nft_batch *batch, unsigned type, const char *name) {
    struct nft_expression expression = {.element = nft_nest(batch, type)};
    nft_put_text(batch, NFTA_EXPR_NAME, name);
    return expression;
}

struct nft_expression nft_expression_begin_plain(struct nft_batch *batch, const char *name) {
    return begin_as(batch, NFTA_LIST_ELEM, name);
}

struct nft_expression nft_expression_begin(struct nft_batch *batch, const char *name) {
    struct nft_expression expression = begin_as(batch, NFTA_LIST_ELEM, name);
    expression.data = nft_nest(batch, NFTA_EXPR_DATA);
    return expression;
}

void nft_expression_end(struct nft_batch *batch, struct nft_expression expression) {
    if (expression.data != 0)
        nft_nest_end(batch, expression.data);
    nft_nest_end(batch, expression.element);
}

void nft_expression_meta(struct nft_batch *batch, uint32_t key) {
    struct nft_expression expression = nft_expression_begin(batch, "meta");
    nft_put_u32(batch, NFTA_META_DREG, NFT_REG_1);
    nft_put_u32(batch, NFTA_META_KEY, key);
    nft_expression_end(batch, expression);
}

void nft_expression_payload(struct nft_batch *batch, struct nft_field field) {
    struct nft_expression expression = nft_expression_begin(batch, "payload");
    nft_put_u32(batch, NFTA_PAYLOAD_DREG, NFT_REG_1);
    nft_put_u32(batch, NFTA_PAYLOAD_BASE, field.base);
    nft_put_u32(batch, NFTA_PAYLOAD_OFFSET, field.offset);
    nft_put_u32(batch, NFTA_PAYLOAD_LEN, field.bytes);
    nft_expression_end(batch, expression);
}

void nft_expression_mask(struct nft_batch *batch, const void *mask, size_t length) {
    static const uint8_t nothing[16];
    struct nft_expression expression = nft_expression_begin(batch, "bitwise");
    nft_put_u32(batch, NFTA_BITWISE_SREG, NFT_REG_1);
    nft_put_u32(batch, NFTA_BITWISE_DREG, NFT_REG_1);
    nft_put_u32(batch, NFTA_BITWISE_LEN, (uint32_t)length);
    nft_put_data(batch, NFTA_BITWISE_MASK, mask, length);
    nft_put_data(batch, NFTA_BITWISE_XOR, nothing, length);
    nft_expression_end(batch, expression);
}

void nft_expression_compare(struct nft_batch *batch, bool equal, const void *value, size_t length) {
    struct nft_expression expression = nft_expression_begin(batch, "cmp");
    nft_put_u32(batch, NFTA_CMP_SREG, NFT_REG_1);
    nft_put_u32(batch, NFTA_CMP_OP, equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
    nft_put_data(batch, NFTA_CMP_DATA, value, length);
    nft_expression_end(batch, expression);
}

void nft_expression_connections(struct nft_batch *batch, unsigned type, uint32_t most) {
    struct nft_expression expression = begin_as(batch, type, "connlimit");
    expression.data = nft_nest(batch, NFTA_EXPR_DATA);
    nft_put_u32(batch, NFTA_CONNLIMIT_COUNT, most);
    nft_put_u32(batch, NFTA_CONNLIMIT_FLAGS, NFT_CONNLIMIT_F_INV);
    nft_nest_end(batch, expression.data);
    expression.data = 0;
    nft_expression_end(batch, expression);
}
