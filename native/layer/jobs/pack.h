// Writes a folder as a canonical archive: entries sorted by name, nothing of this host in them (no user
// names, no device or inode numbers), so the same tree always has the same digest.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "archive_limits.h"
#include "attributes/id_map.h"
#include "err.h"

struct pack_result {
    uint64_t entries;
    uint64_t bytes;
    uint64_t skipped_devices;
    uint64_t skipped_sockets;
    uint64_t skipped_xattrs;
    uint64_t changed;  // files that changed while they were read
    uint64_t left_out; // files and folders (with all that is in them) that no image can hold
};

struct pack_options {
    const struct limits *limits;
    // The folder is a layer in overlay's form: whiteouts and opaque folders become the archive's own. It is a
    // user's: what no image can hold is left out, and the first of it told on stderr ("left out 'PATH':
    // why").
    bool overlay;
    bool skip_zeros; // as struct tar_writer has it
    // A folder of this name in the archive has the tree, which is one part of an archive that others write
    // on: it has no mark of its end. Files keep their holes, as no layer could. NULL: none of all that.
    const char *part;
    // What the ids on disk are in the archive.
    struct id_map uids, gids;
};

// `path` is the folder; `out` gets the archive. `place` (PATH_MAX bytes) names the file a failure is about.
int pack(const char *path, int out, const struct pack_options *options, struct pack_result *result,
         char *place, struct err *err);
