// Limits on one archive. The defaults are far above any real image layer and far below what would exhaust a
// host.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct limits {
    uint64_t max_entries; // files, links and folders, those included that only a path implies
    uint64_t max_bytes;   // of the uncompressed archive
    uint64_t max_depth;   // folders above a file
    uint64_t max_path;    // bytes of a path, after every link in it has been followed
    uint64_t max_memory;  // of the unpacking process, in bytes; 0: none
    // The archive may stop after an entry, without the mark of its end: something else says whether it is
    // whole.
    bool open_end;
};

// A tree must stay removable by path: max_path and the store's own prefix stay below PATH_MAX (4096).
#define LIMITS_DEFAULT                                                                                       \
    {                                                                                                        \
        .max_entries = 1000000, .max_bytes = 64ull << 30, .max_depth = 1750, .max_path = 3500,               \
        .max_memory = 512ull << 20                                                                           \
    }
