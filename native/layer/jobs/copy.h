// Copies a tree as it is: host ids, every attribute, overlay's own marks, holes, hard links, times. For
// snapshots of a user's layer, and for homes. Either may be hostile and in use: no link is followed, what
// goes meanwhile is left out, and in a home a file that is replaced meanwhile is never taken for another one.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "archive_limits.h"
#include "err.h"

struct copy_result {
    uint64_t entries;
    uint64_t bytes; // of files' data that was copied
    uint64_t skipped_devices;
    uint64_t skipped_mounts;
};

// `from` is a folder, `to` does not exist yet. Returns a descriptor of `to`, which the caller owns: nothing
// need be on the disk yet. `one_file_system`: what is mounted below `from` stays out. `place` (PATH_MAX
// bytes) names the file a failure is about.
int copy(const char *from, const char *to, const struct limits *limits, bool one_file_system,
         struct copy_result *result, char *place, struct err *err);
