// Answers what the daemon asks about a sandbox's private network, and tells it of what is refused there.
#pragma once

#include "supervisor.h"

// MSG_NETWORK: from now on the network is as this says. Answers MSG_NETWORK_SET.
void networking_change(struct supervisor *supervisor, struct wire_reader *reader);
// MSG_PORTS_MISSING: which of the plan's ports could not be published.
void networking_tell_missing(const struct supervisor *supervisor);
// MSG_COUNT_TRAFFIC, which is answered by MSG_TRAFFIC.
void networking_count(struct supervisor *supervisor, struct wire_reader *reader);
// Something has been refused inside; the daemon hears of it a moment later, of everything until then at once.
void networking_refused(struct supervisor *supervisor);
// When networking_due() has something to do: to tell of it, to ask the DNS relay again, to publish again.
uint64_t networking_next(const struct network *network);
void networking_due(struct supervisor *supervisor, uint64_t now);
