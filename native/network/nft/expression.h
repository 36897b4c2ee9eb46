// Expressions, which rules of nftables are made of: what the kernel runs for a packet. All of them load into,
// or look at, one register.
#pragma once

#include "nft/batch.h"

void nft_expression_begin(struct nft_batch *batch, const char *name);
void nft_expression_end(struct nft_batch *batch);
// One that has no attributes.
void nft_expression_plain(struct nft_batch *batch, const char *name);

void nft_expression_meta(struct nft_batch *batch, uint32_t key);
void nft_expression_payload(struct nft_batch *batch, struct nft_field field);
void nft_expression_mask(struct nft_batch *batch, const void *mask, size_t length);
void nft_expression_compare(struct nft_batch *batch, bool equal, const void *value, size_t length);
// More than `most` connections: as an attribute of type `type`.
void nft_expression_connections(struct nft_batch *batch, uint16_t type, uint32_t most);
