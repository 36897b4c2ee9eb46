// Writes the chains of the host's table.
#pragma once

#include "host/settings.h"
#include "nft/batch.h"

// Sets of sandboxes' addresses that reach more than the way out.
#define HOST_OPEN4 "open4"
#define HOST_OPEN6 "open6"

// Sets, chains and rules, into a table that is new.
void host_chains(struct nft_batch *batch, const struct host_table *table);
