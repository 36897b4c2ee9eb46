// Lists the members of an archive without unpacking it.
#pragma once

#include "archive_limits.h"
#include "err.h"

// Writes "KIND OFFSET SIZE NAME\0LINK\0" for every entry of the archive on `fd` to stdout. KIND is f for a
// file (OFFSET and SIZE are those of its data in the archive), l for a link and o for what is neither.
// A name
// longer than the limit is a failure. Entries up to a failure have been written.
int list(int fd, const struct limits *limits, struct err *err);
