#include "nft/reply.h"

#include <endian.h>
#include <string.h>

#include <linux/netfilter/nfnetlink.h>

bool nft_find(struct netlink_reader reader, uint16_t type, struct netlink_attribute *attribute) {
    while (netlink_next_attribute(&reader, attribute)) {
        if (attribute->type == type)
            return true;
    }
    return false;
}

bool nft_find_in_message(const struct netlink_message *message, uint16_t type,
                         struct netlink_attribute *attribute) {
    return nft_find(netlink_attributes(message, sizeof(struct nfgenmsg)), type, attribute);
}

struct netlink_reader nft_inside(const struct netlink_attribute *attribute) {
    return (struct netlink_reader){.at = attribute->value, .end = attribute->value + attribute->length};
}

bool nft_is_text(const struct netlink_attribute *attribute, const char *text) {
    size_t length = strlen(text) + 1;
    return attribute->length == length && memcmp(attribute->value, text, length) == 0;
}

uint64_t nft_u64(const struct netlink_attribute *attribute) {
    uint64_t big;
    if (attribute->length != sizeof big)
        return 0;
    memcpy(&big, attribute->value, sizeof big);
    return be64toh(big);
}
