#include "nft/reply.h"

#include <endian.h>
#include <string.h>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

static void skip(const uint8_t **at, size_t *length, size_t bytes) {
    size_t aligned = NLMSG_ALIGN(bytes);
    size_t step = aligned < *length ? aligned : *length;
    *at += step;
    *length -= step;
}

bool nft_next_message(const uint8_t **at, size_t *length, struct nft_item *message) {
    struct nlmsghdr header;
    if (*length < sizeof header)
        return false;
    memcpy(&header, *at, sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > *length)
        return false;
    *message = (struct nft_item){.type = header.nlmsg_type,
                                 .flags = header.nlmsg_flags,
                                 .sender = header.nlmsg_pid,
                                 .value = *at + sizeof header,
                                 .length = header.nlmsg_len - sizeof header};
    skip(at, length, header.nlmsg_len);
    return true;
}

bool nft_next_attribute(const uint8_t **at, size_t *length, struct nft_item *attribute) {
    struct nlattr header;
    if (*length < sizeof header)
        return false;
    memcpy(&header, *at, sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > *length)
        return false;
    *attribute = (struct nft_item){.type = header.nla_type & NLA_TYPE_MASK,
                                   .value = *at + sizeof header,
                                   .length = header.nla_len - sizeof header};
    skip(at, length, header.nla_len);
    return true;
}

bool nft_find(const uint8_t *value, size_t length, unsigned type, struct nft_item *attribute) {
    while (nft_next_attribute(&value, &length, attribute)) {
        if (attribute->type == type)
            return true;
    }
    return false;
}

bool nft_find_in_message(const struct nft_item *message, unsigned type, struct nft_item *attribute) {
    size_t own = NLMSG_ALIGN(sizeof(struct nfgenmsg));
    return message->length >= own && nft_find(message->value + own, message->length - own, type, attribute);
}

bool nft_is_text(const struct nft_item *attribute, const char *text) {
    size_t length = strlen(text) + 1;
    return attribute->length == length && memcmp(attribute->value, text, length) == 0;
}

uint32_t nft_u32(const struct nft_item *attribute) {
    uint32_t big;
    if (attribute->length != sizeof big)
        return 0;
    memcpy(&big, attribute->value, sizeof big);
    return be32toh(big);
}

uint64_t nft_u64(const struct nft_item *attribute) {
    uint64_t big;
    if (attribute->length != sizeof big)
        return 0;
    memcpy(&big, attribute->value, sizeof big);
    return be64toh(big);
}

void nft_read_answer(const uint8_t *bytes, size_t length, struct nft_answer *answer) {
    struct nft_item message;
    while (nft_next_message(&bytes, &length, &message)) {
        int32_t error;
        struct nlmsghdr about;
        if (message.type != NLMSG_ERROR || message.length < sizeof error + sizeof about)
            continue;
        memcpy(&error, message.value, sizeof error);
        memcpy(&about, message.value + sizeof error, sizeof about);
        if (error == 0) {
            answer->done = true;
        } else if (answer->error == 0) {
            answer->error = error < 0 && error > -4096 ? -error : 4095;
            answer->sequence = about.nlmsg_seq;
            answer->type = about.nlmsg_type & 0xff;
        }
    }
}
