// Writes the rules of each chain inside a sandbox.
#pragma once

#include "nft/batch.h"
#include "plan.h"

#define CHAIN_OUTPUT "output"
#define CHAIN_INPUT "input"
#define CHAIN_PASS "pass"     // what the policy lets out, as long as it is not too much
#define CHAIN_CLOSED "closed" // to what is closed to all
#define CHAIN_OVER "over"     // above the bounds on connections
#define CHAIN_REFUSE "refuse"
#define CHAIN_WALL "wall"
#define CHAIN_WALL_CLOSED "closed"

// Counters.
#define RULES_REFUSED "refused"
#define RULES_OVER "over"
#define RULES_STOPPED "stopped"

void chains_untracked(struct nft_batch *batch, const char *chain, uint32_t interface_key);
// `closed`, `over` and `refuse`, which no plan changes.
void chains_refuse(struct nft_batch *batch);
void chains_pass(struct nft_batch *batch, const struct net_plan *plan);
void chains_output(struct nft_batch *batch, const struct net_plan *plan);
void chains_input(struct nft_batch *batch, const struct net_plan *plan);
// `closed` of the wall, which no plan changes.
void chains_wall_closed(struct nft_batch *batch);
void chains_wall(struct nft_batch *batch, const struct net_plan *plan);
