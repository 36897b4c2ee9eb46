#include "rules/ranges.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netfilter/nf_tables.h>

static size_t bytes_of(int family) {
    return family == AF_INET ? 4 : 16;
}

void ranges_add(struct ranges *ranges, const struct net_prefix *prefix) {
    if (prefix->family != ranges->family)
        return;
    if ((ranges->count & (ranges->count - 1)) == 0) { // a power of two, or none: all the room is used
        size_t room = ranges->count == 0 ? 1 : 2 * ranges->count;
        struct range *larger = reallocarray(ranges->list, room, sizeof *larger);
        if (larger == NULL) {
            ranges->failed = true;
            return;
        }
        ranges->list = larger;
    }
    struct range *range = &ranges->list[ranges->count++];
    memset(range, 0, sizeof *range);
    for (unsigned index = 0; index < bytes_of(ranges->family); index++) {
        unsigned kept = prefix->prefix > 8 * index ? prefix->prefix - 8 * index : 0;
        uint8_t mask = kept >= 8 ? 0xff : (uint8_t)(0xff00u >> kept);
        range->first[index] = prefix->address[index] & mask;
        range->last[index] = range->first[index] | (uint8_t)~mask;
    }
}

void ranges_free(struct ranges *ranges) {
    free(ranges->list);
    ranges->list = NULL;
    ranges->count = 0;
}

static int by_first(const void *one, const void *other) {
    return memcmp(((const struct range *)one)->first, ((const struct range *)other)->first, 16);
}

// The address behind `last`; false where that is the last one of all.
static bool behind(uint8_t address[16], size_t bytes) {
    for (size_t index = bytes; index > 0; index--) {
        if (++address[index - 1] != 0)
            return true;
    }
    return false;
}

void ranges_merge(struct ranges *ranges) {
    size_t bytes = bytes_of(ranges->family), kept = 0;
    if (ranges->count == 0)
        return;
    qsort(ranges->list, ranges->count, sizeof *ranges->list, by_first);
    for (size_t index = 1; index < ranges->count; index++) {
        struct range *before = &ranges->list[kept], *range = &ranges->list[index];
        uint8_t next[16];
        memcpy(next, before->last, sizeof next);
        if (!behind(next, bytes))
            break; // it reaches to the last address, and so has all that follow
        if (memcmp(range->first, next, bytes) > 0)
            ranges->list[++kept] = *range;
        else if (memcmp(range->last, before->last, bytes) > 0)
            memcpy(before->last, range->last, sizeof before->last);
    }
    ranges->count = kept + 1;
}

uint32_t ranges_set(struct nft_batch *batch, const struct ranges *ranges) {
    size_t bytes = bytes_of(ranges->family);
    const struct nft_set set = {.key = ranges->family == AF_INET ? NFT_KEY_ADDRESS4 : NFT_KEY_ADDRESS6,
                                .flags = NFT_SET_INTERVAL};
    uint32_t number = nft_set_make(batch, &set);
    if (ranges->failed)
        batch->messages.overflow = true;
    for (size_t index = 0; index < ranges->count; index++) {
        uint8_t end[16];
        if (index % (NFT_MOST_ELEMENTS / 2) == 0)
            nft_elements_begin(batch, false, NULL, number);
        nft_element(batch, ranges->list[index].first, bytes, 0, false);
        memcpy(end, ranges->list[index].last, sizeof end);
        if (behind(end, bytes))
            nft_element(batch, end, bytes, 0, true);
        if ((index + 1) % (NFT_MOST_ELEMENTS / 2) == 0 || index + 1 == ranges->count)
            nft_elements_end(batch);
    }
    return number;
}
