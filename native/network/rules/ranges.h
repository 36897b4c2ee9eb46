// Gathers addresses of one family into ranges that neither overlap nor touch, as sets of nftables want them.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "nft/batch.h"
#include "nft/object.h"

struct range {
    uint8_t first[16], last[16]; // of AF_INET the first four bytes
};

// Begins as all zeros but for the family.
struct ranges {
    int family;
    bool failed; // there was no memory
    struct range *list;
    size_t count;
};

// One of another family is passed over.
void ranges_add(struct ranges *ranges, const struct net_prefix *prefix);
void ranges_free(struct ranges *ranges);
#define cleanup_ranges __attribute__((cleanup(ranges_free)))
// Puts them in order, and those that overlap or touch together.
void ranges_merge(struct ranges *ranges);

// Makes a set of merged ranges that goes with the rule that looks into it; returns its number in the
// transaction.
uint32_t ranges_set(struct nft_batch *batch, const struct ranges *ranges);
