// Writes the policy's rules of one verdict, few for many: those that are about the same ports become one rule
// with a set.
#pragma once

#include "nft/batch.h"
#include "plan.h"

enum policy_way {
    POLICY_OUT, // by destination
    POLICY_IN,  // what comes from there: by source
};

// `code`, `target`: what becomes of a packet that one of them is about, as of nft_verdict().
void policy_rules(struct nft_batch *batch, const char *chain, const struct net_plan *plan,
                  enum net_verdict verdict, enum policy_way way, int code, const char *target);
bool policy_has(const struct net_plan *plan, enum net_verdict verdict);
