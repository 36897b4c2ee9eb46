// Copies a user's layer as it is: host ids, every attribute, overlay's own marks, holes, hard links, times.
// For snapshots; the layer must not be in use.
#pragma once

#include <stdint.h>

#include "archive_limits.h"
#include "err.h"

struct copy_result {
    uint64_t entries;
    uint64_t bytes; // of files' data that was copied
    uint64_t skipped_devices;
};

// `from` is a folder, `to` does not exist yet. Returns a descriptor of `to`, which the caller owns: nothing
// need be on the disk yet. `place` (PATH_MAX bytes) names the file a failure is about.
int copy(const char *from, const char *to, const struct limits *limits, struct copy_result *result,
         char *place, struct err *err);
