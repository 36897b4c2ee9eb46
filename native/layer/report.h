// Reports a failure of dockersh-layer: one line on stderr, and its exit status.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

// How the lines begin that the daemon reads (layerMarks in src/images/layers/program.ts).
#define MARK_FAILED "dockersh-layer: "
#define MARK_LEFT_OUT "left-out: "

// Tells the failure, with the entry and the offset in the archive where there are such. Returns the status,
// which is the number of the failure (failure.h).
int fail(const struct err *err, const char *path, bool has_offset, uint64_t offset);

// One line on stderr about what an archive goes without: its mark, "'PATH': why".
void note_left_out(const char *path, const char *why);
