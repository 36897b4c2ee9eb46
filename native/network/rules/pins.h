// Keeps the sets that the answers of the DNS relay fill: addresses that policy names by their host's name.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "nft/batch.h"
#include "plan.h"

#define PIN_NAME_BYTES 16
// Addresses in a set; more are refused.
#define PIN_MOST 2048

// Writes the name of set `set` for addresses of `family`.
void pin_name(char name[PIN_NAME_BYTES], uint16_t set, int family);
// The next set above `after` (-1: the first) that a rule of the plan names, or -1. `open_only`: a rule that
// opens.
int pin_next(const struct net_plan *plan, int after, bool open_only);
// Whether a rule of the plan names the set.
bool pin_has_set(const struct net_plan *plan, uint16_t set, bool open_only);
// Puts the addresses into the set of that name.
void pin_add(struct nft_batch *batch, const char *name, const struct net_pin *pins, size_t count);
// Has the batch's table have the plan's sets: those that are there where the relay would fill them the same,
// else new and empty ones. `open_only`: those that the wall looks into.
void pins_renew(struct nft_batch *batch, const struct net_plan *plan, const struct net_plan *before,
                bool open_only);
