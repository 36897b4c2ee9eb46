// Makes one entry of an archive into the file that it describes. The last entry of a name counts: what an
// earlier one put there makes way, but for a folder, which keeps what is in it.
#pragma once

#include "err.h"
#include "overlay/marker.h"
#include "tar/reader.h"
#include "unpack/tree.h"

struct placing {
    struct tree *tree;
    struct tar_reader *reader; // at the entry's data
    struct unpack_result *result;
    const struct tar_entry *entry;
    struct tree_path path;
    int parent; // the folder that it lies in
};

int place(struct placing *job, struct err *err);

// layer.md, "Whiteouts": what names that begin with this say.
#define WHITEOUT_PREFIX ".wh."
