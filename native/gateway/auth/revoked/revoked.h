// Keys that let nobody in any more.
#pragma once

#include "auth/keys/shown.h"

struct monitor;

// True also where the list can't be read: who has one means it.
bool key_is_revoked(const struct monitor *monitor, const struct shown_key *shown);
