// Tables, chains, sets and counters of nftables, as messages of a transaction.
#pragma once

#include "nft/batch.h"

// Sets the table that what follows is about.
void nft_use_table(struct nft_batch *batch, uint8_t family, const char *name);
// Of that table. Making one that is there changes nothing.
void nft_table_make(struct nft_batch *batch, uint32_t flags);
void nft_table_delete(struct nft_batch *batch);

struct nft_hook {
    const char *type; // filter, nat
    uint32_t number;  // NF_INET_*, NF_NETDEV_*
    int32_t priority;
    bool drops;         // what no rule has decided
    const char *device; // of a chain of family netdev
};

// `hook` is NULL for a chain that others jump to.
void nft_chain_make(struct nft_batch *batch, const char *name, const struct nft_hook *hook);
// Takes all rules out of it.
void nft_chain_flush(struct nft_batch *batch, const char *name);
void nft_counter_make(struct nft_batch *batch, const char *name);

enum nft_key { NFT_KEY_ADDRESS4 = 7, NFT_KEY_ADDRESS6 = 8 }; // the numbers that nft(8) shows sets by

struct nft_set {
    const char *name; // NULL: none; it goes with the rule that looks into it
    enum nft_key key;
    uint32_t flags;     // NFT_SET_*
    uint32_t most;      // elements; 0: no bound
    uint32_t connlimit; // at most as many connections an element; 0: no bound
};

// Returns its number in the transaction, by which rules name it.
uint32_t nft_set_make(struct nft_batch *batch, const struct nft_set *set);
void nft_set_delete(struct nft_batch *batch, const char *name);

// Elements of a set, by its name or else by its number. One list after the other, each with at most
// NFT_MOST_ELEMENTS of them.
#define NFT_MOST_ELEMENTS 1000
void nft_elements_begin(struct nft_batch *batch, bool remove, const char *name, uint32_t number);
// `milliseconds`: 0 for one that stays. `end`: it is the first one behind an interval.
void nft_element(struct nft_batch *batch, const void *key, size_t length, uint64_t milliseconds, bool end);
void nft_elements_end(struct nft_batch *batch);
