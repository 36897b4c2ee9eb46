// Lists what is closed to every sandbox unless its policy opens it.
#pragma once

#include "plan.h"
#include "rules/ranges.h"

// Those of the family of `closed`, merged: of the host and its neighbourhood, of other sandboxes, of the
// cloud that it may run in, and what means many or nobody.
void closed_of(const struct net_plan *plan, struct ranges *closed);
