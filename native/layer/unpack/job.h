// The two processes of unpacking: one reads the archive, confined to the folder (confine.h); the other waits,
// marks opaque folders for it (marker.h) and writes the result.
#pragma once

#include "unpack/unpack.h"

// Unpacks the archive on stdin into the empty folder `path`. Returns the exit status.
int unpack_job(const char *path, const struct unpack_options *options);
