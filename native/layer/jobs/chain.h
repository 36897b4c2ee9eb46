// Derives from a stack of layers what no layer says alone and overlayfs does not work out:
//
//   tree/           an upper layer may have a folder merely because something lies in it (implied.h).
//                   Overlayfs shows the topmost layer's attributes, so such a folder would take on made-up
//                   ones; applied on top of each other (OCI image specification, layer.md) the folder keeps
//                   what it has. This is one more layer, to be put on top: empty folders with the right
//                   attributes, and nothing else. A folder that only one layer has, with a whiteout in it, is
//                   there as well: overlayfs lists whiteouts of folders that it need not merge.
//   passwd, group   as a sandbox sees them; absent where they are no plain files
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "archive_limits.h"
#include "err.h"

struct chain_result {
    uint64_t folders; // in tree/, its root not counted
    uint64_t layers;  // that count: overlayfs has no opaque root, so those below one are to be left out
};

// Writes all of that into the new folder `out`. `layers`: topmost first. `place` (PATH_MAX bytes) names the
// folder a failure is about.
int chain(const char *out, const char *const *layers, size_t count, const struct limits *limits,
          struct chain_result *result, char *place, struct err *err);
