// Puts one transaction of nftables together and hands it to the kernel by nfnetlink: all of it counts from
// one moment on, or nothing does. The attributes of its messages are written with netlink_put() and its like.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "netlink.h"

struct nft_batch {
    struct netlink_batch messages;
    uint8_t family;    // NFPROTO_*, of the table that the next messages are about
    const char *table; // its name
    uint32_t sets;     // those without a name that were made so far
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
// Sends it, and hears the answer. 0, or -1 with `err` of what the kernel refused first.
int nft_commit(int socket, struct nft_batch *batch, struct err *err);

// Begins a message (NFT_MSG_*) about the current table; its attributes follow. `what` is the step, should it
// fail.
void nft_message(struct nft_batch *batch, unsigned type, unsigned flags, const char *what);
// An attribute with a value in it as NFTA_DATA_VALUE.
void nft_put_data(struct nft_batch *batch, uint16_t type, const void *value, size_t length);
