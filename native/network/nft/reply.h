// Takes apart what the kernel sends by nfnetlink: answers to a transaction, lists, notices of changes.
// Nothing is assumed of the bytes but their number, which a fuzzing harness holds it to.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nft_answer {
    bool done;         // the last message has been answered
    int error;         // an errno: of what was refused first
    uint32_t sequence; // of the message that was refused
    uint16_t type;     // its NFT_MSG_*
};

// Goes through a datagram of answers; `answer` begins as all zeros and keeps what was first.
void nft_read_answer(const uint8_t *bytes, size_t length, struct nft_answer *answer);

// One message of a datagram, or one attribute of a message.
struct nft_item {
    uint16_t type;   // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
    uint16_t flags;  // of a message
    uint32_t sender; // of a message: the port of the socket that asked for it
    const uint8_t *value;
    size_t length;
};

// The next one, or false at the end, or where what follows is broken. Both move `at` and `length` on.
bool nft_next_message(const uint8_t **at, size_t *length, struct nft_item *message);
bool nft_next_attribute(const uint8_t **at, size_t *length, struct nft_item *attribute);
// The attribute of that type in what a message or an attribute holds.
bool nft_find(const uint8_t *value, size_t length, unsigned type, struct nft_item *attribute);
// As nft_find, of a message, whose attributes follow a struct nfgenmsg.
bool nft_find_in_message(const struct nft_item *message, unsigned type, struct nft_item *attribute);
// Whether it is that text, with a NUL at its end.
bool nft_is_text(const struct nft_item *attribute, const char *text);
// Big-endian; 0 where the length is another.
uint32_t nft_u32(const struct nft_item *attribute);
uint64_t nft_u64(const struct nft_item *attribute);
