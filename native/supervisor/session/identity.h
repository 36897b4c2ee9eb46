// Checks and takes on the ids that a session runs with: the user's own, or others that the daemon names
// (docs/protocol.md, section 7).
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "spec.h"
#include "wire.h"

// Ids inside that are mapped whoever the user is (src/isolation/ids.ts, rangeSize).
#define MAPPED_IDS 65536u

struct identity {
    uint32_t uid, gid;
    gid_t groups[MAX_GROUPS];
    size_t group_count;
};

// What a SESSION message says, or else what the sandbox's specification does. Never root, whoever asks, and
// never an id that is not mapped. 0, or -1 where it is refused.
int identity_read(struct identity *identity, const struct spec *spec, struct wire_reader reader);

// The session's uid as the host sees it: that of the user is the same on both sides.
uid_t identity_host_uid(const struct identity *identity, const struct spec *spec);
// What a group inside is on the host.
gid_t identity_host_gid(gid_t gid, const struct spec *spec);
