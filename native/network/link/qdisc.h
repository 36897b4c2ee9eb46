// Bounds how many bytes a second leave by a device.
#pragma once

#include <stdint.h>

#include "netlink.h"

// Puts a bound of so many bytes a second into the batch, in the place of one that is there; 0: takes it away.
void qdisc_put_rate(struct netlink_batch *batch, int index, uint64_t rate);
