// Marks folders on behalf of the process that reads an archive. Overlayfs reads "this folder hides what is
// below it" from the attribute trusted.overlay.opaque, marks.h has others of ours, and setting a trusted
// attribute takes CAP_SYS_ADMIN of the host: too much for the process that reads the archive. So that process
// asks its parent, which reads no archive and keeps only that capability; the folder travels as a descriptor.
// Also carries the result.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

struct unpack_result {
    uint64_t entries;
    uint64_t bytes; // of the archive
    uint64_t skipped_devices;
    uint64_t skipped_xattrs;
    uint64_t whiteouts;
    uint64_t implied; // folders that no entry speaks of
    bool times_kept;  // the file system holds every time of the archive as it is
};

// Reading side's calls. `folder` is borrowed.
int marker_ask_opaque(int socket, int folder, struct err *err);
int marker_ask_implied(int socket, int folder, struct err *err);
int marker_ask_whiteouts(int socket, int folder, struct err *err);
int marker_send_result(int socket, const struct unpack_result *result, struct err *err);

// The parent's: answers requests until the other side is gone, and has what is below `root` written to the
// disk meanwhile. 1: the result has come, 0: it has not.
int marker_serve(int socket, int root, struct unpack_result *result, struct err *err);
