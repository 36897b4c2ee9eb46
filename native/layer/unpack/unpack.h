// Turns the entries of an archive into files below the current root. Runs confined (confine.h): it may
// be wrong about an archive without anything outside the folder being touched.
#pragma once

#include "archive_limits.h"
#include "attributes/id_map.h"
#include "err.h"
#include "overlay/marker.h"
#include "tar/reader.h"

// Where a failure happened, for the message.
struct unpack_place {
    char *path; // owned; NULL before the first entry
    uint64_t offset;
};

struct unpack_options {
    const struct limits *limits;
    // Empty: the ids of the archive are those on the disk, as in a layer of an image. Else a user's data is
    // unpacked: what its ids are on the host; whatever names another one is refused.
    struct id_map uids, gids;
};

// Reads the archive from `fd` and fills the folder `root`. `marker` is the socket of marker.h.
int unpack(int fd, int root, int marker, const struct unpack_options *options, struct unpack_result *result,
           struct unpack_place *place, struct err *err);
