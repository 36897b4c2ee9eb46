// Expressions, which rules of nftables are made of: what the kernel runs for a packet. All of them load into,
// or look at, one register.
#pragma once

#include "nft/batch.h"

struct nft_expression {
    size_t element, data; // where the attributes begin; `data` is 0 where there is none
};

struct nft_expression nft_expression_begin(struct nft_batch *batch, const char *name);
// Of one that has no attributes.
struct nft_expression nft_expression_begin_plain(struct nft_batch *batch, const char *name);
void nft_expression_end(struct nft_batch *batch, struct nft_expression expression);

void nft_expression_meta(struct nft_batch *batch, uint32_t key);
void nft_expression_payload(struct nft_batch *batch, struct nft_field field);
void nft_expression_mask(struct nft_batch *batch, const void *mask, size_t length);
void nft_expression_compare(struct nft_batch *batch, bool equal, const void *value, size_t length);
// More than `most` connections: as an attribute of type `type`.
void nft_expression_connections(struct nft_batch *batch, unsigned type, uint32_t most);
