// How dockersh-layer says what went wrong: one line on stderr, and its exit status.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

// sysexits(3h)
enum { EXIT_USAGE = 64, EXIT_DATA = 65, EXIT_SYSTEM = 71 };

// Tells the failure, with the entry and the offset in the archive where there are such. Returns the status.
int fail(const struct err *err, const char *path, bool has_offset, uint64_t offset);
