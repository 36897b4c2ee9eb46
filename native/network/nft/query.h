// Lists what nftables has in the socket's network namespace.
#pragma once

#include "err.h"
#include "netlink.h"

// Gives `hear` each message of the answer to `type` (NFT_MSG_GET…), of tables of `family` or, with AF_UNSPEC,
// of all. 0, or -1 with `err`.
int nft_list(int socket, unsigned type, unsigned family, netlink_hear *hear, void *context, struct err *err);
