// Takes apart what the kernel sends by nfnetlink. Nothing is assumed of the bytes but their number, which a
// fuzzing harness holds it to.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netlink.h"

// The attribute of that type behind where the reader is.
bool nft_find(struct netlink_reader reader, uint16_t type, struct netlink_attribute *attribute);
// Of a message, whose attributes follow a struct nfgenmsg.
bool nft_find_in_message(const struct netlink_message *message, uint16_t type,
                         struct netlink_attribute *attribute);
// What an attribute holds.
struct netlink_reader nft_inside(const struct netlink_attribute *attribute);
// Whether it is that text, with a NUL at its end.
bool nft_is_text(const struct netlink_attribute *attribute, const char *text);
// Big-endian; 0 where the length is another.
uint64_t nft_u64(const struct netlink_attribute *attribute);
