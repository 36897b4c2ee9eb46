// Lists what a layer in overlay's form changes of the layers below it.
#pragma once

#include <stddef.h>

#include "archive_limits.h"
#include "attributes/id_map.h"
#include "err.h"

struct diff_options {
    const struct limits *limits;
    // Paths of the layers below, topmost first.
    const char *const *lowers;
    size_t lower_count;
    // What ids of the upper layer are in the lower ones.
    struct id_map uids, gids;
};

// Writes "KIND PATH\0" for every change to stdout, in the order of paths: A added, C changed, D deleted; a
// folder whose content changes counts as changed. Beyond the limits deep.h says what PATH is. `place`
// (PATH_MAX bytes) names the file a failure is about.
int diff(const char *upper, const struct diff_options *options, char *place, struct err *err);
