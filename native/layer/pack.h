// Writes a folder as a canonical archive: entries sorted by name, nothing of this host in them (no user
// names, no device or inode numbers), so the same tree always has the same digest.
#pragma once

#include <stdint.h>

#include "archive_limits.h"
#include "err.h"

struct pack_result {
    uint64_t entries;
    uint64_t bytes;
    uint64_t skipped_devices;
    uint64_t skipped_sockets;
    uint64_t skipped_xattrs;
    uint64_t changed; // files that changed while they were read
};

// `path` is the folder; `out` gets the archive. `place` (PATH_MAX bytes) names the file a failure is about.
int pack(const char *path, int out, const struct limits *limits, struct pack_result *result, char *place,
         struct err *err);
