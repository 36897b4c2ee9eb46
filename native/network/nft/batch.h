// Puts one transaction of nftables together and hands it to the kernel by nfnetlink: all of it counts from
// one moment on, or nothing does. Written for the few tables of ours, from the kernel's own headers. What
// runs short of memory is told once, by nft_commit().
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct nft_batch {
    uint8_t *bytes;
    size_t used, size;
    bool failed;       // there was no memory, or something did not fit
    uint8_t family;    // NFPROTO_*, of the table that the next messages are about
    const char *table; // its name
    size_t message;    // where the message begins that is being put together
    size_t list;       // where the list in it does: a rule's expressions, a set's elements
    uint32_t sequence;
    uint32_t sets; // those without a name that were made so far
};

// Where a part of a packet lies.
struct nft_field {
    uint32_t base; // NFT_PAYLOAD_*
    uint32_t offset, bytes;
};

// A socket in the caller's network namespace. Non-negative, or -1 with `err`.
int nft_open(struct err *err);

void nft_begin(struct nft_batch *batch);
void nft_free(struct nft_batch *batch);
#define cleanup_nft __attribute__((cleanup(nft_free)))
// Sends it, and waits for the answer. 0, or -1 with `err` of what the kernel refused first.
int nft_commit(int socket, struct nft_batch *batch, struct err *err);

// Begins a message (NFT_MSG_*) about the current family; its attributes follow.
void nft_message(struct nft_batch *batch, unsigned type, unsigned flags);
void nft_put(struct nft_batch *batch, unsigned type, const void *value, size_t length);
void nft_put_text(struct nft_batch *batch, unsigned type, const char *text);
void nft_put_u32(struct nft_batch *batch, unsigned type, uint32_t value);
void nft_put_u64(struct nft_batch *batch, unsigned type, uint64_t value);
// An attribute that holds others, from the first of these to nft_nest_end() with what nft_nest() returned.
size_t nft_nest(struct nft_batch *batch, unsigned type);
void nft_nest_end(struct nft_batch *batch, size_t nest);
// An attribute with a value in it as NFTA_DATA_VALUE.
void nft_put_data(struct nft_batch *batch, unsigned type, const void *value, size_t length);
